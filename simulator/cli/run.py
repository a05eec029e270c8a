"""`rft-preflight run`: everything that can be refused is refused before anything is sent."""

import os
import resource
import secrets
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import trio
from cyclopts import Parameter
from rich.console import Console, RenderableType

from reports.files import write_reports
from reports.progress import progress
from reports.terminal import WIDTH, render
from simulator.cli.consent import ask_before_leaving
from simulator.cli.embedded import Embedded, embed
from simulator.dialects.openai import OpenAI
from simulator.engine.journal import Journal
from simulator.engine.session import Conducted, Setup, conduct
from simulator.errors import InputError
from simulator.gates import Gate, default_gates, judge, parse_gates
from simulator.job.policies import policy_factory
from simulator.job.scenario import Overrides, Scenario, load_scenario
from simulator.plan.schedule import arrivals, items_played, schedule
from simulator.redaction import redactor
from simulator.transport.http11 import Http11

EXIT_CODES = {"pass": 0, "fail": 1, "invalid": 3}
JOURNAL = "rollouts.jsonl"


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """What the command line may say of a run; None leaves it to the scenario or the job."""

    train: Path | None = None
    "The training dataset, where the job does not name a file beside it."
    valid: Path | None = None
    "The validation dataset, likewise."
    policy: str | None = None
    "What stands in for the model: a policy of the scenario's, or `synthetic`."
    compute_multiplier: float | None = None
    "Scales the rollouts of a step: batch_size x round(group_size x compute_multiplier)."
    steps: int | None = None
    "How many training steps to play."
    time_scale: float | None = None
    "Compresses think times: 0.1 thinks ten times faster than the model would; 0 not at all."
    seed: int | None = None
    "The same seed sends the same calls."
    gate: Annotated[tuple[str, ...] | None, Parameter(negative=(), show_default=False)] = None
    "A condition such as `search.p99 < 2s`; give it several times for several. Replaces the scenario's gates."
    out: Path | None = None
    "The folder for the reports; by default out/SCENARIO-TIME."
    yes: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    "Do not ask before sending to hosts that are not this machine."


class Prepared(msgspec.Struct, frozen=True):
    """A run that nothing can be refused about any more."""

    scenario: Scenario
    setup: Setup
    gates: tuple[Gate, ...]
    out: Path
    embedded: Embedded | None


_DEFAULTS = RunOptions()


def run(target: str, /, options: RunOptions = _DEFAULTS) -> int:
    """Play a job's training steps against its endpoints, and judge them.

    Parameters
    ----------
    target
        A bundled scenario's name (`finqa`), a scenario TOML, or a job's JSON.
    """
    prepared = _prepare(target, options, os.environ)
    for finding in prepared.scenario.findings:
        print(f"{finding.severity}: {finding.message}; {finding.remedy}", file=sys.stderr)
    ask_before_leaving(prepared.scenario, prepared.setup.phases, assume_yes=options.yes)
    return _play(prepared)


def _prepare(target: str, options: RunOptions, environ: Mapping[str, str]) -> Prepared:
    embedded = embed(target, environ)
    scenario = load_scenario(
        target, _overrides(options), {**environ, **(embedded.environ if embedded else {})}
    )
    tools = [tool.name for tool in scenario.job.tools]
    grader_called = scenario.job.grader.endpoint is not None
    texts = default_gates(tools, grader_called=grader_called) if scenario.gates is None else scenario.gates
    gates = parse_gates(texts, tools, grader_called=grader_called)
    filled = arrivals(scenario.load, scenario.job.hyperparameters)
    now = datetime.now(UTC)
    setup = Setup(
        scenario=scenario.name,
        job=scenario.job,
        load=scenario.load,
        rules=scenario.rules,
        dialect=OpenAI(),
        phases=schedule(scenario.job, scenario.load, scenario.train, scenario.valid),
        policy=scenario.policy,
        make_policy=policy_factory(
            scenario, items_played(scenario.load, filled, scenario.train, scenario.valid)
        ),
        seed=scenario.seed,
        started_at=now.isoformat(timespec="seconds"),
        run_key=secrets.token_hex(16),
    )
    return Prepared(scenario, setup, gates, _output_folder(options.out, scenario.name, now), embedded)


def _overrides(options: RunOptions) -> Overrides:
    return Overrides(
        train=str(options.train) if options.train else None,
        valid=str(options.valid) if options.valid else None,
        policy=options.policy,
        compute_multiplier=options.compute_multiplier,
        steps=options.steps,
        time_scale=options.time_scale,
        seed=options.seed,
        gates=options.gate,
    )


def _output_folder(out: Path | None, name: str, now: datetime) -> Path:
    folder = out or Path("out") / f"{name}-{now:%Y%m%d-%H%M%S}"
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise InputError(message, where=str(path), remedy="choose another --out") from None


def _play(prepared: Prepared) -> int:
    stderr = Console(stderr=True)
    stdout = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    _allow_many_connections()
    with ExitStack() as stack:
        if prepared.embedded is not None:
            stack.enter_context(prepared.embedded.serving())
        with _writing(prepared.out / JOURNAL):
            journal = stack.enter_context(Journal(prepared.out / JOURNAL))
        watch = stack.enter_context(progress(stderr))
        conducted: Conducted = trio.run(
            conduct, prepared.setup, Http11, journal, redactor(prepared.scenario.secrets), watch
        )
    summary = conducted.summary
    verdict = judge(prepared.gates, summary)
    with _writing(prepared.out):
        written = write_reports(prepared.out, summary, verdict, prepared.scenario.findings)
    _show(stdout, render(summary, verdict, (*written, JOURNAL), prepared.out))
    if conducted.failure is not None:
        raise conducted.failure
    return 130 if summary.interrupted else EXIT_CODES[verdict.verdict]


def _show(stdout: Console, report: RenderableType) -> None:
    try:
        stdout.print(report)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough; the files and the exit code are still there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _allow_many_connections() -> None:
    """Raise the soft limit on open files to the hard one: every rollout in flight may need a socket."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
