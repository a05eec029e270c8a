"""`rft-preflight run`: everything that can be refused is refused before anything is sent."""

import os
import resource
import secrets
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
import trio
from cyclopts import Parameter, Token

from reports.files import write_reports
from reports.progress import progress
from reports.terminal import render
from simulator.cli.consent import ask_before_leaving
from simulator.cli.embedded import Embedded, embed
from simulator.cli.output import JOURNAL, make_folder, stderr_console, stdout_console, undisturbed, writing
from simulator.dialects.openai import OpenAI
from simulator.engine.journal import Journal
from simulator.engine.session import Setup, conduct
from simulator.errors import InputError, PreflightError
from simulator.gates import Gate, default_gates, judge, parse_gates
from simulator.job.policies import policy_factory
from simulator.job.scenario import Overrides, Scenario, load_scenario
from simulator.measure.summary import Summary
from simulator.plan.schedule import arrivals, items_played, schedule
from simulator.redaction import redactor
from simulator.transport.http11 import Http11

EXIT_CODES = {"pass": 0, "fail": 1, "invalid": 3}
EXIT_INTERRUPTED = 130

_MANY_FILES = 10_240


def whole_number(_type: object, tokens: Sequence[Token]) -> int:
    """Convert an option's text, and do not round it; ValueError when it is no whole number."""
    return int(tokens[0].value)


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
    steps: Annotated[int | None, Parameter(converter=whole_number)] = None
    "How many training steps to play."
    time_scale: float | None = None
    "Compresses think times: 0.1 thinks ten times faster than the model would; 0 not at all."
    seed: Annotated[int | None, Parameter(converter=whole_number)] = None
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
    grader = scenario.job.grader.endpoint.name if scenario.job.grader.endpoint else None
    texts = default_gates(tools, grader) if scenario.gates is None else scenario.gates
    gates = parse_gates(texts, tools, grader, where=scenario.gates_where)
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
    out = options.out or Path("out") / f"{scenario.name}-{now:%Y%m%d-%H%M%S}"
    return Prepared(scenario, setup, gates, out, embedded)


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


def _play(prepared: Prepared) -> int:
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
            summary = trio.run(conduct, prepared.setup, Http11, journal, redact, watch)
        return _tell(prepared, summary)


def _tell(prepared: Prepared, summary: Summary) -> int:
    """Write the reports and print one of them, whatever the disk says; return the exit code."""
    verdict = judge(prepared.gates, summary)
    written, refusal = [JOURNAL], None
    try:
        with writing(prepared.out):
            written += write_reports(prepared.out, summary, verdict, prepared.scenario.findings)
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
