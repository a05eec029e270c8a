"""State under the rollout's id: the same calls alone, beside another rollout, over many connections, at once.

No probe can look into an endpoint. But what a rollout is answered may depend on its own calls alone: so the
same calls, made by a fresh rollout under other circumstances, must be answered alike. Where they are not even
alike under the same circumstances, nothing follows from a difference, and such positions are left out.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Container, Sequence
from contextlib import AsyncExitStack
from functools import partial

import msgspec
import trio

from simulator.checks.caller import Caller
from simulator.checks.fate import CERTAIN, CONFIRMED, Answered, Fate
from simulator.checks.specimen import Played
from simulator.checks.ways import Ways
from simulator.dialects.base import CallIds
from simulator.findings import found
from simulator.model import Finding, Item, ToolCall

CALLS = 2
SCATTERED, _BURSTS = 24, 2
"""Rollouts at once, whose calls go over whatever connection is free, and how often. An idle server with two
workers gives all connections of about one burst in forty to one of them."""
_FAILURES_TELL = 4
"""An endpoint that fails in 2% of calls, wherever they come from, hardly ever does so in as many rollouts."""
AT_ONCE = 3
_ROUNDS = 2
_MOST_TOOLS = 3
_NO_ANSWER = "no answer"


class Tune(msgspec.Struct, frozen=True):
    """What is played again and again: calls of one item, and an answer to be graded, None for no grading."""

    item: Item
    calls: tuple[ToolCall, ...]
    answer: str | None


class Performance(msgspec.Struct, frozen=True):
    """A tune as one rollout played it. `heard` has a text for each call, and one for the score."""

    answers: tuple[Answered, ...]

    @property
    def heard(self) -> tuple[str, ...]:
        """What each call was answered, as it can be compared."""
        return tuple(map(_heard, self.answers))


Beside = Callable[[int], Awaitable[None]]
"""What is done beside the call of that position."""


def tune_of(one: Played, usable: Container[str], *, graded: bool) -> Tune | None:
    """Return what to play: a rollout's first calls of usable tools, repeated if few; None without any."""
    answered = [call for call, how in one.calls if how.fate in CERTAIN and call.name in usable]
    calls = tuple(answered[:CALLS])
    while 0 < len(calls) < CALLS:
        calls += calls[: CALLS - len(calls)]
    answer = _NO_ANSWER if one.answer is None else one.answer
    return Tune(one.item, calls, answer if graded else None) if calls else None


async def check_state(caller: Caller, tunes: Sequence[Tune]) -> AsyncIterator[Finding]:
    """Yield what comparing tells; the first tune is compared, the last one is what disturbs it."""
    tune, other = tunes[0], tunes[-1]
    alone, again = [await _perform_alone(caller, tune) for _ in range(2)]
    certain = [
        a.fate in CERTAIN and b.fate in CERTAIN for a, b in zip(alone.answers, again.answers, strict=True)
    ]
    alike = [one == two for one, two in zip(alone.heard, again.heard, strict=True)]
    stable = [one and two for one, two in zip(certain, alike, strict=True)]
    at = next((i for i in range(len(tune.calls)) if certain[i] and not alike[i]), None)
    if at is not None:
        message = f"call {at + 1} of a rollout, {_name(tune, at)}, was answered otherwise in the next rollout"
        yield _finding("state.not_repeatable", message, caller, again, at)
    shared = await _beside_another(caller, tune, other, alone, stable)
    if shared is not None:
        performance, at = shared
        message = (
            f"call {at + 1} of a rollout, {_name(tune, at)}, was answered otherwise beside another rollout"
        )
        yield _finding("state.shared", message, caller, performance, at)
        return
    lost = await _over_many_connections(caller, tune, alone, stable)
    if lost is not None:
        code, performance, at, times = lost
        message = (
            f"call {at + 1} of a rollout, {_name(tune, at)}, was answered otherwise over another connection "
            f"in {times} of {SCATTERED} rollouts"
        )
        yield _finding(code, message, caller, performance, at)
        return
    async for finding in _at_once(caller, tune):
        yield finding


