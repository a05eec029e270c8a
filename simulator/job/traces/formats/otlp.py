"""GenAI spans of OpenTelemetry, as OTLP-JSON: what the collector's file exporter writes, or one export.

Names are those of OpenTelemetry's semantic conventions for GenAI, or OpenInference's, or Traceloop's. A trace
is a rollout: its tool spans are the calls, its model spans the thinking. What a tool does inside is its own
affair, be it another agent's calls. A score is the last `gen_ai.evaluation.result`, an event of a span or a
log record, or what OpenInference evaluates of the trace. The spans of a trace may be spread over values and
files; of traces that are still open, only the last touched are kept.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from simulator.job.traces.assembly import turns_of_spans
from simulator.job.traces.format import Format
from simulator.job.traces.recording import RecordedCall, Recording, Row, as_text, key_of
from simulator.job.traces.score import score_of

MOST_OPEN = 20_000
"""Traces that may wait for more spans; the one that got none for longest is taken for whole."""

_KIND_NAMES = ("gen_ai.operation.name", "openinference.span.kind", "traceloop.span.kind")
_NAMES = ("gen_ai.tool.name", "tool.name", "traceloop.entity.name")
_IDS = ("gen_ai.tool.call.id", "tool_call.id", "tool.id")
_ARGUMENTS = ("gen_ai.tool.call.arguments", "input.value", "traceloop.entity.input")
_WRAPPED = {"args": "kwargs", "tool_name": "arguments"}
"""By a member of its inputs, where Traceloop keeps a tool's arguments: a function's, or those sent by MCP."""

_RESULTS = ("gen_ai.tool.call.result", "output.value", "traceloop.entity.output")
_ASKED = ("gen_ai.input.messages", "llm.input_messages", "gen_ai.prompt", "input.value")
_SAID = ("gen_ai.output.messages", "llm.output_messages", "gen_ai.completion", "output.value")

_Kind = Literal["tool", "model", "agent"]
_KINDS: dict[str, _Kind] = {
    "execute_tool": "tool", "tool": "tool",
    "chat": "model", "text_completion": "model", "generate_content": "model", "llm": "model",
    "invoke_agent": "agent", "invoke_workflow": "agent",
    "agent": "agent", "chain": "agent", "workflow": "agent",
}  # fmt: skip

_EVALUATION, _SCORE = "gen_ai.evaluation.result", "gen_ai.evaluation.score.value"
_TRACE_SCORE = re.compile(r"trace\.(annotations\.\d+\.annotation|evaluations\.\d+\.evaluation)\.score")
_FAILED = (2, "2", "STATUS_CODE_ERROR")

_decode = msgspec.json.Decoder().decode


class _Heard(msgspec.Struct, frozen=True):
    """What is kept of a span of the agent's or the model's; `key` is its prompt's."""

    kind: _Kind
    started: float
    ended: float
    key: str
    answer: str


class _Span(msgspec.Struct, frozen=True):
    trace_id: str
    id: str
    parent: str
    part: RecordedCall | _Heard | None
    score: float | None


class _Trace(msgspec.Struct):
    """What is kept of a trace. `parents` has every span of it by its id, `keys` each prompt's key once."""

    parents: dict[str, str] = {}
    calls: dict[str, RecordedCall] = {}
    heard: dict[str, _Heard] = {}
    keys: dict[str, str] = {}
    score: float | None = None


class _Reader:
    """Puts traces together."""

    def __init__(self) -> None:
        self._open: dict[str, _Trace] = {}

    def read(self, value: Row) -> Iterable[Recording]:
        """Take in the spans of a value; return the traces that are taken for whole."""
        spans = list(_spans(value))  # all of them, or none
        scores = [found for record in _logs(value) if (found := _evaluated(record)) is not None]
        for span in spans:
            _add(self._touched(span.trace_id), span)
        for trace_id, score in scores:
            self._touched(trace_id).score = score
        return self._oldest()

    def rest(self) -> Iterator[Recording]:
        """Return all traces that are left."""
        while self._open:
            yield from self._close(next(iter(self._open)))

    def _touched(self, trace_id: str) -> _Trace:
        trace = self._open.pop(trace_id, None) or _Trace()
        self._open[trace_id] = trace
        return trace

    def _oldest(self) -> Iterator[Recording]:
        while len(self._open) > MOST_OPEN:
            yield from self._close(next(iter(self._open)))

    def _close(self, trace_id: str) -> Iterator[Recording]:
        trace = self._open.pop(trace_id)
        if trace.calls or any(heard.kind == "model" for heard in trace.heard.values()):
            yield _rollout(trace_id, trace)


# -- from OTLP-JSON


