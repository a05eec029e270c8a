"""The platform's exports of a training step (a row a line) and of an evaluation pass (one object).

As recorded in microsoft-foundry/fine-tuning, Demos/ZavaRetailAgent: an item's `trace` has a span for each
model turn ("generation") and tool call ("function"); an evaluation writes these types in capitals. A name is
`functions.NAME`, or `multi_tool_use.parallel` for several calls at once.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from simulator.job.traces.assembly import Dialogue, turns_of_spans
from simulator.job.traces.format import Each, Format, has
from simulator.job.traces.instants import instant
from simulator.job.traces.recording import (
    NAMESPACE,
    RecordedCall,
    RecordedTurn,
    Recording,
    Row,
    as_text,
    key_of,
)
from simulator.job.traces.score import score_of


def _training(row: Row) -> Iterator[Recording]:
    outputs = row["sample"].get("outputs") or row["sample"].get("output") or []
    yield _rollout(row["item"], outputs, next(iter(row["grades"].values()), None), row)


def _evaluation(row: Row) -> Iterator[Recording]:
    score = row["results"][0]["score"] if row["results"] else None
    yield _rollout(row["datasource_item"], row["sample"].get("output") or [], score, row)


def _rollout(item: Row, outputs: Sequence[Row], score: Any, fields: Row) -> Recording:
    spans = (item.get("trace") or {}).get("spans") or ()
    key = key_of(item["messages"])
    moments = [(instant(span.get("started_at")), instant(span.get("ended_at"))) for span in spans]
    is_timed = bool(spans) and all(start is not None and end is not None for start, end in moments)
    contents = [output.get("content") for output in outputs]
    return Recording(
        key=key,
        group=key,
        trace_id=str(next((span["trace_id"] for span in spans), "")),
        answer=next((text for text in reversed(contents) if isinstance(text, str)), ""),
        turns=_timed(spans, moments) if is_timed else _untimed(spans),
        score=score_of(score),
        fields=fields,
        item={name: value for name, value in item.items() if name != "trace"},
        started=min((start for start, _ in moments if start is not None), default=None) if is_timed else None,
        ended=max((end for _, end in moments if end is not None), default=None) if is_timed else None,
    )


def _timed(
    spans: Sequence[Row], moments: Sequence[tuple[float | None, float | None]]
) -> tuple[RecordedTurn, ...]:
    calls, thinking = [], []
    for span, (start, end) in zip(spans, moments, strict=True):
        assert start is not None and end is not None  # noqa: S101, PT018 the caller has looked
        if _is_function(span["span_data"]):
            calls.append(_call(span, start, end))
        else:
            thinking.append((start, end))
    first = min(start for start, _ in moments if start is not None)
    return turns_of_spans(thinking, calls, first)


def _untimed(spans: Sequence[Row]) -> tuple[RecordedTurn, ...]:
    dialogue = Dialogue()
    for span in spans:
        if _is_function(span["span_data"]):
            call = _call(span, None, None)
            dialogue.asked(call.name, call.arguments, "", None)
        else:
            dialogue.said("", None)
    return dialogue.turns()


def _call(span: Row, start: float | None, end: float | None) -> RecordedCall:
    data, output = span["span_data"], span["span_data"].get("output")
    return RecordedCall(
        name=str(data["name"]).removeprefix(NAMESPACE),
        arguments="{}" if data.get("input") is None else as_text(data["input"]),
        output=None if output is None else as_text(output),
        started=start,
        ended=end,
        failed=bool(span.get("error")),
    )


def _is_function(data: Row) -> bool:
    return str(data.get("type")).lower() == "function"


TRAINING = Format("training export", has("item", "sample", "grades"), lambda: Each(_training))
EVALUATION = Format(
    "evaluation export", has("datasource_item", "sample", "results"), lambda: Each(_evaluation)
)
