"""Our own `rollouts.jsonl`: what a run of this program played; `measure.lines` defines its lines."""

from collections.abc import Iterator
from typing import Any

from simulator.job.traces.format import Each, Format, has
from simulator.job.traces.recording import RecordedCall, RecordedTurn, Recording, Row
from simulator.job.traces.score import score_of

_BULK = frozenset({"answer", "grade", "turns"})
"""What is most of a line, and is not looked up."""


def _rollouts(line: Row) -> Iterator[Recording]:
    split, index = line["split"], int(line["item"])
    started, now = _seconds(line.get("started_ms")), _seconds(line.get("started_ms"))
    turns = []
    for asked in line["turns"]:
        calls = tuple(map(_call, asked))
        turns.append(RecordedTurn(calls, _gap(now, min(_moments(calls, "started"), default=None))))
        now = max(_moments(calls, "ended"), default=None)
    graded = _attempts(line.get("grade") or {})
    finished = line.get("state", "graded") in {"graded", "ungraded"}
    ended = _seconds(graded[0]["due_ms"] if graded else line.get("ended_ms"))
    if finished:
        turns.append(RecordedTurn((), _gap(now, ended)))
    yield Recording(
        key=f"{split} {index}",
        group=f"{line['step']} {line['kind']} {line['group']}",
        trace_id=str(line["trace_id"]),
        answer=str(line["answer"]),
        turns=tuple(turns),
        score=score_of(line["score"]),
        fields={name: value for name, value in line.items() if name not in _BULK},
        split="valid" if split == "valid" else "train",
        index=index,
        started=started,
        ended=ended,
        finished=finished,
    )


def _call(call: Row) -> RecordedCall:
    attempts = _attempts(call)
    output, chars = call.get("output"), call.get("output_chars")
    return RecordedCall(
        name=str(call["endpoint"]),
        arguments=str(call["arguments"]),
        call_id=str(call["call_id"]),
        output=output if output is not None and chars == len(output) else None,  # a long one is cut
        started=_seconds(attempts[0]["due_ms"]) if attempts else None,
        ended=_seconds(attempts[-1]["done_ms"]) if attempts else None,
        failed=call["fault"] is not None,
    )


def _attempts(call: Row) -> list[Row]:
    return call.get("attempts") or []


def _seconds(milliseconds: Any) -> float | None:
    return None if milliseconds is None else float(milliseconds) / 1000


def _moments(calls: tuple[RecordedCall, ...], name: str) -> Iterator[float]:
    return (moment for call in calls if (moment := getattr(call, name)) is not None)


def _gap(since: float | None, until: float | None) -> float | None:
    return None if since is None or until is None else max(0.0, until - since)


OWN = Format("rft-preflight", has("rollout", "turns", "trace_id"), lambda: Each(_rollouts))