def _spans(value: Row) -> Iterator[_Span]:
    for scope in _scopes(value, "resourceSpans", "scopeSpans", "instrumentationLibrarySpans"):
        for span in _get(scope, "spans") or ():
            yield _span(span)


def _logs(value: Row) -> Iterator[Row]:
    for scope in _scopes(value, "resourceLogs", "scopeLogs"):
        yield from _get(scope, "logRecords") or ()


def _scopes(value: Row, outer: str, *inner: str) -> Iterator[Row]:
    resources = _get(value, outer)
    for resource in [value] if resources is None else resources:
        for name in inner:
            yield from _get(resource, name) or ()


def _get(value: Row, name: str) -> Any:
    """Return a member by its name in JSON, or as protocol buffers have it: `trace_id` for `traceId`."""
    found = value.get(name)
    return value.get(_snake(name)) if found is None else found


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


def _span(span: Row) -> _Span:
    attributes = _attributes(span)
    return _Span(
        trace_id=_id(_get(span, "traceId")),
        id=_id(_get(span, "spanId")),
        parent=str(_get(span, "parentSpanId") or ""),
        part=_part(span, attributes),
        score=_score(span, attributes),
    )


def _score(span: Row, attributes: Row) -> float | None:
    events = [event for event in _get(span, "events") or () if event.get("name") == _EVALUATION]
    given = [value for name, value in attributes.items() if _TRACE_SCORE.fullmatch(name)]
    given += [_attributes(event).get(_SCORE) for event in events]
    scores = [score for value in given if (score := score_of(value)) is not None]
    return scores[-1] if scores else None


def _evaluated(record: Row) -> tuple[str, float] | None:
    """Return a trace and its score, None for one that names a response in place of the trace."""
    attributes = _attributes(record)
    name = _get(record, "eventName") or attributes.get("event.name")
    score = score_of(attributes.get(_SCORE)) if name == _EVALUATION else None
    trace_id = _get(record, "traceId")
    return None if score is None or not trace_id else (_id(trace_id), score)


