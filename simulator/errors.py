"""Every exception this program raises on purpose.

    PreflightError            one line for the user: what, where, what to do; exit code 2
    ├── InputError            a file, a setting or an argument that cannot be used
    │   ├── JobError          the job's JSON
    │   ├── DatasetError      a dataset's line
    │   ├── ScenarioError     the scenario's TOML
    │   └── GateError         a gate that cannot be parsed or names nothing known
    └── PolicyError           the code that stands in for the model failed while it was asked for a turn

What goes wrong on the wire is never an exception here: it is a fault of the closed list in `faults`.
"""


class PreflightError(Exception):
    """Something the user can mend; `str()` of it is the one line they read."""


class InputError(PreflightError):
    """A file, setting or argument that cannot be used.

    `where` is `file`, `file:line` or an option's name, as linters print it; `remedy` says what to do; `code`
    is that of the finding which a check makes of it.
    """

    code = "job.unusable"

    def __init__(self, message: str, *, where: str = "", remedy: str = "", code: str = "") -> None:
        self.message, self.where, self.remedy = message, where, remedy
        if code:
            self.code = code
        super().__init__((f"{where}: " if where else "") + message + (f"; {remedy}" if remedy else ""))


class JobError(InputError):
    """The job's JSON cannot be used."""


class DatasetError(InputError):
    """A line of a dataset cannot be used."""

    code = "dataset.unusable_row"


class ScenarioError(InputError):
    """The scenario's TOML cannot be used."""

    code = "scenario.unusable"


class GateError(InputError):
    """A gate cannot be parsed, or names something that the run will not measure."""

    code = "scenario.unusable"


class PolicyError(PreflightError):
    """A policy raised, or asked for something that no model could."""
