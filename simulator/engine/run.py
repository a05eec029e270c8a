"""The whole plan on Trio: phases one after another, rollouts started when due, an orderly end."""

import gc
import math
import random
from collections.abc import Callable

import msgspec
import trio

from simulator.engine.driver import Driver
from simulator.errors import PolicyError
from simulator.model import RolloutSpec, Transcript
from simulator.plan.policy import PolicyFactory
from simulator.plan.rollout import made_by, rollout
from simulator.plan.schedule import Phase
from simulator.plan.trainer import Trainer
from simulator.timers import Timers


class Plan(msgspec.Struct, frozen=True):
    """What is to be played."""

    trainer: Trainer
    phases: tuple[Phase, ...]
    make_policy: PolicyFactory
    seed: int


class Hooks(msgspec.Struct, frozen=True):
    """Whom the run tells: synchronous functions, called in the loop, so they must be quick."""

    phase: Callable[[Phase], None]
    started: Callable[[RolloutSpec], None]
    ended: Callable[[Transcript], None]


class Run:
    """One run. `play` it once; `stop` it from another task.

    `failure` is what made the run give up by itself: a policy that raised.
    """

    def __init__(self, plan: Plan, driver: Driver, timers: Timers, hooks: Hooks) -> None:
        self._plan, self._driver, self._timers, self._hooks = plan, driver, timers, hooks
        self._everything, self._starting = trio.CancelScope(), trio.CancelScope()
        self.stopped = False
        self.failure: PolicyError | None = None
        self.in_flight = 0

    async def play(self) -> None:
        """Play all phases, or as many as there is time for before `stop`."""
        gc.collect()
        gc.freeze()
        try:
            with self._everything:
                for phase in self._plan.phases:
                    if self.stopped:
                        break
                    await self._play_phase(phase)
        finally:
            gc.unfreeze()

    def stop(self, grace_s: float) -> None:
        """Start no more rollouts, and give those in flight `grace_s` seconds to end."""
        self.stopped = True
        self._starting.cancel()
        self._everything.deadline = trio.current_time() + grace_s

    async def _play_phase(self, phase: Phase) -> None:
        self._hooks.phase(phase)
        async with trio.open_nursery() as nursery:
            with trio.CancelScope() as self._starting:
                await self._start_rollouts(phase, nursery)
        with trio.CancelScope() as self._starting:
            if not self.stopped:
                await self._timers.sleep_until(trio.current_time() + phase.pause_s)

    async def _start_rollouts(self, phase: Phase, nursery: trio.Nursery) -> None:
        begin = trio.current_time()
        end = begin + (math.inf if phase.duration_s is None else phase.duration_s)
        places = trio.Semaphore(phase.in_flight_limit) if phase.in_flight_limit else None
        for spec in phase.rollouts:
            due = begin + spec.offset_s
            if places is not None:
                await places.acquire()
                due = max(due, trio.current_time())
            if due >= end:
                return
            if due > trio.current_time():
                await self._timers.sleep_until(due)
            nursery.start_soon(self._play_rollout, spec, due, places)

    async def _play_rollout(self, spec: RolloutSpec, due: float, places: trio.Semaphore | None) -> None:
        self._hooks.started(spec)
        self.in_flight += 1
        try:
            rng = random.Random(f"{self._plan.seed}:{spec.index}")
            policy = made_by(self._plan.make_policy, spec.item, rng)
            await self._driver.drive(rollout(self._plan.trainer, spec, policy, due), self._hooks.ended)
        except PolicyError as error:
            self.failure = self.failure or error
            self.stop(grace_s=0)
        finally:
            self.in_flight -= 1
            if places is not None:
                places.release()
