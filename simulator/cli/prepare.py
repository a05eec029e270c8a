"""What a run is, put together from the command line, the scenario and the environment; or refused."""

import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter, Token

from simulator.cli.embedded import Embedded, embed
from simulator.dialects.openai import OpenAI
from simulator.engine.shard import Setup
from simulator.errors import InputError
from simulator.gates import Gate, default_gates, parse_gates
from simulator.hosts import is_loopback
from simulator.job.policies import policy_factory
from simulator.job.replay import Replay, replay_of
from simulator.job.scenario import Overrides, Scenario, load_scenario
from simulator.job.settings import range_problem
from simulator.plan.schedule import DEFAULT_IN_FLIGHT, Phase, arrivals, items_played, schedule
from simulator.plan.shares import most_shares, shares_that_help
from simulator.plan.trainer import endpoints_of
from simulator.transport.base import routes_of
from simulator.transport.choice import Make, TransportName, choose


def whole_number(_type: object, tokens: Sequence[Token]) -> int:
    """Convert an option's text, and do not round it; ValueError when it is no whole number."""
    return int(tokens[0].value)


MOST_PROCESSES = 64
MOST_REGRADED = 100_000
MOST_PORT = 65_535
MOST_WAIT_S = 3_600


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
    traces: Annotated[
        tuple[Path, ...] | None, Parameter(negative=(), consume_multiple=True, show_default=False)
    ] = None
    "Replay these recorded rollouts: a rollouts.jsonl, an export, or another recording that the README lists."
    as_recorded: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    "Play each recorded rollout once, in the recorded order, as many at a time as were recorded."
    time_scale: float | None = None
    "Compresses think times: 0.1 thinks ten times faster than the model would; 0 not at all."
    seed: Annotated[int | None, Parameter(converter=whole_number)] = None
    "The same seed sends the same calls."
    gate: Annotated[tuple[str, ...] | None, Parameter(negative=(), show_default=False)] = None
    "A condition such as `search.p99 < 2s`; give it several times for several. Replaces the scenario's gates."
    out: Path | None = None
    "The folder for the reports; by default out/SCENARIO-TIME."
    processes: Annotated[int | None, Parameter(converter=whole_number)] = None
    "How many processes send the calls; by default as many as help."
    transport: TransportName = "auto"
    "What sends them: `http11` is the fast one, `httpx` knows proxies and HTTP/2; `auto` looks for a proxy."
    regrade: Annotated[int, Parameter(converter=whole_number)] = 0
    "Once the rollouts have ended, have so many graded again: do scores depend on the load?"
    price_per_hour: float | None = None
    "What an hour of training costs, in dollars: the report tells what slow endpoints add to each step."
    prometheus_port: Annotated[int | None, Parameter(converter=whole_number)] = None
    "Serve the run's metrics at this port of 127.0.0.1 while it goes on; 0 picks one."
    prometheus_wait: float = 30.0
    "Seconds to wait for a last scrape, once the report is written."
    live: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    "Show the run on a page of this machine while it goes on."
    live_port: Annotated[int, Parameter(converter=whole_number)] = 0
    "The page's port of 127.0.0.1; 0 picks one."
    otel: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    "Send the run's metrics by OpenTelemetry, to where OTEL_EXPORTER_OTLP_ENDPOINT says, once it is over."
    skip_checks: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    "Play at once, without `check`'s look at files and endpoints."
    yes: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    "Do not ask before sending to hosts that are not this machine."


class Prepared(msgspec.Struct, frozen=True):
    """A run that nothing can be refused about any more."""

    scenario: Scenario
    setup: Setup
    make_transport: Make
    processes: int
    gates: tuple[Gate, ...]
    out: Path
    embedded: Embedded | None
    replay: Replay | None = None