def _id(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("an id that is no string")
    return value


def _attributes(part: Row) -> Row:
    return {str(one["key"]): _plain(one.get("value")) for one in _get(part, "attributes") or ()}


def _plain(value: Any) -> Any:
    """Return an attribute's value as JSON would have it."""
    if not isinstance(value, dict):
        return value
    if (array := _get(value, "arrayValue")) is not None:
        return [_plain(one) for one in array.get("values") or ()]
    if (pairs := _get(value, "kvlistValue")) is not None:
        return {str(one["key"]): _plain(one.get("value")) for one in pairs.get("values") or ()}
    if (number := _get(value, "intValue")) is not None:
        return int(number)
    return next(iter(value.values()), None)


# -- what a span means


def _add(trace: _Trace, span: _Span) -> None:
    if span.id in trace.parents:
        return
    trace.parents[span.id] = span.parent
    if span.score is not None:
        trace.score = span.score
    if isinstance(span.part, RecordedCall):
        trace.calls[span.id] = span.part
    elif span.part is not None:
        key = trace.keys.setdefault(span.part.key, span.part.key)
        trace.heard[span.id] = msgspec.structs.replace(span.part, key=key)


def _part(span: Row, attributes: Row) -> RecordedCall | _Heard | None:
    started, ended = (int(_get(span, f"{edge}TimeUnixNano")) / 1e9 for edge in ("start", "end"))
    kind = _kind(attributes)
    if kind is None:
        return None
    if kind != "tool":
        return _heard(kind, attributes, started, ended)
    code = (_get(span, "status") or {}).get("code")
    return _call(attributes, started, ended, failed=code in _FAILED or "error.type" in attributes)


def _kind(attributes: Row) -> _Kind | None:
    names = (attributes.get(name) for name in _KIND_NAMES)
    return next(
        (_KINDS[name.lower()] for name in names if isinstance(name, str) and name.lower() in _KINDS), None
    )


def _first(attributes: Row, names: Iterable[str]) -> Any:
    return next((attributes[name] for name in names if attributes.get(name) is not None), None)


def _call(attributes: Row, started: float, ended: float, *, failed: bool) -> RecordedCall:
    name, call_id, arguments, result = (
        _first(attributes, names) for names in (_NAMES, _IDS, _ARGUMENTS, _RESULTS)
    )
    if not isinstance(name, str):
        raise TypeError("a tool span without the tool's name")
    return RecordedCall(
        name=name,
        arguments="{}" if arguments is None else as_text(_unwrapped(arguments, attributes)),
        call_id="" if call_id is None else str(call_id),
        output=None if result is None else as_text(result),
        started=started,
        ended=ended,
        failed=failed,
    )


def _unwrapped(arguments: Any, attributes: Row) -> Any:
    """Return the arguments without what Traceloop puts around them."""
    if "traceloop.span.kind" not in attributes:
        return arguments
    try:
        inputs = _decode(arguments) if isinstance(arguments, str) else arguments
    except msgspec.DecodeError:
        return arguments
    members = inputs if isinstance(inputs, dict) else {}
    inner = (members[name] for mark, name in _WRAPPED.items() if mark in members and name in members)
    return next((one for one in inner if isinstance(one, dict | str)), arguments)


def _heard(kind: _Kind, attributes: Row, started: float, ended: float) -> _Heard:
    asked, said = (_messages(attributes, names) for names in (_ASKED, _SAID))
    answers = [message["content"] for message in said if message["role"] != "tool"]
    first = next((n for n, message in enumerate(asked) if message["role"] == "assistant"), len(asked))
    return _Heard(kind, started, ended, key_of(asked[:first]), answers[-1] if answers else "")


def _messages(attributes: Row, names: Iterable[str]) -> list[Row]:
    """Return messages that stand in one attribute, as JSON or not, or in several, numbered ones."""
    for name in names:
        given = attributes.get(name)
        found = _numbered(attributes, name) if given is None else _parsed(given)
        if found:
            return found
    return []


def _numbered(attributes: Row, name: str) -> list[Row]:
    """Return messages such as `llm.input_messages.0.message.role`, or `gen_ai.prompt.0.content`."""
    parts: dict[int, Row] = {}
    for key, value in attributes.items():
        if key.startswith(f"{name}."):
            number, _, field = key.removeprefix(f"{name}.").partition(".")
            if number.isdecimal():
                parts.setdefault(int(number), {})[field.removeprefix("message.")] = value
    return [_message(parts[number]) for number in sorted(parts)]


def _parsed(given: Any) -> list[Row]:
    if isinstance(given, str):
        try:
            value = _decode(given)
        except msgspec.DecodeError:
            return [{"role": "user", "content": given}]
    else:
        value = given
    if isinstance(value, dict):
        value = value.get("messages", value)
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return [_message(one) for one in value]
    return [{"role": "user", "content": as_text(value)}]


def _message(message: Row) -> Row:
    parts = message.get("parts", message.get("content"))
    texts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    said = "".join(str(part.get("content", part.get("text", ""))) for part in texts if _is_text(part))
    content = said if texts else as_text("" if parts is None else parts)
    return {"role": str(message.get("role", "user")), "content": content}


def _is_text(part: Row) -> bool:
    return part.get("type", "text") in ("text", "input_text", "output_text")


# -- from a trace to a rollout


def _rollout(trace_id: str, trace: _Trace) -> Recording:
    inside = _inside_tools(trace)
    calls = [call for span_id, call in trace.calls.items() if span_id not in inside]
    outside = [heard for span_id, heard in trace.heard.items() if span_id not in inside]
    heard = sorted(outside, key=lambda one: one.started)
    agents, models = ([one for one in heard if one.kind == kind] for kind in ("agent", "model"))
    edges = [(one.started, one.ended) for one in heard]
    edges += [(call.started or 0.0, call.ended or 0.0) for call in calls]
    started, ended = min(start for start, _ in edges), max(end for _, end in edges)
    turns = turns_of_spans([(one.started, one.ended) for one in models], calls, started)
    answer = next((one.answer for one in [*agents, *reversed(models)] if one.answer), "")
    key = next((one.key for one in [*agents, *models] if one.key), "")
    return Recording(
        key=key,
        group=key,
        trace_id=trace_id,
        answer=answer,
        turns=turns,
        score=trace.score,
        fields={"trace_id": trace_id},
        started=started,
        ended=ended,
        finished=bool(answer) or not turns[-1].calls,
    )


def _inside_tools(trace: _Trace) -> set[str]:
    """Return the spans that are parts of what a tool did. Spans in a circle have nothing above them."""
    below: dict[str, list[str]] = defaultdict(list)
    for span_id, parent in trace.parents.items():
        below[parent].append(span_id)
    inside: set[str] = set()
    waiting = [span_id for span_id, parent in trace.parents.items() if parent not in trace.parents]
    while waiting:
        span_id = waiting.pop()
        parts = below.get(span_id, [])
        if span_id in trace.calls or span_id in inside:
            inside.update(parts)
        waiting += parts
    return inside


_MEMBERS = ("resourceSpans", "scopeSpans", "instrumentationLibrarySpans", "resourceLogs", "scopeLogs")
_EVERY_NAME = {*_MEMBERS, *map(_snake, _MEMBERS)}


def _is_export(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(value.get(name), list) for name in _EVERY_NAME)


OTLP = Format("OpenTelemetry", _is_export, _Reader)
