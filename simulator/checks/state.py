"""State under the rollout's id: the same calls alone, beside another rollout, over many connections, at once.

No probe can look into an endpoint. But what a rollout is answered may depend on its own calls alone: so the
same calls, made by a fresh rollout under other circumstances, must be answered alike. Where they are not even
alike under the same circumstances, nothing follows from a difference, and such positions are left out.
"""

import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from functools import partial

import msgspec
import trio

from simulator.checks.acting import says_it_acts
from simulator.checks.caller import Caller, How
from simulator.checks.response import CERTAIN, CONFIRMED, Answered, ResponseKind
from simulator.checks.specimen import Played
from simulator.checks.ways import Ways
from simulator.dialects.base import CallIds
from simulator.findings import found
from simulator.model import Finding, Item, ToolCall

CALLS, MOST_CALLS = 2, 6
"""Of a tune that many rollouts play, and of one that is played beside another."""
SCATTERED, _BURSTS = 24, 2
"""Rollouts at once, whose calls go over whatever connection is free, and how often: now and then an idle
server with two workers gives all connections of a burst to one of them."""
_TELLS = 3
"""So many rollouts must be answered otherwise, or fail, and none of as many that play in turn."""
AT_ONCE = 3
_ROUNDS = 3
_NO_ANSWER = "no answer"


class Tune(msgspec.Struct, frozen=True):
    """What is played again and again: calls of one item, and an answer to be graded, None for no grading."""

    item: Item
    calls: tuple[ToolCall, ...]
    answer: str | None


class Performance(msgspec.Struct, frozen=True):
    """A tune as one rollout played it: what became of each call, and of the grading."""

    answers: tuple[Answered, ...]

    @property
    def heard(self) -> tuple[str, ...]:
        """What each call was answered, as it can be compared."""
        return tuple(map(_heard, self.answers))

    @property
    def throttled(self) -> list[Answered]:
        """The calls that a limit of the endpoint's own refused."""
        return [answered for answered in self.answers if answered.kind is ResponseKind.THROTTLED]


Beside = Callable[[int], Awaitable[None]]
"""What is done beside the call of that position."""


