"""Has samples graded again and again: while nothing else is going on, under load, and after it.

    before   every sample `repeats` times, a few calls at a time, over all lanes in turn
    load     the same with as many calls in flight as there are lanes
    after    every sample once more, a few calls at a time

Each lane is a connection. Who is graded over which lane is drawn anew for every round, so that what a sample
adds to a score and what a connection adds can be told apart.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence

import msgspec
import trio

from simulator.grading.judgement import Mark, Phase, Sample
from simulator.judges.base import Given, Judge

CALM = 4
"""Calls in flight while nothing else is going on."""

HOPELESS, HOPELESS_S = 20, 180.0
"""A study ends after so many calls in a row without a score, since with retries each takes long; or after
two of them, if they took so many seconds."""

_INSTANT_S = 1e-9

Watch = Callable[[str], None]


class Orders(msgspec.Struct, frozen=True):
    """How a grader is studied. `lanes` is the number in flight under load; `load` False leaves that out.

    `calm` is the number in flight while nothing else is going on. `gives_up` tells whether to end early where
    a grader gives no scores any more, however quickly.
    """

    repeats: int
    lanes: int
    load: bool
    seed: int
    calm: int = CALM
    gives_up: bool = True


class Sheet(msgspec.Struct):
    """The marks so far, and how many calls were in flight under load on average: 0 before there was any."""

    marks: list[Mark] = []
    in_flight: float = 0.0


Deal = list[tuple[int, int]]
"""Samples, each with the lane that it is graded over."""


def dealt(samples: int, lanes: int, rounds: range, seed: int) -> Deal:
    """Return every sample once a round, in an order drawn anew, spread evenly over the lanes."""
    deal: Deal = []
    for number in rounds:
        order = list(range(samples))
        random.Random(seed << 16 | number).shuffle(order)
        deal += [(sample, place % lanes) for place, sample in enumerate(order)]
    return deal


async def study(
    judge: Judge,
    samples: Sequence[Sample],
    orders: Orders,
    watch: Watch,
    sheet: Sheet,
    redact: Callable[[str], str],
) -> None:
    """Have the samples graded, and enter each mark into `sheet`, which keeps them if this is cancelled.

    `redact` hides secrets in what graders say of their failures.
    """
    rounds, lanes = orders.repeats, orders.lanes
    sitting = _Sitting(judge, samples, orders, sheet, redact)
    watch("the grader, while nothing else is going on")
    await sitting.calmly(dealt(len(samples), lanes, range(rounds), orders.seed), "before")
    if not orders.load:
        return
    watch(f"the grader, with {lanes} calls in flight")
    under_load = dealt(len(samples), lanes, range(rounds, 2 * rounds), orders.seed)
    await sitting.at_once(under_load)
    watch("the grader, after the load")
    await sitting.calmly(dealt(len(samples), lanes, range(2 * rounds, 2 * rounds + 1), orders.seed), "after")


def calls_of(samples: int, orders: Orders) -> int:
    """Return about how many grader calls a study makes, retries aside."""
    calm = samples * orders.repeats
    return calm + (calm + 2 * orders.lanes + samples if orders.load else 0)


class _Sitting:
    """The samples, whoever grades them, and the marks so far."""

    def __init__(
        self,
        judge: Judge,
        samples: Sequence[Sample],
        orders: Orders,
        sheet: Sheet,
        redact: Callable[[str], str],
    ) -> None:
        self._judge, self._samples, self._orders = judge, samples, orders
        self._sheet, self._redact = sheet, redact
        self._usual_s = 0.0
        self._failed_in_a_row, self._scored_at = 0, 0.0

    async def calmly(self, deal: Deal, phase: Phase) -> None:
        """Grade a few at a time; give up where nothing comes of it."""
        turns: dict[int, trio.Lock] = {}
        waiting = deque(deal)
        began = self._scored_at = trio.current_time()

        async def work() -> None:
            while waiting and not self._is_hopeless:
                sample, lane = waiting.popleft()
                async with turns.setdefault(lane, trio.Lock()):
                    given = await self._judge.judge(self._samples[sample], lane)
                self._note(sample, phase, given)

        async with trio.open_nursery() as nursery:
            for _ in range(self._orders.calm):
                nursery.start_soon(work)
        self._usual_s = (trio.current_time() - began) * self._orders.calm / max(1, len(deal))

    @property
    def _is_hopeless(self) -> bool:
        lasted_s = trio.current_time() - self._scored_at
        too_long = self._failed_in_a_row > 1 and lasted_s >= HOPELESS_S
        return too_long or (self._orders.gives_up and self._failed_in_a_row >= HOPELESS)

    async def at_once(self, deal: Deal) -> None:
        """Grade over all lanes at the same time, and note how many calls were in flight.

        Lanes begin one after another, spread over the time that a call usually takes: calls in lockstep would
        all end at once, and half of the time few would be in flight. Each begins with a call that does not
        count, helps out others once its own samples are done, and at last goes on with calls that do not
        count: what counts is graded while every lane is busy.
        """
        lanes = self._orders.lanes
        queues: list[deque[int]] = [deque() for _ in range(lanes)]
        for sample, lane in deal:
            queues[lane].append(sample)
        left, out_s, began = len(deal), 0.0, trio.current_time()

        async def judge(sample: Sample, lane: int) -> Given:
            nonlocal out_s
            given = await self._judge.judge(sample, lane)
            out_s += given.out_s
            self._sheet.in_flight = out_s / max(trio.current_time() - began, _INSTANT_S)
            return given

        async def work(lane: int) -> None:
            nonlocal left
            await trio.sleep(lane / lanes * self._usual_s)
            filler = self._samples[lane % len(self._samples)]
            await judge(filler, lane)
            while left and not self._is_hopeless:
                queue = queues[lane] or max(queues, key=len)
                if queue:
                    sample = queue.popleft()
                    self._note(sample, "load", await judge(self._samples[sample], lane))
                    left -= 1
                else:
                    await judge(filler, lane)

        async with trio.open_nursery() as nursery:
            for lane in range(lanes):
                nursery.start_soon(work, lane)

    def _note(self, sample: int, phase: Phase, given: Given) -> None:
        told = given.judgement
        self._failed_in_a_row = self._failed_in_a_row + 1 if told.score is None else 0
        if told.score is not None:
            self._scored_at = trio.current_time()
        details = self._redact(told.details) if told.details else ""
        self._sheet.marks.append(Mark(sample, phase, given.connection, told.score, told.error, details))
