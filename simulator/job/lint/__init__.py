"""What can be said of the files without any traffic: pure functions of what was read, listed in `LINTS`.

What makes a file unusable, the readers beside this room complain of; here is what they let pass.
"""

from collections.abc import Callable, Iterable

from simulator.errors import InputError
from simulator.findings import found
from simulator.job.lint.rows import ROW_LINTS
from simulator.job.scenario import Scenario
from simulator.model import Finding

Lint = Callable[[Scenario], Iterable[Finding]]

LINTS: tuple[Lint, ...] = (*ROW_LINTS,)


def lint(scenario: Scenario) -> tuple[Finding, ...]:
    """Return what the files have wrong, in the order of `LINTS`."""
    return tuple(finding for check in LINTS for finding in check(scenario))


def complaint(error: InputError) -> Finding:
    """Return what a reader complained of, as a finding."""
    return found(error.code, error.message, where=error.where, remedy=error.remedy)
