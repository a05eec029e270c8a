"""The life of single rollouts: thinking, calls, waiting to retry, grading."""

from collections.abc import Iterator, Sequence

import msgspec

from reports.html.picture import Key, Picture, Rows, by_name, chart, colour, quantity, tooltip
from reports.results import Results
from reports.text import counted, duration_ms, plain, short
from simulator.measure.lines import CallLine, RolloutLine

KEYS = (
    Key("thinking", colour("think")),
    Key("tool call", colour("series-1")),
    Key("failed attempt", colour("fault-1")),
    Key("waiting to retry", colour("backoff")),
    Key("grader", colour("series-3")),
)
_THINKING, _TOOL, _FAILED, _BACKOFF, _GRADER = (key.label for key in KEYS)

_ROW_PX = 26
_FILLED = 0.82  # of a row's height; the rest is white
_LONGEST_OUTPUT = 120


class Segment(msgspec.Struct, frozen=True):
    """A stretch of a rollout, in ms since the run began; `lane` of so many lanes beside each other."""

    what: str
    from_ms: float
    to_ms: float
    lane: int = 0
    lanes: int = 1
    told: str = ""


def waterfalls(results: Results) -> Iterator[Picture]:
    """Yield the slowest rollouts, and those that were discarded."""
    if results.detail is None:
        return
    for name, title, lines in (
        ("slowest", "The slowest rollouts", results.detail.slowest),
        ("discarded", "Discarded rollouts", results.detail.discarded),
    ):
        if lines:
            yield _waterfall(name, title, lines)


def _waterfall(name: str, title: str, lines: Sequence[RolloutLine]) -> Picture:
    rows: Rows = []
    for row, line in enumerate(lines):
        for one in segments(line):
            height = _FILLED / one.lanes
            top = row + (1 - _FILLED) / 2 + one.lane * height
            rows.append(
                {
                    "from_s": round((one.from_ms - line.started_ms) / 1000, 4),
                    "to_s": round((one.to_ms - line.started_ms) / 1000, 4),
                    "top": round(top, 3),
                    "bottom": round(top + height, 3),
                    "what": one.what,
                    "told": one.told,
                    "took": duration_ms(one.to_ms - one.from_ms),
                    "rollout": line.rollout,
                }
            )
    numbers = ", ".join(f"'#{line.rollout}'" for line in lines)
    axis = {
        "values": [row + 0.5 for row in range(len(lines))],
        "labelExpr": f"[{numbers}][floor(datum.value)]",
        "grid": False,
        "ticks": False,
    }
    spec = chart(
        rows,
        {"mark": {"type": "rect", "stroke": colour("paper"), "strokeWidth": 0.5}},
        height=_ROW_PX * len(lines),
        x=quantity("from_s", "seconds since the rollout began", scale={"nice": False}),
        x2={"field": "to_s"},
        y=quantity("top", axis=axis, scale={"domain": [0, len(lines)], "reverse": True, "nice": False}),
        y2={"field": "bottom"},
        color=by_name("what", KEYS),
        tooltip=tooltip(rollout="rollout", what="what", call="told", took="took"),
    )
    longest = max(line.ended_ms - line.started_ms for line in lines)
    caption = (
        f"{counted(len(lines), 'rollout')}, numbered as in rollouts.jsonl; up to {duration_ms(longest)}."
    )
    keys = tuple(key for key in KEYS if any(row["what"] == key.label for row in rows))
    return Picture(name, title, caption, spec, keys)


def segments(line: RolloutLine) -> Iterator[Segment]:
    """Yield what a rollout did, in order; calls that are made at once have a lane each."""
    now = line.started_ms
    for turn in line.turns:
        due = min((attempt.due_ms for call in turn for attempt in call.attempts), default=now)
        if due > now:
            yield Segment(_THINKING, now, due)
        for lane, call in enumerate(turn):
            yield from _of_call(call, _TOOL, lane, len(turn))
        now = max([now, *(attempt.done_ms for call in turn for attempt in call.attempts)])
    if line.grade is not None and line.grade.attempts:
        due = line.grade.attempts[0].due_ms
        if due > now:
            yield Segment(_THINKING, now, due)
        yield from _of_call(line.grade, _GRADER, 0, 1)
    elif line.ended_ms > now:
        yield Segment(_THINKING, now, line.ended_ms)


def _of_call(call: CallLine, what: str, lane: int, lanes: int) -> Iterator[Segment]:
    before: float | None = None
    for number, attempt in enumerate(call.attempts, 1):
        if before is not None and attempt.due_ms > before:
            yield Segment(_BACKOFF, before, attempt.due_ms, lane, lanes)
        said = plain(call.output[:_LONGEST_OUTPUT]) if attempt is call.attempts[-1] else ""
        status = attempt.fault or (str(attempt.status) if attempt.status else "")
        told = f"{plain(call.endpoint)}, attempt {number}: {plain(status)} {said}"
        kind = what if attempt.fault is None else _FAILED
        yield Segment(kind, attempt.due_ms, attempt.done_ms, lane, lanes, short(told, _LONGEST_OUTPUT))
        before = attempt.done_ms
