"""The `results.jsonl` of OpenAI's Build Hour on agent RFT (openai/build-hours, 20-agent-rft).

Its harness writes a row for each sample of an item, in which the events of `trace` have no moments: all that
is known of the time is `duration_seconds`, from the first request until the last answer. Results follow in
the order of their calls, errors without an id of the call. `metrics` holds, by the names of graders, numbers
or objects with a `reward`; a rollout that broke off was not graded, and has a reward of -1 in their place.
"""

from collections.abc import Iterator
from typing import Any

import msgspec

from simulator.job.traces.assembly import Dialogue
from simulator.job.traces.format import Each, Format, has
from simulator.job.traces.formats.responses import hear_items
from simulator.job.traces.instants import instant
from simulator.job.traces.messages import (
    Parts,
    first_score,
    moment_of,
    recorded,
    row_in,
    score_in,
)
from simulator.job.traces.recording import Recording, Row

_TYPES: dict[str, Row] = {
    "tool_call": {"type": "function_call"},
    "tool_result": {"type": "function_call_output"},
    "tool_error": {"type": "function_call_output", "is_error": True},
    "final_message": {"type": "message", "role": "assistant"},
    "preamble_message": {"type": "message", "role": "assistant"},
    "assistant_message": {"type": "message", "role": "assistant"},
    "message": {"type": "message", "role": "assistant"},
}
"""Events as items of the Responses API, which is where the harness has them from; others tell no more."""

_FINAL = "final_message"
_TEXTS = {"message": ("text", "content", "message"), "function_call_output": ("output", "error", "message")}
_CONTENTS = {"message": "content", "function_call_output": "output"}
_CLOCK = ("timestamp", "ts", "time")
_ELAPSED = ("elapsed", "t")
_BULK = frozenset({"input_item", "trace", "final_message_text"})


def _rollouts(row: Row) -> Iterator[Recording]:
    events = [*row["trace"], *_unrecorded(row)]
    items = [item for event in events if (item := _item(event)) is not None]
    dialogue = Dialogue()
    dialogue.heard(_start(events))
    hear_items(dialogue, items)
    asked = row_in(row)
    prompt = [] if asked is None else asked["messages"]
    fields = {name: value for name, value in row.items() if name not in _BULK}
    rollout = recorded(dialogue, prompt, Parts(prompt, items, asked, fields, {}))
    yield msgspec.structs.replace(rollout, score=_score(row), **_span(rollout, row))


def _unrecorded(row: Row) -> list[Row]:
    """Return the event of the final message, if that stands only beside the trace."""
    if row.get("final_message_text") is None or any(event["event"] == _FINAL for event in row["trace"]):
        return []
    return [{"event": _FINAL, "text": row["final_message_text"]}]


def _item(event: Row) -> Row | None:
    """Return an event as an item, None for one that says nothing of the conversation."""
    known = _TYPES.get(str(event["event"]))
    if known is None:
        return None
    kind = str(known["type"])
    texts = (event[name] for name in _TEXTS.get(kind, ()) if event.get(name) is not None)
    content = {_CONTENTS[kind]: next(texts, None)} if kind in _CONTENTS else {}
    return event | known | content | {"timestamp": moment_of(event, (*_CLOCK, *_ELAPSED))}


def _start(events: list[Row]) -> float | None:
    """Return 0.0 where all that the events say is how long after the start they were."""
    has_clock = any(moment_of(event, _CLOCK) is not None for event in events)
    has_elapsed = any(moment_of(event, _ELAPSED) is not None for event in events)
    return 0.0 if has_elapsed and not has_clock else None


def _span(rollout: Recording, row: Row) -> dict[str, Any]:
    """Return start and end; without moments they count from the start."""
    seconds = instant(row.get("duration_seconds"))
    return {} if rollout.started is not None or seconds is None else {"started": 0.0, "ended": seconds}


def _score(row: Row) -> float | None:
    if row.get("error") and row.get("final_message_text") is None:
        return None
    named = score_in(row)
    metrics = row.get("metrics")
    if named is not None or not isinstance(metrics, dict):
        return named
    return first_score([score_in(value) if isinstance(value, dict) else value for value in metrics.values()])


BUILD_HOUR = Format("Build Hour", has("input_item", "trace", "final_message_text"), lambda: Each(_rollouts))