def prepare(target: str, options: RunOptions, environ: Mapping[str, str]) -> Prepared:
    """Read everything that a run needs; InputError for what cannot be used, before anything is sent."""
    embedded = embed(target, environ)
    scenario = load_scenario(
        target, _overrides(options), {**environ, **(embedded.environ if embedded else {})}
    )
    tools = [tool.name for tool in scenario.job.tools]
    grader = scenario.job.grader.endpoint.name if scenario.job.grader.endpoint else None
    texts = default_gates(tools, grader) if scenario.gates is None else scenario.gates
    gates = parse_gates(texts, tools, grader, where=scenario.gates_where)
    filled = arrivals(scenario.load, scenario.job.hyperparameters)
    replay = replay_of(scenario)
    phases = schedule(
        scenario.job, scenario.load, scenario.train, scenario.valid, replay.recorded if replay else None
    )
    if problem := range_problem((0, MOST_REGRADED), options.regrade):
        raise InputError(problem, where="--regrade", remedy="mend the option")
    if options.regrade and scenario.job.grader.endpoint is None:
        raise InputError("needs a grader behind an endpoint", where="--regrade", remedy="leave it out")
    _refuse_unobservable(options)
    endpoints = endpoints_of(scenario.job)
    transport = choose(options.transport, routes_of(endpoints, scenario.rules), environ)
    now = datetime.now(UTC)
    setup = Setup(
        scenario=scenario.name,
        job=scenario.job,
        load=scenario.load,
        rules=scenario.rules,
        dialect=OpenAI(),
        phases=phases,
        transport=transport.reason,
        policy=scenario.policy,
        make_policy=policy_factory(
            scenario, items_played(scenario.load, filled, scenario.train, scenario.valid)
        ),
        seed=scenario.seed,
        started_at=now.isoformat(timespec="seconds"),
        run_key=secrets.token_hex(16),
        digests=replay is not None,
        observed=options.live or options.prometheus_port is not None,
        notes=_notes(scenario, replay),
    )
    out = options.out or Path("out") / f"{scenario.name}-{now:%Y%m%d-%H%M%S}"
    processes = _processes(options.processes, scenario, phases)
    return Prepared(scenario, setup, transport.make, processes, gates, out, embedded, replay)


def _refuse_unobservable(options: RunOptions) -> None:
    for option, most, value in (
        ("--prometheus-port", MOST_PORT, options.prometheus_port),
        ("--live-port", MOST_PORT, options.live_port),
        ("--prometheus-wait", MOST_WAIT_S, options.prometheus_wait),
    ):
        problem = None if value is None else range_problem((0, most), value)
        if problem:
            raise InputError(problem, where=option, remedy="mend the option")
    if options.live_port and not options.live:
        raise InputError(
            "is the port of a page that nobody asked for", where="--live-port", remedy="add --live"
        )


def _notes(scenario: Scenario, replay: Replay | None) -> tuple[str, ...]:
    """Return what the report is to say of what is replayed."""
    if replay is None:
        return ()
    without_times = scenario.load.mode == "recorded" and replay.recorded.in_flight is None
    in_flight = scenario.load.in_flight or DEFAULT_IN_FLIGHT
    more = (f"{in_flight} rollouts in flight: the recordings have no times",) if without_times else ()
    return (*replay.notes, *more)


def _processes(wanted: int | None, scenario: Scenario, phases: Sequence[Phase]) -> int:
    """Return how many processes are to send; InputError where so many cannot share the rollouts."""
    most = most_shares(phases)
    if wanted is None:
        local = any(is_loopback(endpoint.url) for endpoint in endpoints_of(scenario.job))
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return min(shares_that_help(scenario.load, phases), most, max(1, cores - local))
    if not 1 <= wanted <= MOST_PROCESSES:
        raise InputError(f"must be from 1 to {MOST_PROCESSES}", where="--processes")
    if wanted > most:
        message = f"{wanted} processes cannot share this load: it has work for {most}"
        raise InputError(message, where="--processes", remedy="ask for fewer, or leave it out")
    return wanted


def _traces(files: Sequence[Path] | None) -> tuple[str, ...]:
    if files is not None and not files:
        raise InputError("names no file", where="--traces", remedy="name recordings of rollouts")
    return tuple(map(str, files or ()))


def _overrides(options: RunOptions) -> Overrides:
    return Overrides(
        train=str(options.train) if options.train else None,
        valid=str(options.valid) if options.valid else None,
        policy=options.policy,
        compute_multiplier=options.compute_multiplier,
        steps=options.steps,
        time_scale=options.time_scale,
        seed=options.seed,
        price_per_hour=options.price_per_hour,
        gates=options.gate,
        traces=_traces(options.traces),
        as_recorded=options.as_recorded,
    )
