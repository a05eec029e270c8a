"""What one process plays: its share of the groups, from the first connection to the last count."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec
import trio

from simulator.dialects.base import Dialect
from simulator.engine.books import Books
from simulator.engine.journal import Journal
from simulator.engine.lead import Pulse
from simulator.engine.monitor import Monitor
from simulator.engine.run import Hooks, Plan, Run
from simulator.errors import InputError, PreflightError
from simulator.measure.lines import LineWriter
from simulator.measure.metering import meters_of_tally
from simulator.measure.meters import Meters
from simulator.measure.tally import Tally
from simulator.measure.trust import GeneratorSample
from simulator.model import Job, Load, TrainerRules, Transcript
from simulator.plan.pacer import Pacer
from simulator.plan.policy import PolicyFactory
from simulator.plan.schedule import Phase
from simulator.plan.shares import share_of
from simulator.plan.trainer import Trainer, endpoints_of
from simulator.timers import Timers
from simulator.transport.base import Route, Transport, routes_of

_PULSE_S = 0.25
_METERED_EVERY_S = 1.0


class Setup(msgspec.Struct, frozen=True):
    """All that a run needs to know before it starts.

    `started_at` is ISO 8601, UTC; `transport` says which one is used, and why; `digests` that outputs will be
    compared with those of a recording; `observed` that somebody watches the run's meters. `notes` come first
    among the report's assumptions.
    """

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
    transport: str = ""
    digests: bool = False
    observed: bool = False
    notes: tuple[str, ...] = ()


class Tools(msgspec.Struct, frozen=True):
    """What a shard works with: how to make a transport and a pacer, where to write, what to hide."""

    make_transport: Callable[[Sequence[Route], Timers], Transport]
    journal: Journal
    redact: Callable[[str], str]
    make_pacer: Callable[[float], Pacer] = Pacer


class Lead(Protocol):
    """Who leads a shard; see `engine.lead.Lead`."""

    async def begin(self) -> float:
        """Wait until the next phase may begin, and return when."""

    def on_stop(self, stop: Callable[[float], None]) -> None:
        """Have `stop` called, with the seconds of grace, when the run is to end early."""

    def pulse(self, pulse: Pulse) -> None:
        """Take note of how far the shard is."""


class Played(msgspec.Struct, frozen=True):
    """What came of a shard. `failure` says, redacted, why it gave up by itself, "" where it did not.

    `lost` tells that the shard's process died, and what it measured with it.
    """

    tally: Tally
    generator: GeneratorSample
    ended: float
    stopped: bool
    failure: str
    lost: bool = False


async def play(setup: Setup, tools: Tools, lead: Lead, *, shard: int = 0, of: int = 1) -> Played:
    """Play the `shard`-th of `of` equal shares of the run."""
    return await _Shard(setup, tools, lead, share_of(setup.phases, shard, of)).play()


class _Shard:
    def __init__(self, setup: Setup, tools: Tools, lead: Lead, phases: Sequence[Phase]) -> None:
        self._tools, self._lead = tools, lead
        timers = self._timers = Timers()
        self._tally = Tally(endpoints_of(setup.job), trio.current_time())
        self._books = Books(self._tally, self._write)
        trainer = Trainer(
            setup.job,
            rules=setup.rules,
            load=setup.load,
            dialect=setup.dialect,
            run_key=setup.run_key,
            record=self._books.put_attempt,
            make_pacer=tools.make_pacer,
        )
        self._endpoints, self._digests = trainer.endpoints, setup.digests
        self._observed, self._metered_at = setup.observed, -math.inf
        self._writer: LineWriter
        self._transport = tools.make_transport(routes_of(trainer.endpoints, setup.rules), timers)
        plan = Plan(trainer, tuple(phases), setup.make_policy, setup.seed)
        hooks = Hooks(begin=self._begin, started=self._tally.add_started, ended=self._books.put_transcript)
        self._run = Run(plan, self._transport, timers, hooks)
        self._monitor = Monitor()
        self._nursery: trio.Nursery
        self._failures: list[PreflightError] = []

    async def play(self) -> Played:
        async with trio.open_nursery() as self._nursery:
            await self._nursery.start(self._timers.serve)
            await self._nursery.start(self._transport.serve)
            self._lead.on_stop(self._run.stop)
            self._nursery.start_soon(self._keep_telling)
            await self._run.play()
            ended, generator = trio.current_time(), self._monitor.sample()
            self._nursery.cancel_scope.cancel()
        self._books.enter()
        self._flush()
        failure = next(iter(filter(None, [self._run.failure, *self._failures])), None)
        told = self._tools.redact(str(failure)) if failure else ""
        return Played(self._tally, generator, ended, self._run.stopped, told)

    async def _begin(self) -> float:
        self._lead.pulse(self._pulse())
        begin = await self._lead.begin()
        if not self._tally.started:
            self._tally.origin = self._metered_at = begin
            self._writer = LineWriter(self._endpoints, begin, self._tools.redact, digests=self._digests)
            self._monitor = Monitor()  # what came before was no part of the run
            self._nursery.start_soon(self._monitor.watch)
        return begin

    def _write(self, transcript: Transcript) -> None:
        self._tools.journal.add(self._writer.line(transcript))

    async def _keep_telling(self) -> None:
        while True:
            self._lead.pulse(self._pulse())
            await trio.to_thread.run_sync(self._flush)  # a slow disk must not hold the loop up
            if self._failures:
                self._run.stop(0)
                return
            await trio.sleep(_PULSE_S)

    def _flush(self) -> None:
        try:
            self._tools.journal.flush()
        except OSError as error:
            self._failures.append(
                InputError(f"cannot be written: {error.strerror}", where=str(self._tools.journal.path))
            )

    def _pulse(self) -> Pulse:
        self._books.enter()
        tally = self._tally
        endpoints = tally.endpoints.values()
        return Pulse(
            ended=tally.ended,
            discarded=tally.discarded,
            in_flight=self._run.in_flight,
            attempts=sum(endpoint.attempts for endpoint in endpoints),
            faults=dict(sum((Counter(endpoint.faults) for endpoint in endpoints), Counter[str]())),
            meters=self._meters(),
        )

    def _meters(self) -> Meters | None:
        now = trio.current_time()
        if not self._observed or now < self._metered_at:
            return None
        self._metered_at = now + _METERED_EVERY_S
        return meters_of_tally(self._tally, self._endpoints)
