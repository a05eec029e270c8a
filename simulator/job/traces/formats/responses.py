"""Items of the Responses API: what a model and its tools said, alone or with the request they answer.

A value is a list of items, a response, an object with `input` and `output`, a request beside its response
(NeMo Gym writes `responses_create_params`, `response` and `reward`), or a dataset row, itself or as `item`,
beside a list of items. Each value is a rollout of its own: responses that a `previous_response_id` chains
are not put together. When a response was created tells nothing of its items, and is not used: some agent
loops give all their items to the last response.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import Any

from simulator.job.traces.assembly import Dialogue
from simulator.job.traces.format import Each, Format
from simulator.job.traces.messages import (
    Parts,
    arguments_of,
    begun,
    id_of,
    is_failed,
    is_text,
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

_OUTPUTS = ("output", "items", "trajectory")
_REQUESTS = ("request", "responses_create_params")
_PROMPTS = ("input", "messages")
_BULK = frozenset({*_OUTPUTS, *_REQUESTS, *_PROMPTS, "response", "item", "input_item"})
_CALLED = ("function_call", "function_call_output", "reasoning")


def _rollouts(value: Any) -> Iterator[Recording]:
    items = _items_in(value)
    if items is None:
        raise ValueError("no items of a response")
    parts = _parts(value if isinstance(value, dict) else {}, items)
    prompt, said = parted(parts.prompt, parts.said)
    dialogue = begun(prompt)
    hear_items(dialogue, said)
    yield recorded(dialogue, prompt, parts)


def _items_in(value: Any) -> list[Any] | None:
    """Return the items of a value, None where it has none that only this API has."""
    if isinstance(value, list):
        return value if _is_items(value) else None
    if not isinstance(value, dict):
        return None
    holders = (_member(value, ("response",)), value)
    found = (holder[name] for holder in holders for name in _OUTPUTS if _is_items(holder.get(name)))
    return next(found, None)


def _parts(value: Row, items: list[Any]) -> Parts:
    response = _member(value, ("response",))
    row, own = row_in(value), _without_bulk(value)
    fields = own if response is value else _without_bulk(response) | own
    return Parts(
        prompt=_prompt(_member(value, _REQUESTS)) or _prompt(response) if row is None else row["messages"],
        said=[_message(item) for item in items],
        row=row,
        fields=fields,
        others={} if value.get("object") == "response" else own,
    )


def _member(value: Row, names: Sequence[str]) -> Row:
    """Return the first of these members that is an object; where none is, the value itself stands for it."""
    return next((value[name] for name in names if isinstance(value.get(name), dict)), value)


def _prompt(request: Row) -> list[Any]:
    given = [_message(item) for item in prompt_of(request, prompt_name(request, _PROMPTS))]
    instructions = request.get("instructions")
    if given and instructions and isinstance(instructions, str):
        return [{"role": "system", "content": instructions}, *given]
    return given


def _message(item: Any) -> Any:
    """Return a message as datasets have it: without a type, and what is nothing but texts as a string."""
    if not isinstance(item, dict) or "role" not in item:
        return item
    content = item.get("content")
    plain = text_of(content) if isinstance(content, list) and all(map(is_text, content)) else content
    return {name: value for name, value in item.items() if name != "type"} | {"content": plain}


def _without_bulk(value: Row) -> Row:
    return {name: given for name, given in value.items() if name not in _BULK}


def _is_items(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) and _is_item(item) for item in value)


def _is_item(item: Row) -> bool:
    """Tell an item that only this API has, and that is not a part of every prompt."""
    kind = item.get("type")
    return kind in _CALLED or (kind == "message" and item.get("role") == "assistant")


def hear_items(dialogue: Dialogue, items: Sequence[Row]) -> None:
    """Add items, of which those between the outputs of tools are from one message of the model's."""
    for hear, some in groupby(items, _hearer):
        hear(dialogue, list(some))


def _hearer(item: Row) -> Callable[[Dialogue, Sequence[Row]], None]:
    if item.get("type") == "function_call_output":
        return _answered
    return _heard if item.get("role") in ("system", "developer", "user") else _spoke


def _heard(dialogue: Dialogue, items: Sequence[Row]) -> None:
    for item in items:
        dialogue.heard(moment_of(item))


def _answered(dialogue: Dialogue, items: Sequence[Row]) -> None:
    for item in items:
        call_id, output = id_of(item.get("call_id")), output_of(item.get("output"))
        dialogue.answered(output, call_id, moment_of(item), failed=is_failed(item))


def _spoke(dialogue: Dialogue, items: Sequence[Row]) -> None:
    """Add what the model wrote: first its text, wherever that stands, as it would part calls otherwise."""
    calls = [item for item in items if item.get("type") == "function_call"]
    texts = [text_of(item.get("content")) for item in items if item.get("role") == "assistant"]
    if texts:
        moments = [moment for item in items if (moment := moment_of(item)) is not None]
        at = moment_of(calls[0]) if calls else max(moments, default=None)
        dialogue.said(next((text for text in reversed(texts) if text), ""), at)
    for call in calls:
        dialogue.asked(name_of(call), arguments_of(call), id_of(call.get("call_id")), moment_of(call))


RESPONSES = Format("responses API", lambda value: _items_in(value) is not None, lambda: Each(_rollouts))
