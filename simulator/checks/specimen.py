"""What ordinary calls of this job look like: a few rollouts of its policy, played one by one.

Every further probe is a variation on one of these calls, so that it differs from the trainer's in one thing.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
import trio

from simulator.checks.caller import AS_THE_TRAINER, Ask, Caller, How
from simulator.checks.response import Answered, ResponseKind
from simulator.dialects.base import CallIds
from simulator.job.scenario import Scenario
from simulator.model import Item, Outcome, RolloutSpec, Split, ToolCall
from simulator.plan.call import shown
from simulator.plan.policy import PolicyFactory, Seen
from simulator.plan.synthetic import ToolChoices

MOST_ROLLOUTS = MOST_ITEMS = 3
LONG_S = 3.0
"""A rollout ends after a call that took so long."""
MOST_CALLS = 10
"""Of one rollout, whatever the job allows: the check is to be quick."""


class Played(msgspec.Struct, frozen=True):
    """A rollout of the policy as far as it came; `answer` is None where it came to none."""

    item: Item
    trace_id: str
    calls: tuple[tuple[ToolCall, Answered], ...]
    answer: str | None

    @property
    def asked(self) -> list[tuple[CallIds, ToolCall]]:
        """The calls as a grader is told of them."""
        return [(answered.ids, call) for call, answered in self.calls if answered.ids is not None]


class Ordinary(msgspec.Struct, frozen=True):
    """An ordinary call of a tool, and what it was answered."""

    item: Item
    call: ToolCall
    answered: Answered


class Specimens(msgspec.Struct, frozen=True):
    """Rollouts that were played, and an ordinary call of each tool that could be called."""

    played: tuple[Played, ...]
    ordinary: dict[str, Ordinary]


async def play(
    caller: Caller,
    make_policy: PolicyFactory,
    items: Sequence[Item],
    choices: Callable[[], Mapping[tuple[Split, int], ToolChoices]],
    callable_tools: Collection[str],
) -> Specimens:
    """Play rollouts until every tool has been called, and call by the schema what no policy calls.

    `items` are those that `make_policy` was prepared for, and `choices` makes the calls for; a policy may
    well call other tools than those that can be called.
    """
    wanted = set(callable_tools)
    played: list[Played] = []
    for number, item in enumerate(items[:MOST_ROLLOUTS]):
        played.append(await _rollout(caller, make_policy, item, number, callable_tools))
        if not wanted - {call.name for one in played for call, _ in one.calls}:
            break
    ordinary = _best(played)
    uncalled = sorted(wanted - ordinary.keys())
    by_schema = await trio.to_thread.run_sync(choices, abandon_on_cancel=True) if uncalled else {}

    async def by_schema_call(name: str, item: Item, call: ToolCall) -> None:
        ordinary[name] = Ordinary(item, call, await _call(caller, call, caller.new_trace(), item))

    async with trio.open_nursery() as nursery:
        for name in uncalled:
            known = _by_schema(name, items, by_schema)
            if known is not None:
                nursery.start_soon(by_schema_call, name, *known)
    return Specimens(tuple(played), ordinary)


async def _rollout(
    caller: Caller, make_policy: PolicyFactory, item: Item, number: int, callable_tools: Collection[str]
) -> Played:
    """Play one rollout's calls one after another; it ends where a call fails, or cannot be made."""
    policy = make_policy(RolloutSpec(number, 1, "training", number, item), random.Random(number))
    trace_id, seen = caller.new_trace(), _NOTHING_YET
    calls: list[tuple[ToolCall, Answered]] = []
    most = min(MOST_CALLS, caller.job.max_episode_steps or MOST_CALLS)
    while True:
        turn = policy.next(seen)
        if not turn.calls:
            return Played(item, trace_id, tuple(calls), turn.answer)
        if len(calls) >= most:
            return Played(item, trace_id, tuple(calls), None)
        outcomes = []
        for call in turn.calls[: most - len(calls)]:
            if call.name not in callable_tools:
                return Played(item, trace_id, tuple(calls), None)
            answered = await _call(caller, call, trace_id, item)
            calls.append((call, answered))
            if answered.kind not in _GOES_ON:
                return Played(item, trace_id, tuple(calls), None)
            outcomes.append(_outcome(caller, call, answered))
            if answered.seen.seconds > LONG_S:
                return Played(item, trace_id, tuple(calls), None)
        seen = tuple(outcomes)


_NOTHING_YET: Seen = ()
_GOES_ON = {
    ResponseKind.ANSWERED,
    ResponseKind.SOFT_ERROR,
    ResponseKind.REFUSED,
    ResponseKind.TOO_LARGE,
    ResponseKind.MALFORMED,
}


async def _call(caller: Caller, call: ToolCall, trace_id: str, item: Item) -> Answered:
    how = AS_THE_TRAINER if caller.times.get(call.name) else caller.patiently
    answered = await caller.tool(call, trace_id, item, how=how)
    caller.note_ordinary(answered)
    return answered


def _outcome(caller: Caller, call: ToolCall, answered: Answered) -> Outcome:
    reading = answered.reading
    output = shown(caller.dialect, reading, answered.seen.status)
    return Outcome(
        0,
        call,
        (),
        answered.seen.seconds,
        answered.ids.call_id if answered.ids else "",
        output,
        len(output),
        fault=reading.fault,
        soft_error=reading.soft_error,
    )


def _best(played: Sequence[Played]) -> dict[str, Ordinary]:
    """Return for each tool that was called the call that was answered best."""
    best: dict[str, Ordinary] = {}
    for one in played:
        for call, answered in one.calls:
            known = best.get(call.name)
            if known is None or _RANK[answered.kind] < _RANK[known.answered.kind]:
                best[call.name] = Ordinary(one.item, call, answered)
    return best


_RANK = {
    kind: rank
    for rank, kind in enumerate((ResponseKind.ANSWERED, ResponseKind.SOFT_ERROR, ResponseKind.REFUSED))
}
_RANK.update({kind: len(_RANK) for kind in ResponseKind if kind not in _RANK})


def _by_schema(
    name: str, items: Sequence[Item], choices: Mapping[tuple[Split, int], ToolChoices]
) -> tuple[Item, ToolCall] | None:
    for item in items:
        for pool in choices.get((item.split, item.index), ()):
            if pool and pool[0].name == name:
                return item, pool[0]
    return None


def items_of(scenario: Scenario) -> tuple[Item, ...]:
    """Return a few rows that declare as many of the job's tools as possible, the first ones preferred."""
    rows = scenario.train or scenario.valid
    chosen: list[Item] = list(rows[:1])
    declared = {tool.name for item in chosen for tool in item.tools}
    for item in rows[1:]:
        names = {tool.name for tool in item.tools}
        if len(chosen) < MOST_ITEMS and (names - declared or not names):
            chosen.append(item)
            declared |= names
    for item in rows[1:]:
        if len(chosen) < MOST_ITEMS and item not in chosen:
            chosen.append(item)
    return tuple(chosen)


def ask_tool(caller: Caller, ordinary: Ordinary) -> Ask:
    """Return what makes an ordinary call of a tool, each time for a fresh rollout."""

    async def ask(how: How = AS_THE_TRAINER) -> Answered:
        return await caller.tool(ordinary.call, caller.new_trace(), ordinary.item, how=how)

    return ask
