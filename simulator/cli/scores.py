"""`scores.jsonl`: each sample of a study with everything that it was given."""

from collections.abc import Callable

import msgspec

from simulator.judges.conduct import Studied
from simulator.judges.samples import Taken
from simulator.measure.lines import SHOWN_CHARS

SCORES = "scores.jsonl"


class ScoreLine(msgspec.Struct):
    """One sample; None stands where a grading gave no score, and `errors` says why.

    `others` are the scores of the graders compared with.
    """

    sample: int
    trace_id: str
    group: int
    split: str
    item: int
    answer: str
    reference: str | None
    recorded: float | None
    before: list[float | None]
    load: list[float | None]
    after: list[float | None]
    others: dict[str, float | None]
    errors: list[str]


def score_lines(taken: Taken, studied: Studied, redact: Callable[[str], str]) -> bytes:
    """Return a line for each sample; texts are redacted, and then cut."""
    groups: dict[str, int] = {}
    lines = [
        ScoreLine(
            sample=number,
            trace_id=trace_id,
            group=groups.setdefault(case.group, len(groups)),
            split=case.split,
            item=case.index,
            answer=redact(case.answer)[:SHOWN_CHARS],
            reference=None if case.reference is None else redact(case.reference)[:SHOWN_CHARS],
            recorded=case.recorded,
            before=[],
            load=[],
            after=[],
            others={},
            errors=[],
        )
        for number, (case, trace_id) in enumerate(zip(taken.cases, taken.traces, strict=True))
    ]
    for mark in studied.sheet.marks:
        line = lines[mark.sample]
        {"before": line.before, "load": line.load, "after": line.after}[mark.phase].append(mark.score)
        if mark.error is not None:
            line.errors.append(f"{mark.error}: {mark.details}"[:SHOWN_CHARS])
    for name, sheet in studied.others.items():
        for mark in sheet.marks:
            lines[mark.sample].others[name] = mark.score
    encode = msgspec.json.Encoder().encode
    return b"\n".join([*map(encode, lines), b""])
