"""A run from start to summary: wires the plan, the transport, the measurement and the signals together."""

import signal
from collections import Counter, deque
from collections.abc import Callable, Sequence

import msgspec
import trio

from simulator.dialects.base import Dialect
from simulator.engine.driver import Driver
from simulator.engine.journal import Journal
from simulator.engine.monitor import Monitor
from simulator.engine.run import Hooks, Plan, Run
from simulator.errors import InputError, PreflightError
from simulator.measure.lines import LineWriter
from simulator.measure.summarise import RunFacts, summarise
from simulator.measure.summary import LoadSummary, Snapshot, Summary
from simulator.measure.tally import Tally
from simulator.model import Job, Load, TrainerRules, Transcript
from simulator.plan.assumptions import assumptions
from simulator.plan.policy import PolicyFactory
from simulator.plan.schedule import Phase, arrivals
from simulator.plan.trainer import Trainer, endpoints_of
from simulator.timers import Timers
from simulator.transport.base import Route, Transport, routes_of

_PULSE_S = 0.25
_RATE_OVER_S = 2.0

TransportFactory = Callable[[Sequence[Route], Timers], Transport]


class Setup(msgspec.Struct, frozen=True):
    """All that a run needs to know before it starts. `started_at` is ISO 8601, UTC."""

    scenario: str
    job: Job
    load: Load
    rules: TrainerRules
    dialect: Dialect
    phases: tuple[Phase, ...]
    policy: str
    make_policy: PolicyFactory
    seed: int
    started_at: str
    run_key: str


async def conduct(
    setup: Setup,
    make_transport: TransportFactory,
    journal: Journal,
    redact: Callable[[str], str],
    watch: Callable[[Snapshot], None],
) -> Summary:
    """Play the run, keep the journal, return the summary; SIGINT and SIGTERM end it early and in order.

    What makes the run give up by itself is the summary's `failure`, redacted; nothing is raised.
    """
    timers = Timers()
    tally = Tally(endpoints_of(setup.job), trio.current_time())
    trainer = Trainer(
        setup.job,
        rules=setup.rules,
        load=setup.load,
        dialect=setup.dialect,
        run_key=setup.run_key,
        record=tally.add_attempt,
    )
    writer = LineWriter(trainer.endpoints, tally.origin, redact)
    live = _Live(tally, setup)
    transport = make_transport(routes_of(trainer.endpoints, setup.rules), timers)

    def ended(transcript: Transcript) -> None:
        tally.add_transcript(transcript)
        live.discarded += transcript.state == "discarded"
        journal.add(transcript.spec.index, writer.line(transcript))

    plan = Plan(trainer, setup.phases, setup.make_policy, setup.seed)
    hooks = Hooks(phase=live.enter, started=tally.add_started, ended=ended)
    run = Run(plan, Driver(transport, timers), timers, hooks)
    failures: list[PreflightError | None] = []
    async with trio.open_nursery() as nursery:
        await nursery.start(timers.serve)
        await nursery.start(_end_on_signals, run, setup.load.grace_s)
        monitor = Monitor()
        nursery.start_soon(monitor.watch)
        nursery.start_soon(_pulse, run, live, journal, watch, failures)
        await run.play()
        duration_s, generator = trio.current_time() - tally.origin, monitor.sample()
        transport.close()
        failures += [run.failure, _attempt_to(journal.put_in_order, journal)]
        nursery.cancel_scope.cancel()
    failure = next(filter(None, failures), None)
    facts = RunFacts(
        scenario=setup.scenario,
        seed=setup.seed,
        started_at=setup.started_at,
        duration_s=duration_s,
        interrupted=run.stopped,
        load=_load_summary(setup),
        planned=_planned(setup.phases, tally),
        grader_type=setup.job.grader.type,
        failure=redact(str(failure)) if failure else "",
        generator=generator,
    )
    return summarise(tally, trainer.endpoints, facts)


async def _end_on_signals(
    run: Run, grace_s: float, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            run.stop(0 if run.stopped else grace_s)


async def _pulse(
    run: Run,
    live: "_Live",
    journal: Journal,
    watch: Callable[[Snapshot], None],
    failures: list[PreflightError | None],
) -> None:
    while True:
        failure = _attempt_to(journal.flush, journal)
        if failure is not None:
            failures.append(failure)
            run.stop(0)
            return
        watch(live.snapshot(run))
        await trio.sleep(_PULSE_S)


def _attempt_to(write: Callable[[], None], journal: Journal) -> PreflightError | None:
    try:
        write()
    except OSError as error:
        return InputError(f"cannot be written: {error.strerror}", where=str(journal.path))
    return None


class _Live:
    """Reads snapshots off the tally while it grows."""

    def __init__(self, tally: Tally, setup: Setup) -> None:
        self._tally, self._steps = tally, setup.load.steps
        self._phase = setup.phases[0]
        self._entered = tally.origin
        self._ended_before = self.discarded = 0
        self._calls: deque[tuple[float, int]] = deque()

    def enter(self, phase: Phase) -> None:
        self._phase = phase
        self._entered = trio.current_time()
        self._ended_before = len(self._tally.rollouts)

    def snapshot(self, run: Run) -> Snapshot:
        now, phase = trio.current_time(), self._phase
        records = self._tally.rollouts
        ended = len(records) - self._ended_before
        return Snapshot(
            elapsed_s=now - self._tally.origin,
            kind=phase.kind,
            step=phase.step,
            steps=self._steps,
            planned=phase.planned,
            ended=ended,
            discarded=self.discarded,
            in_flight=run.in_flight,
            calls_per_s=self._rate(now),
            faults=dict(sum((t.faults for t in self._tally.endpoints.values()), Counter[str]())),
            left_s=_left_s(phase, now - self._entered, ended),
        )

    def _rate(self, now: float) -> float:
        attempts = sum(tally.attempts for tally in self._tally.endpoints.values())
        self._calls.append((now, attempts))
        while self._calls[0][0] < now - _RATE_OVER_S:
            self._calls.popleft()
        since, before = self._calls[0]
        return (attempts - before) / (now - since) if now > since else 0.0


def _left_s(phase: Phase, elapsed_s: float, ended: int) -> float | None:
    if phase.duration_s is not None:
        return max(0.0, phase.duration_s - elapsed_s)
    if phase.planned is None or not ended:
        return None
    return elapsed_s * (phase.planned - ended) / ended


def _planned(phases: Sequence[Phase], tally: Tally) -> int:
    """Return the rollouts the schedule asks for; where time may end a phase, those that were started."""
    planned = [phase.planned for phase in phases if phase.planned is not None and phase.duration_s is None]
    return sum(planned) if len(planned) == len(phases) else sum(tally.started_per_group.values())


def _load_summary(setup: Setup) -> LoadSummary:
    filled = arrivals(setup.load, setup.job.hyperparameters)
    return LoadSummary(
        mode=setup.load.mode,
        steps=setup.load.steps,
        batch_size=filled.batch_size,
        group_size=setup.load.group_size,
        compute_multiplier=filled.compute_multiplier,
        rollouts_per_step=filled.rollouts_per_step,
        time_scale=setup.load.time_scale,
        policy=setup.policy,
        assumptions=assumptions(setup.job, setup.load, setup.rules, filled),
    )