# -- beside another rollout


async def _beside_another(
    caller: Caller, tune: Tune, other: Tune, alone: Performance, stable: Sequence[bool]
) -> tuple[Performance, int] | None:
    for _ in range(_ROUNDS):
        async with caller.lanes() as ours, caller.lanes() as theirs:
            disturb = partial(_disturb, caller, other, caller.new_trace(), theirs)
            performance = await _perform(caller, tune, ours, beside=disturb)
        at = _first_difference(alone, performance, stable)
        if at is not None and performance.answers[at].fate in CERTAIN:
            return performance, at
    return None


async def _disturb(caller: Caller, other: Tune, trace_id: str, ways: Ways, at: int) -> None:
    call = other.calls[at % len(other.calls)]
    await caller.tool_once(call, trace_id, other.item, lane=ways.to(caller.tools[call.name]))


# -- over many connections


async def _over_many_connections(
    caller: Caller, tune: Tune, alone: Performance, stable: Sequence[bool]
) -> tuple[str, Performance, int, int] | None:
    """Return code, an example, its position and how often, where answers depend on the connection.

    So many rollouts at once may also be too many, or share state: so as many are played again, each over one
    connection. If their answers differ too, it is not for the connections.
    """
    for _ in range(_BURSTS):
        async with caller.crowd(caller.answer_limit_s) as crowd:
            different = _different(alone, await _many(caller, tune, [crowd] * SCATTERED), stable)
        if _tells(different):
            break
    else:
        return None
    async with AsyncExitStack() as stack:
        lanes = [await stack.enter_async_context(caller.lanes()) for _ in range(SCATTERED)]
        as_different = _different(alone, await _many(caller, tune, lanes), stable)
    if not as_different:
        return "state.lost", *different[0], len(different)
    answered = [(one, at) for one, at in as_different if one.answers[at].fate in CERTAIN]
    return ("state.shared", *answered[0], len(answered)) if answered else None


def _tells(different: Sequence[tuple[Performance, int]]) -> bool:
    """Tell whether differences are no accident: one other answer, or several failures."""
    certain = any(one.answers[at].fate in CERTAIN for one, at in different)
    return certain or len(different) >= _FAILURES_TELL


async def _many(caller: Caller, tune: Tune, ways: Sequence[Ways]) -> list[Performance]:
    """Play a tune as many times as there are ways, step by step, in another order at each.

    Otherwise every rollout would find the connection on top of the idle ones that it has just given back.
    """
    rollouts = [(_Rollout(caller, tune), way) for way in ways]
    for at in range(rollouts[0][0].steps):
        async with trio.open_nursery() as nursery:
            for rollout, way in random.sample(rollouts, len(rollouts)):
                nursery.start_soon(rollout.step, at, way)
    return [rollout.performance for rollout, _ in rollouts]


def _different(
    alone: Performance, others: Sequence[Performance], stable: Sequence[bool]
) -> list[tuple[Performance, int]]:
    differences = ((other, _first_difference(alone, other, stable)) for other in others)
    return [(other, at) for other, at in differences if at is not None]


# -- several calls of one rollout at once


