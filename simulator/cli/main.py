"""The command line: the table of commands, and the one place where errors become a line and an exit code."""

import io
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, CycloptsError, Group, Parameter

from simulator.cli.check import check
from simulator.cli.compare import compare
from simulator.cli.demo import demo
from simulator.cli.exits import EXIT_INTERRUPTED, EXIT_UNUSABLE
from simulator.cli.explain import explain
from simulator.cli.grade import grade
from simulator.cli.init import init
from simulator.cli.mock import mock
from simulator.cli.output import Voice
from simulator.cli.report import report
from simulator.cli.run import run
from simulator.cli.traces import traces
from simulator.errors import PreflightError

COMMANDS: tuple[Callable[..., int], ...] = (
    check,
    grade,
    run,
    compare,
    report,
    traces,
    demo,
    mock,
    init,
    explain,
)

HELP = """Plays the trainer of an agent reinforcement fine-tuning job against your endpoints.

It starts the rollouts of a training step as the trainer would, sends every tool call under its rollout's id,
grades every rollout, and says, with evidence, whether the endpoints will hold up.

Start with `rft-preflight demo`, then `rft-preflight check job.json`, then `rft-preflight run job.json`.

Exit codes: 0 passed · 1 a gate failed, a check found an error, or `compare` something worse · 2 wrong
invocation or unusable input · 3 the measurement cannot be trusted, or the check is not whole · 130
interrupted (what was measured is written).
"""


def build_app() -> App:
    """Return the application with all its commands."""
    app = App(
        name="rft-preflight",
        help=HELP,
        help_format="markdown",
        version=version("rft-preflight"),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for command in COMMANDS:
        app.command(command)

    @app.meta.default
    def speak(
        *words: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
        quiet: Annotated[bool, Parameter(negative=())] = False,
        no_color: Annotated[bool, Parameter(negative=())] = False,
    ) -> Any:
        """Run one of the commands.

        Parameters
        ----------
        words
            The command.
        quiet
            Say nothing but errors: the exit code and the files tell the rest.
        no_color
            Use no colours; NO_COLOR in the environment does the same.
        """
        Voice.quiet, Voice.plain = quiet, no_color
        return app(words, exit_on_error=False, print_error=False)

    app.meta.suppress_keyboard_interrupt = False
    app.meta.group_parameters = Group("For all commands", sort_key=0)
    app.register_install_completion_command(name="--install-completion")
    return app


def invoke(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; whatever the user can mend is one line on stderr."""
    try:
        result: Any = build_app().meta(arguments, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        return _complain(f"{_one_line(str(error))} See `rft-preflight --help`.", EXIT_UNUSABLE)
    except PreflightError as error:
        return _complain(_one_line(str(error)), EXIT_UNUSABLE)
    except KeyboardInterrupt:
        return _complain("interrupted", EXIT_INTERRUPTED)
    return result if isinstance(result, int) else 0


def prepare_streams() -> None:
    """Make sure that there is something to write to, and that no character is one too many for it."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 it is for good
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _complain(line: str, code: int) -> int:
    print(f"rft-preflight: {line}", file=sys.stderr)
    return code


def _one_line(text: str) -> str:
    return " ".join(text.split())
