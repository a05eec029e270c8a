"""A grader behind an endpoint, asked as the trainer would, with its retries and its rate limit."""

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from simulator.dialects.base import Dialect
from simulator.engine.driver import Driver, Play
from simulator.errors import PolicyError
from simulator.grading.judgement import Judgement, Sample
from simulator.judges.base import UNKNOWN, Given
from simulator.model import Endpoint, Grader, Hyperparameters, Job, Load, Outcome, TrainerRules
from simulator.plan.call import call
from simulator.plan.trainer import Trainer
from simulator.timers import Timers
from simulator.transport.base import routes_of
from simulator.transport.choice import choose

_DETAILS = 300


class EndpointJudge:
    """Keeps a transport for each lane, so that a lane is a connection for as long as the peer keeps it."""

    def __init__(
        self, endpoint: Endpoint, rules: TrainerRules, dialect: Dialect, lanes: list[Driver]
    ) -> None:
        job = Job((), Grader("endpoint", endpoint.name, endpoint), Hyperparameters())
        self._trainer = Trainer(
            job, rules=rules, load=Load(), dialect=dialect, run_key="", record=lambda _: None
        )
        self._lanes = lanes
        self._connections = [UNKNOWN] * len(lanes)
        self._numbers = itertools.count()

    async def judge(self, sample: Sample, lane: int) -> Given:
        """Grade a sample; see `base.Judge`."""
        assert self._trainer.grader_index is not None  # noqa: S101 the job above has one
        asker = _Asker()
        grading = call(
            self._trainer, self._trainer.grader_index, sample.body, None, None, trio.current_time()
        )
        play = Play(self._lanes[lane], grading, 0, asker)
        play.begin()
        try:
            outcome = await asker.outcome()
        except trio.Cancelled:
            play.interrupt(trio.current_time())
            raise
        if any(not attempt.reused for attempt in outcome.attempts) or self._connections[lane] == UNKNOWN:
            self._connections[lane] = next(self._numbers)
        out_s = sum(attempt.done - attempt.sent for attempt in outcome.attempts)
        return Given(_judgement(outcome), self._connections[lane], out_s)


class _Asker:
    """Waits for the end of one call; see `driver.Audience`."""

    def __init__(self) -> None:
        self._over = trio.Event()
        self._outcome: Outcome | None = None

    def ended(self, _number: int, result: Any) -> None:
        self._outcome = result
        self._over.set()

    def failed(self, _number: int, error: PolicyError) -> None:
        raise error  # a call asks no policy, so this does not happen

    async def outcome(self) -> Outcome:
        await self._over.wait()
        assert self._outcome is not None  # noqa: S101 it was kept when the event was set
        return self._outcome


def _judgement(outcome: Outcome) -> Judgement:
    """Return the score; a call without one is, in the platform's words, a reward that does not respond."""
    if outcome.score is not None:
        return Judgement(outcome.score)
    status = outcome.attempts[-1].status
    answered = f" (HTTP {status})" if status else ""
    tries = f"{len(outcome.attempts)} attempt{'s' if len(outcome.attempts) > 1 else ''}"
    return Judgement(None, "unresponsive_reward_error", f"{outcome.fault}{answered} after {tries}"[:_DETAILS])


@asynccontextmanager
async def open_endpoint(
    endpoint: Endpoint, rules: TrainerRules, dialect: Dialect, lanes: int, environ: Mapping[str, str]
) -> AsyncIterator[EndpointJudge]:
    """Open the transports that `environ` calls for, one to a lane, and close them again."""
    routes = routes_of([endpoint], rules)
    make = choose("auto", routes, environ).make
    async with trio.open_nursery() as nursery:
        drivers = []
        for _ in range(lanes):
            timers = Timers()
            transport = make(routes, timers)
            nursery.start_soon(timers.serve)
            await nursery.start(transport.serve)
            drivers.append(Driver(transport, timers))
        yield EndpointJudge(endpoint, rules, dialect, drivers)
        nursery.cancel_scope.cancel()