async def _at_once(caller: Caller, tune: Tune) -> AsyncIterator[Finding]:
    """Yield what is wrong when a rollout makes one call several times at once.

    In whatever order they are served, the answers must be those of the same calls in turn.
    """
    for call in {call.name: call for call in tune.calls}.values():
        again = Tune(tune.item, (call,) * AT_ONCE, None)
        in_turn = [await _perform_alone(caller, again) for _ in range(2)]
        for _ in range(CONFIRMED[Fate.CRASHED]):
            at_once = await _simultaneously(caller, again)
            failed = next((at for at, one in enumerate(at_once.answers) if one.fate not in CERTAIN), None)
            if failed is None:
                break
        if failed is not None:
            if any(one.fate not in CERTAIN for one in in_turn[0].answers):
                continue  # it fails by itself
            said = at_once.answers[failed].told
            message = f"{AT_ONCE} calls of {call.name} by one rollout at once: {said}; in turn they succeed"
            yield _finding("state.parallel_calls", message, caller, at_once, failed)
        elif in_turn[0].heard == in_turn[1].heard and Counter(in_turn[0].heard) != Counter(at_once.heard):
            message = (
                f"{AT_ONCE} calls of {call.name} by one rollout at once are answered otherwise than in turn"
            )
            at = next(i for i, text in enumerate(at_once.heard) if text not in in_turn[0].heard[i:])
            yield _finding("state.parallel_calls", message, caller, at_once, at)


async def _simultaneously(caller: Caller, tune: Tune) -> Performance:
    rollout = _Rollout(caller, tune)
    async with caller.crowd(caller.answer_limit_s) as crowd, trio.open_nursery() as nursery:
        for at in range(len(tune.calls)):
            nursery.start_soon(rollout.step, at, crowd)
    return rollout.performance


# -- playing and comparing


class _Rollout:
    """A fresh rollout that plays a tune, step by step: its calls, and the grading if there is an answer."""

    def __init__(self, caller: Caller, tune: Tune) -> None:
        self._caller, self._tune, self._trace_id = caller, tune, caller.new_trace()
        self._answers: list[Answered] = []
        self._asked: list[tuple[CallIds, ToolCall]] = []
        self.steps = len(tune.calls) + (tune.answer is not None and caller.grader is not None)

    async def step(self, at: int, ways: Ways) -> None:
        """Make the call of that position, or have the answer graded."""
        if at < len(self._tune.calls):
            call, ids = self._tune.calls[at], self._caller.new_ids()
            self._asked.append((ids, call))
            lane = ways.to(self._caller.tools[call.name])
            answered = await self._caller.tool_once(call, self._trace_id, self._tune.item, ids=ids, lane=lane)
        else:
            assert self._caller.grader is not None  # noqa: S101 or there would be no such step
            lane, answer = ways.to(self._caller.grader), self._tune.answer or ""
            answered = await self._caller.grade_once(
                answer, self._asked, self._trace_id, self._tune.item, lane=lane
            )
        self._answers.append(answered)

    @property
    def performance(self) -> Performance:
        """What came of the steps."""
        return Performance(tuple(self._answers))


async def _perform(caller: Caller, tune: Tune, ways: Ways, *, beside: Beside | None = None) -> Performance:
    """Play a tune; `beside` runs at the same time as each of its calls."""
    rollout = _Rollout(caller, tune)
    for at in range(rollout.steps):
        async with trio.open_nursery() as nursery:
            if beside is not None and at < len(tune.calls):
                nursery.start_soon(beside, at)
            nursery.start_soon(rollout.step, at, ways)
    return rollout.performance


async def _perform_alone(caller: Caller, tune: Tune) -> Performance:
    async with caller.lanes() as lanes:
        return await _perform(caller, tune, lanes)


def _heard(answered: Answered) -> str:
    reading = answered.reading
    if reading.fault is not None:
        return answered.said
    return reading.output if reading.score is None else repr(reading.score)


def _first_difference(alone: Performance, other: Performance, stable: Sequence[bool]) -> int | None:
    pairs = zip(alone.heard, other.heard, stable, strict=True)
    return next((at for at, (one, two, counts) in enumerate(pairs) if counts and one != two), None)


def _name(tune: Tune, at: int) -> str:
    return tune.calls[at].name if at < len(tune.calls) else "the grader's"


def _finding(code: str, message: str, caller: Caller, performance: Performance, at: int) -> Finding:
    answered = performance.answers[at]
    name = answered.seen.request.endpoint.name
    return found(code, message, endpoint=name, evidence=caller.evidence(answered))