def tune_of(one: Played, ordinary: Sequence[ToolCall], *, graded: bool) -> Tune | None:
    """Return what to play: a rollout's first calls, and `ordinary` ones of tools that it did not call.

    Those that change something come first, so that the others can show it. None without any.
    """
    usable = {call.name for call in ordinary}
    own = [call for call, how in one.calls if how.kind in CERTAIN and call.name in usable]
    calls = own[: MOST_CALLS // 2]
    calls += [call for call in ordinary if call.name not in {call.name for call in calls}]
    calls = sorted(calls[:MOST_CALLS], key=lambda call: not says_it_acts(call.name))
    while 0 < len(calls) < CALLS:
        calls += calls[: CALLS - len(calls)]
    answer = _NO_ANSWER if one.answer is None else one.answer
    return Tune(one.item, tuple(calls), answer if graded else None) if calls else None


async def check_state(caller: Caller, tunes: Sequence[Tune], left_out: list[str]) -> AsyncIterator[Finding]:
    """Yield what comparing tells; the first tune is compared, the last one is what disturbs it.

    Says in `left_out` what cannot be told.
    """
    tune, other = tunes[0], tunes[-1]
    alone, again = [await _perform_alone(caller, tune) for _ in range(2)]
    compared = _compared(alone, again)
    stable = [alike is True for alike in compared]
    if False in compared[: len(tune.calls)]:
        at = compared.index(False)
        message = f"call {at + 1} of a rollout, {_name(tune, at)}, was answered otherwise in the next rollout"
        yield _finding("state.not_repeatable", message, caller, alone, again, at)
    if not any(stable):
        left_out.append(
            "shared and lost state: no call is answered alike in two rollouts, so nothing follows"
        )
        return
    finding = await _beside_another(caller, tune, other, alone, stable)
    if finding is not None:
        yield finding
        return
    short = msgspec.structs.replace(tune, calls=tune.calls[:CALLS])
    kept = [*range(CALLS), *range(len(tune.calls), len(alone.answers))]
    alone = Performance(tuple(alone.answers[at] for at in kept))
    counts = [stable[at] for at in kept]
    finding = await _over_many_connections(caller, short, alone, counts, left_out)
    if finding is not None:
        yield finding
        return
    async for finding in _at_once(caller, short):
        yield finding


def _compared(alone: Performance, other: Performance) -> list[bool | None]:
    """Tell for each position whether the same was heard; None where a call failed, and nothing follows."""
    return [
        _heard(one) == _heard(two) if one.kind in CERTAIN and two.kind in CERTAIN else None
        for one, two in zip(alone.answers, other.answers, strict=True)
    ]


# -- beside another rollout


async def _beside_another(
    caller: Caller, tune: Tune, other: Tune, alone: Performance, stable: Sequence[bool]
) -> Finding | None:
    """Return a finding if a rollout is answered otherwise each time that another one plays beside it.

    Between the rounds it plays alone: what differs there, differs by itself.
    """
    counts, seen = list(stable), None
    for _ in range(_ROUNDS):
        async with caller.lanes() as ours, caller.lanes() as theirs:
            disturb = partial(_disturb, caller, other, caller.new_trace(), theirs)
            performance = await _perform(caller, tune, ours, beside=disturb)
        compared = zip(counts, _compared(alone, performance), strict=True)
        differs = [count and alike is False for count, alike in compared]
        if not any(differs):
            return None
        again = _compared(alone, await _perform_alone(caller, tune))
        counts = [differed and alike is True for differed, alike in zip(differs, again, strict=True)]
        seen = performance
    if seen is None or not any(counts):
        return None
    at = counts.index(True)
    message = (
        f"call {at + 1} of a rollout, {_name(tune, at)}, was answered otherwise beside another rollout, "
        f"each of {_ROUNDS} times"
    )
    return _finding("state.shared", message, caller, alone, seen, at)


async def _disturb(caller: Caller, other: Tune, trace_id: str, ways: Ways, at: int) -> None:
    call = other.calls[at % len(other.calls)]
    await caller.tool_once(call, trace_id, other.item, how=How(lane=ways.to(caller.tools[call.name])))


# -- over many connections


async def _over_many_connections(
    caller: Caller, tune: Tune, alone: Performance, stable: Sequence[bool], left_out: list[str]
) -> Finding | None:
    """Return what bursts of rollouts tell, whose calls go over any connection.

    Where some are answered otherwise, as many play in turn: if those are too, it is by chance. Then as many
    play at once, each over one connection: if those are too, it is not for the connections.
    """
    different: Differences = []
    for _ in range(_BURSTS):
        async with caller.crowd(caller.answer_limit_s) as crowd:
            burst = await _many(caller, tune, [crowd] * SCATTERED)
        for answered in (answered for one in burst for answered in one.throttled):
            caller.note_failure(answered)
        different += _different(alone, burst, stable)
        if len(different) >= _TELLS:
            break
    if len(different) < _TELLS:
        for one, at in different:
            if one.answers[at].kind not in CERTAIN:
                caller.note_failure(one.answers[at])
        return None
    in_turn = [await _perform_alone(caller, tune) for _ in range(SCATTERED)]
    if _different(alone, in_turn, stable):
        left_out.append(
            "shared and lost state: some calls are answered otherwise now and then, by themselves"
        )
        return None
    async with AsyncExitStack() as stack:
        lanes = [await stack.enter_async_context(caller.lanes()) for _ in range(SCATTERED)]
        pinned = _different(alone, await _many(caller, tune, lanes), stable)
    return _burst_finding(caller, tune, alone, different, pinned)


Differences = list[tuple["Performance", int]]
"""Performances that were answered otherwise, or failed, and the first position at which they were."""


def _burst_finding(
    caller: Caller, tune: Tune, alone: Performance, different: Differences, pinned: Differences
) -> Finding:
    answered = [(one, at) for one, at in pinned if one.answers[at].kind in CERTAIN]
    if not pinned:
        code, examples, how = "state.lost", different, "over other connections"
    elif answered:
        code, examples, how = "state.shared", answered, f"beside {SCATTERED - 1} others"
    else:
        code, examples, how = "limits.at_once", pinned, f"beside {SCATTERED - 1} others"
    performance, at = examples[0]
    became = performance.answers[at].told if code == "limits.at_once" else "was answered otherwise"
    message = f"call {at + 1} of a rollout, {_name(tune, at)}, {how}: {became}, in {len(examples)} rollouts"
    return _finding(code, message, caller, alone, performance, at)


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


def _different(alone: Performance, others: Sequence[Performance], stable: Sequence[bool]) -> Differences:
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
        for _ in range(CONFIRMED[ResponseKind.CRASHED]):
            at_once = await _simultaneously(caller, again)
            if at_once.throttled:
                return  # nothing can be told where calls at the same time are refused
            failed = next((at for at, one in enumerate(at_once.answers) if one.kind not in CERTAIN), None)
            if failed is None:
                break
        if failed is not None:
            if any(one.kind not in CERTAIN for one in in_turn[0].answers):
                continue  # it fails by itself
            said = at_once.answers[failed].told
            message = f"{AT_ONCE} calls of {call.name} by one rollout at once: {said}; in turn they succeed"
            yield _finding("state.parallel_calls", message, caller, in_turn[0], at_once, failed)
        elif in_turn[0].heard == in_turn[1].heard and Counter(in_turn[0].heard) != Counter(at_once.heard):
            message = (
                f"{AT_ONCE} calls of {call.name} by one rollout at once are answered otherwise than in turn"
            )
            at = next(i for i, text in enumerate(at_once.heard) if text not in in_turn[0].heard[i:])
            yield _finding("state.parallel_calls", message, caller, in_turn[0], at_once, at)


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
            how = How(lane=ways.to(self._caller.tools[call.name]))
            answered = await self._caller.tool_once(call, self._trace_id, self._tune.item, ids=ids, how=how)
        else:
            assert self._caller.grader is not None  # noqa: S101 or there would be no such step
            how, answer = How(lane=ways.to(self._caller.grader)), self._tune.answer or ""
            answered = await self._caller.grade_once(
                answer, self._asked, self._trace_id, self._tune.item, how=how
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
    """Play a tune alone, over one connection; calls that fail are noted, for they did succeed before."""
    async with caller.lanes() as lanes:
        performance = await _perform(caller, tune, lanes)
    for answered in performance.answers[: len(tune.calls)]:
        if answered.kind not in CERTAIN:
            caller.note_failure(answered)
    return performance


def _heard(answered: Answered) -> str:
    reading = answered.reading
    if reading.fault is not None:
        return answered.said
    return reading.output if reading.score is None else repr(reading.score)


def _first_difference(alone: Performance, other: Performance, stable: Sequence[bool]) -> int | None:
    """Return the first position that counts and at which something else was heard.

    What follows a 429 does not count: a call that was refused left nothing for the next ones.
    """
    for at, (one, two, counts) in enumerate(zip(alone.answers, other.answers, stable, strict=True)):
        if two.kind is ResponseKind.THROTTLED:
            return None
        if counts and _heard(one) != _heard(two):
            return at
    return None


def _name(tune: Tune, at: int) -> str:
    return tune.calls[at].name if at < len(tune.calls) else "the grader's"


def _finding(
    code: str, message: str, caller: Caller, alone: Performance, other: Performance, at: int
) -> Finding:
    """Return the finding, with the answer that it is about and the one that was given alone."""
    answered, before = other.answers[at], alone.answers[at]
    seen, was = caller.evidence(answered), caller.evidence(before)
    evidence = msgspec.structs.replace(seen, answer=f"{seen.answer} (alone: {was.answer})")
    return found(code, message, endpoint=answered.seen.request.endpoint.name, evidence=evidence)
