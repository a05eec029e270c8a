"""`rft-preflight run`: everything that can be refused is refused before anything is sent."""

import os
import resource
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial

import msgspec
import trio
from rich.console import Console
from rich.text import Text

from reports.findings_terminal import render_findings
from reports.progress import progress
from reports.reading import JOURNAL
from simulator.checks.conduct import Orders
from simulator.cli.afterwards import (
    asked_afterwards,
    compare_with_recording,
    grade_afterwards,
    is_wanted,
)
from simulator.cli.check import show
from simulator.cli.consent import ask_before_leaving, volume
from simulator.cli.examine import PROBES, Examined, examine
from simulator.cli.observing import Observer, observing
from simulator.cli.otel import refuse_without_otel
from simulator.cli.output import (
    make_folder,
    status,
    stderr_console,
    undisturbed,
    writing,
)
from simulator.cli.prepare import Prepared, RunOptions, prepare
from simulator.cli.repeating import command_of, settings_of
from simulator.cli.telling import tell
from simulator.cli.worker import Brief, work
from simulator.clock import SharedClock
from simulator.engine.crew import Crew
from simulator.engine.journal import Journal
from simulator.engine.session import conduct, conduct_in_processes
from simulator.engine.shard import Tools
from simulator.measure.summary import Snapshot, Summary
from simulator.model import Finding
from simulator.plan.trainer import endpoints_of
from simulator.redaction import redactor

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
    if options.otel:
        refuse_without_otel()
    asked = [*endpoints_of(prepared.setup.job), *asked_afterwards(prepared)]
    what = volume(prepared.setup.phases) + ("" if options.skip_checks else f" after {PROBES}")
    ask_before_leaving(asked, what, assume_yes=options.yes)
    console = stderr_console()
    with ExitStack() as stack:
        observer = stack.enter_context(observing(prepared, options, partial(_say, console)))
        if prepared.embedded is not None:
            stack.enter_context(prepared.embedded.serving())
        examined = None if options.skip_checks else _examine(prepared)
        if examined is not None and (examined.failed or examined.interrupted):
            return _refuse(examined, prepared)
        findings = examined.findings if examined else ()
        return _play(prepared, target, options, findings, console=console, observer=observer)


def _say(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=True)


def _refuse(examined: Examined, prepared: Prepared) -> int:
    code = show(examined, prepared.out)
    if examined.failed:
        line = "nothing was played, because of these errors; mend them, or pass --skip-checks to go on"
        stderr_console().print(Text(line))
    return code


def _examine(prepared: Prepared) -> Examined:
    """Check files and endpoints, but for the rate, which the run itself will find out."""
    console = stderr_console()
    if not console.is_interactive:
        console.print(Text("checking files and endpoints first; --skip-checks leaves that out"))
    with status(console) as watch:
        examined = examine(prepared.scenario, (), Orders(rate_s=0.0), os.environ, watch)
    if not examined.failed:
        console.print(render_findings(examined.findings))
    return examined


def _play(
    prepared: Prepared,
    target: str,
    options: RunOptions,
    findings: Sequence[Finding],
    *,
    console: Console,
    observer: Observer | None,
) -> int:
    _allow_many_connections()
    make_folder(prepared.out)
    with ExitStack() as stack:
        with writing(prepared.out / JOURNAL):
            journal = stack.enter_context(Journal(prepared.out / JOURNAL))
        stack.enter_context(undisturbed())
        with progress(console) as show:
            watch = show if observer is None else partial(_watch, (show, observer.tell))
            redact = redactor(prepared.scenario.secrets)
            if prepared.processes == 1:
                tools = Tools(prepared.make_transport, journal, redact)
                playing = partial(conduct, prepared.setup, tools, watch)
            else:
                brief = _brief(prepared, target, options)
                crew = Crew(prepared.processes, partial(work, brief), redact)
                playing = partial(conduct_in_processes, prepared.setup, journal, watch, crew)
            summary = trio.run(playing, clock=SharedClock())
        told = msgspec.structs.replace(
            _graded(prepared, summary, options),
            command=redact(command_of(target, options, prepared.setup.seed)),
            settings=settings_of(prepared),
            price_per_hour=prepared.scenario.price_per_hour,
        )
        try:
            return tell(prepared, told, findings, otel=options.otel)
        finally:
            if observer is not None:
                observer.over(prepared.out, options.prometheus_wait)


def _watch(watchers: Sequence[Callable[[Snapshot], None]], snapshot: Snapshot) -> None:
    for watch in watchers:
        watch(snapshot)


def _graded(prepared: Prepared, summary: Summary, options: RunOptions) -> Summary:
    """Compare with the recording, if there is one, and grade what is still to be graded.

    A run that was stopped is not graded, and one that gave up is left as it is.
    """
    if summary.failure:
        return summary
    summary, then = compare_with_recording(prepared, summary)
    if summary.interrupted or not summary.rollouts.completed:
        return summary
    if not is_wanted(prepared.scenario, options.regrade, then):
        return summary
    return grade_afterwards(prepared, summary, options.regrade, then)


def _brief(prepared: Prepared, target: str, options: RunOptions) -> Brief:
    return Brief(
        target,
        options,
        prepared.embedded.environ if prepared.embedded else {},
        prepared.setup.run_key,
        prepared.out / JOURNAL,
    )


def _allow_many_connections() -> None:
    """Raise the soft limit on open files as far as it goes: every rollout in flight may need a socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MANY_FILES if hard == resource.RLIM_INFINITY else hard
    with suppress(ValueError, OSError):  # where the system allows less than it says, what it has must do
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
