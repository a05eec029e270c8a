"""The whole plan on Trio: phases one after another, rollouts started when due, an orderly end."""

import gc
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator

import msgspec
import trio

from simulator.engine.driver import Driver, Play
from simulator.errors import PolicyError
from simulator.model import RolloutSpec, Transcript
from simulator.plan.policy import PolicyFactory
from simulator.plan.rollout import rollout
from simulator.plan.schedule import Phase
from simulator.plan.trainer import Trainer
from simulator.timers import Timer, Timers
from simulator.transport.base import Transport

_INDEX_BITS = 32
_STARTED_IN_A_ROW = 64  # then whatever has come meanwhile gets its turn

_RARELY, _NEVER = 300_000, 1_000_000
"""Thresholds of the garbage collector during a run: with thousands of rollouts in flight a look at what lives
takes tens of milliseconds. Nothing of ours needs one; what a policy leaves in circles is found before it
is many megabytes."""


class Plan(msgspec.Struct, frozen=True):
    """What is to be played."""

    trainer: Trainer
    phases: tuple[Phase, ...]
    make_policy: PolicyFactory
    seed: int


class Hooks(msgspec.Struct, frozen=True):
    """Whom the run tells and asks.

    `begin` is awaited before a phase, and returns the moment on Trio's clock at which it begins. The others
    are synchronous, called in the loop, so they must be quick.
    """

    begin: Callable[[], Awaitable[float]]
    started: Callable[[RolloutSpec], None]
    ended: Callable[[Transcript], None]


class Run:
    """One run. `play` it once; `stop` it from another task.

    `failure` is what made the run give up by itself: a policy that raised.
    """

    def __init__(self, plan: Plan, transport: Transport, timers: Timers, hooks: Hooks) -> None:
        self._plan, self._timers, self._hooks = plan, timers, hooks
        self._driver = Driver(transport, timers)
        self._beginning = trio.CancelScope()
        self._stage: Stage | None = None
        self._last_moment: Timer | None = None
        self.stopped = False
        self.failure: PolicyError | None = None

    @property
    def in_flight(self) -> int:
        """Return how many rollouts are being played."""
        return self._stage.in_flight if self._stage is not None else 0

    async def play(self) -> None:
        """Play all phases, or as many as there is time for before `stop`."""
        thresholds = gc.get_threshold()
        gc.collect()
        gc.freeze()
        gc.set_threshold(_RARELY, _NEVER, _NEVER)
        try:
            for phase in self._plan.phases:
                await self._play_phase(phase)
        finally:
            gc.set_threshold(*thresholds)
            gc.unfreeze()

    async def _play_phase(self, phase: Phase) -> None:
        with trio.CancelScope() as self._beginning:
            if self.stopped:
                return
            begin = await self._hooks.begin()
            self._stage = Stage(phase, begin, self._timers, Acts(self._start, self._hooks.ended, self._fail))
            self._stage.fill()
        if self._stage is not None:
            await self._stage.over.wait()
            self._stage = None

    def _start(self, spec: RolloutSpec, due: float, stage: "Stage") -> Play:
        """Start a rollout, with a policy and random numbers of its own; PolicyError when that fails."""
        plan = self._plan
        self._hooks.started(spec)
        rng = random.Random(plan.seed << _INDEX_BITS | spec.index)  # of a number in half the time of a text's
        policy = plan.make_policy(spec, rng)
        return Play(self._driver, rollout(plan.trainer, spec, policy, due), spec.index, stage)

    def _fail(self, error: PolicyError) -> None:
        self.failure = self.failure or error
        self.stop(grace_s=0)

    def stop(self, grace_s: float) -> None:
        """Start no more rollouts, and give those in flight `grace_s` seconds to end."""
        self.stopped = True
        self._beginning.cancel()
        if self._last_moment is not None:
            self._timers.cancel(self._last_moment)
        self._last_moment = self._timers.call_at(trio.current_time() + grace_s, self._interrupt)
        if self._stage is not None:
            self._stage.close()

    def _interrupt(self) -> None:
        if self._stage is not None:
            self._stage.interrupt()


class Acts(msgspec.Struct, frozen=True):
    """What a stage does with a rollout: `start` it when it is due, and note its end."""

    start: "Callable[[RolloutSpec, float, Stage], Play]"
    ended: Callable[[Transcript], None]
    failed: Callable[[PolicyError], None]


class Stage:
    """A phase being played: starts each rollout when it is due and has a place; `over` is set at the end."""

    def __init__(self, phase: Phase, begin: float, timers: Timers, acts: Acts) -> None:
        self._begin, self._timers, self._acts = begin, timers, acts
        self._end = begin + (math.inf if phase.duration_s is None else phase.duration_s)
        self._specs: Iterator[RolloutSpec] = iter(phase.rollouts)
        self._next = next(self._specs, None)
        limit = phase.in_flight_limit
        self._free_since = None if limit is None else deque([begin] * limit)
        self._plays: dict[int, Play] = {}
        self._filling = False
        self._timer: Timer | None = None
        self.over = trio.Event()

    @property
    def in_flight(self) -> int:
        """Return how many rollouts are being played."""
        return len(self._plays)

    def fill(self) -> None:
        """Start what is due and has a place; a timer, or a rollout that ends, comes back for the rest."""
        if self._filling:
            return
        self._filling = True
        for _ in range(_STARTED_IN_A_ROW):
            due = self._next_due()
            if due is None:
                break
            if due > trio.current_time():
                self._come_back(due)
                break
            self._start_next(due)
        else:
            self._come_back(trio.current_time())
        self._filling = False
        if self._next is None and not self._plays:
            self.over.set()

    def _next_due(self) -> float | None:
        """Return when the next rollout is due; None where there is none, or no place for it."""
        if self._next is None or (self._free_since is not None and not self._free_since):
            return None
        due = self._begin + self._next.offset_s
        if self._free_since is not None:
            due = max(due, self._free_since[0])
        if due >= self._end:
            self._next = None
            return None
        return due

    def _start_next(self, due: float) -> None:
        spec = self._next
        assert spec is not None  # noqa: S101 it had a due moment
        self._next = next(self._specs, None)
        if self._free_since is not None:
            self._free_since.popleft()
        try:
            play = self._acts.start(spec, due, self)
        except PolicyError as error:
            self._acts.failed(error)
            return
        self._plays[spec.index] = play
        play.begin()

    def ended(self, number: int, result: Transcript) -> None:
        """Note that a rollout ended, which makes place for another."""
        self._acts.ended(result)
        self._leave(number, result.ended)

    def failed(self, number: int, error: PolicyError) -> None:
        """Note that a policy failed, which ends the run."""
        self._acts.failed(error)
        self._leave(number, trio.current_time())

    def _leave(self, number: int, at: float) -> None:
        del self._plays[number]
        if self._free_since is not None:
            self._free_since.append(at)
        self.fill()

    def _come_back(self, when: float) -> None:
        if self._timer is None:
            self._timer = self._timers.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        self.fill()

    def close(self) -> None:
        """Start nothing more."""
        self._next = None
        self.fill()

    def interrupt(self) -> None:
        """End the rollouts in flight as they are."""
        now = trio.current_time()
        for number, play in list(self._plays.items()):
            self.ended(number, play.interrupt(now))
