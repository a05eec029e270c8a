"""Conversations of chat completions, alone or beside the dataset row that they continue.

A value is a list of messages, an object that has them as `messages`, or one in which what was said stands
apart from its prompt: a `completion` beside a `prompt`, as in TRL's datasets and the results of verifiers,
or one of `_SAID` beside the row's `messages`, or beside an `item` that is the row. Rows that only ask, whose
messages end with somebody else's than the model's, are a dataset. A call stands in `tool_calls`, as an
object or as the JSON of one, or in the older `function_call`.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from simulator.job.traces.assembly import Dialogue
from simulator.job.traces.format import Each, Format
from simulator.job.traces.messages import (
    ROWS,
    Parts,
    arguments_of,
    begun,
    id_of,
    is_failed,
    is_heard,
    is_messages,
    moment_of,
    name_of,
    output_of,
    parted,
    prompt_name,
    prompt_of,
    recorded,
    row_in,
    text_of,
)
from simulator.job.traces.recording import Recording, Row

_SAID = ("completion", "response", "output", "trajectory", "traj", "conversation")
"""The members that hold what was said where it stands apart from its prompt."""

_PROMPTS = ("messages", "prompt", "input")
_ITEMS = ("message", "reasoning", "function_call", "function_call_output")
"""Types that only items of the Responses API have."""

_decode = msgspec.json.Decoder().decode


def _rollouts(value: Any) -> Iterator[Recording]:
    parts = _parts(value)
    if parts is None:
        raise ValueError("no conversation")
    prompt, said = parted(parts.prompt, parts.said)
    dialogue = begun(prompt)
    for message in said:
        _hear(dialogue, message)
    yield recorded(dialogue, prompt, parts)


def _parts(value: Any) -> Parts | None:
    if isinstance(value, list):
        value = {"messages": value}
    if not isinstance(value, dict):
        return None
    name = next((name for name in _SAID if _is_conversation(value.get(name))), None)
    if name is None and _is_conversation(value.get("messages")) and not is_heard(value["messages"][-1]):
        name = "messages"
    if name is None:
        return None
    row = row_in(value)
    before = None if name == "messages" or row is not None else prompt_name(value, _PROMPTS)
    others = {other: given for other, given in value.items() if other not in {name, before, *ROWS}}
    prompt = prompt_of(value, before) if row is None else row["messages"]
    return Parts(prompt, value[name], row, others, others)


def _is_conversation(value: Any) -> bool:
    """Tell whether a value is messages of which one is the model's, and none an item of another API."""
    if not is_messages(value) or any(message.get("type") in _ITEMS for message in value):
        return False
    return any(message.get("role") == "assistant" for message in value)


def _hear(dialogue: Dialogue, message: Row) -> None:
    role, at = message["role"], moment_of(message)
    if role == "assistant":
        dialogue.said(text_of(message.get("content")), at)
        for call in _calls(message):
            function = call.get("function", call)
            dialogue.asked(name_of(function), arguments_of(function), id_of(call.get("id")), at)
    elif role in ("tool", "function"):
        call_id = id_of(message.get("tool_call_id"))
        dialogue.answered(output_of(message.get("content")), call_id, at, failed=is_failed(message))
    else:
        dialogue.heard(at)


def _calls(message: Row) -> list[Row]:
    calls = [_decode(call) if isinstance(call, str) else call for call in message.get("tool_calls") or ()]
    legacy = message.get("function_call")
    return [*calls, legacy] if legacy else calls


CHAT = Format("chat completions", lambda value: _parts(value) is not None, lambda: Each(_rollouts))
