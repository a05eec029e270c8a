"""State where the scenario names a call that writes and one that reads: told by a mark nobody else has."""

import json
import secrets
from collections.abc import AsyncIterator
from typing import Any

import trio

from simulator.checks.caller import Caller, How
from simulator.checks.prober import Asks
from simulator.checks.response import CERTAIN, Answered
from simulator.dialects.base import CallIds
from simulator.findings import found
from simulator.job.scenariofile import CheckCall, CheckState
from simulator.model import Finding, Item, ToolCall

MARK = "MARK"
READS = 32


async def check_marked(
    caller: Caller, state: CheckState, item: Item, left_out: list[str]
) -> AsyncIterator[Finding]:
    """Yield what writing in one rollout and reading in others tells; say in `left_out` what could not be."""
    writer = _Rollout(caller, state, item, f"mark-{secrets.token_hex(6)}")
    reader = _Rollout(caller, state, item, f"mark-{secrets.token_hex(6)}")
    await writer.write()
    seen = await reader.read()
    if writer.mark in seen.reading.output:
        message = f"{state.read.tool} shows one rollout what another wrote with {state.write.tool}"
        yield found("state.shared", message, endpoint=state.read.tool, evidence=caller.evidence(seen))
        return
    own = await writer.read()
    if writer.mark not in own.reading.output:
        left_out.append(
            f"state: {state.read.tool} does not show what {state.write.tool} wrote, not even to the same "
            "rollout over the same connection, so nothing can be said of it"
        )
        return
    missing = [
        answered
        for answered in await _read_widely(writer)
        if answered.kind in CERTAIN and writer.mark not in answered.reading.output
    ]
    if missing:
        message = (
            f"{state.read.tool} showed a rollout what it had written over one connection, "
            f"but not over {len(missing)} of {READS} others"
        )
        yield found("state.lost", message, endpoint=state.read.tool, evidence=caller.evidence(missing[0]))
        return
    async for finding in _acting_twice(caller, state, item):
        yield finding


async def _read_widely(writer: "_Rollout") -> list[Answered]:
    answers: list[Answered] = []

    async def read() -> None:
        answers.append(await writer.read(crowd))

    async with writer.caller.crowd(writer.caller.answer_limit_s) as crowd, trio.open_nursery() as nursery:
        for _ in range(READS):
            nursery.start_soon(read)
    return answers


async def _acting_twice(caller: Caller, state: CheckState, item: Item) -> AsyncIterator[Finding]:
    """Yield a finding if a call that is sent again, under its ids, changes what is read.

    All three rollouts write the same, so that what they read can be compared. Where two that wrote once do
    not read alike, only a mark that stands there more often tells.
    """
    mark, read = f"mark-{secrets.token_hex(6)}", []
    for times in (1, 1, 2):
        rollout, ids = _Rollout(caller, state, item, mark), caller.new_ids()
        for _ in range(times):
            await rollout.write(ids)
        read.append(await rollout.read())
    if not all(answered.kind in CERTAIN for answered in read):
        return
    once, again, twice = (answered.reading.output for answered in read)
    differs = twice != once if once == again else twice.count(mark) > max(once.count(mark), again.count(mark))
    if differs:
        message = f"{state.write.tool}, sent twice with one call_id, acted twice"
        yield found(
            "state.acts_twice", message, endpoint=state.write.tool, evidence=caller.evidence(read[-1])
        )


class _Rollout:
    """A rollout that writes and reads, over one connection unless a lane is given."""

    def __init__(self, caller: Caller, state: CheckState, item: Item, mark: str) -> None:
        self.caller, self.state, self._item, self.mark = caller, state, item, mark
        self._trace_id, self._lanes = caller.new_trace(), caller.lanes()

    async def write(self, ids: CallIds | None = None) -> Answered:
        return await self._call(self.state.write, ids)

    async def read(self, lane: Asks | None = None) -> Answered:
        return await self._call(self.state.read, None, lane)

    async def _call(self, asked: CheckCall, ids: CallIds | None, lane: Asks | None = None) -> Answered:
        call = ToolCall(asked.tool, json.dumps(_marked(asked.arguments, self.mark)))
        how = How(lane=lane or self._lanes.to(self.caller.tools[asked.tool]))
        return await self.caller.tool_once(call, self._trace_id, self._item, ids=ids, how=how)


def _marked(value: Any, mark: str) -> Any:
    """Return the value with the mark in place of `MARK` in all its strings."""
    if isinstance(value, str):
        return value.replace(MARK, mark)
    if isinstance(value, dict):
        return {key: _marked(inner, mark) for key, inner in value.items()}
    return [_marked(inner, mark) for inner in value] if isinstance(value, list) else value
