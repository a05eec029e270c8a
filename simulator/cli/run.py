"""`rft-preflight run`: everything that can be refused is refused before anything is sent."""

import os
import resource
from contextlib import ExitStack, suppress
from functools import partial

import trio

from reports.files import write_reports
from reports.progress import progress
from reports.terminal import render
from simulator.cli.consent import ask_before_leaving
from simulator.cli.output import JOURNAL, make_folder, stderr_console, stdout_console, undisturbed, writing
from simulator.cli.prepare import Prepared, RunOptions, prepare
from simulator.cli.worker import Brief, work
from simulator.clock import SharedClock
from simulator.engine.crew import Crew
from simulator.engine.journal import Journal
from simulator.engine.session import conduct, conduct_in_processes
from simulator.engine.shard import Tools
from simulator.errors import InputError, PreflightError
from simulator.gates import judge
from simulator.measure.summary import Summary
from simulator.redaction import redactor

EXIT_CODES = {"pass": 0, "fail": 1, "invalid": 3}
EXIT_INTERRUPTED = 130

_MANY_FILES = 10_240

_DEFAULTS = RunOptions()


def run(target: str, /, options: RunOptions = _DEFAULTS) -> int:
    """Play a job's training steps against its endpoints, and judge them.

    Parameters
    ----------
    target
        A bundled scenario's name (`finqa`), a scenario TOML, or a job's JSON.
    """
    prepared = prepare(target, options, os.environ)
    ask_before_leaving(prepared.scenario, prepared.setup.phases, assume_yes=options.yes)
    return _play(prepared, target, options)


def _play(prepared: Prepared, target: str, options: RunOptions) -> int:
    _allow_many_connections()
    make_folder(prepared.out)
    with ExitStack() as stack:
        if prepared.embedded is not None:
            stack.enter_context(prepared.embedded.serving())
        with writing(prepared.out / JOURNAL):
            journal = stack.enter_context(Journal(prepared.out / JOURNAL))
        stack.enter_context(undisturbed())
        with progress(stderr_console()) as watch:
            redact = redactor(prepared.scenario.secrets)
            if prepared.processes == 1:
                tools = Tools(prepared.make_transport, journal, redact)
                playing = partial(conduct, prepared.setup, tools, watch)
            else:
                brief = _brief(prepared, target, options)
                crew = Crew(prepared.processes, partial(work, brief), redact)
                playing = partial(conduct_in_processes, prepared.setup, journal, watch, crew)
            summary = trio.run(playing, clock=SharedClock())
        return _tell(prepared, summary)


def _brief(prepared: Prepared, target: str, options: RunOptions) -> Brief:
    return Brief(
        target,
        options,
        prepared.embedded.environ if prepared.embedded else {},
        prepared.setup.run_key,
        prepared.out / JOURNAL,
    )


def _tell(prepared: Prepared, summary: Summary) -> int:
    """Write the reports and print one of them, whatever the disk says; return the exit code."""
    verdict = judge(prepared.gates, summary)
    written, refusal = [JOURNAL], None
    try:
        with writing(prepared.out):
            written += write_reports(prepared.out, summary, verdict)
    except InputError as error:
        refusal = error
    stdout_console().print(render(summary, verdict, written, prepared.out))
    if refusal is not None:
        raise refusal
    if summary.failure:
        raise PreflightError(summary.failure)
    return EXIT_INTERRUPTED if summary.interrupted else EXIT_CODES[verdict.verdict]


def _allow_many_connections() -> None:
    """Raise the soft limit on open files as far as it goes: every rollout in flight may need a socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MANY_FILES if hard == resource.RLIM_INFINITY else hard
    with suppress(ValueError, OSError):  # where the system allows less than it says, what it has must do
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
