"""The lines of one run as columns, gathered in one pass: what is drawn again and counted for a comparison."""

from array import array
from collections import defaultdict
from collections.abc import Iterable

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.faults import NEVER_ANSWERED, Fault
from simulator.grading.ordering import SAME
from simulator.measure.lines import CallLine, RolloutLine

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_COMPLETED = {"graded", "ungraded"}


class EndpointColumns(msgspec.Struct, frozen=True):
    """One endpoint: `s` has the service time of each answered attempt, `of` the row of its rollout.

    `sent_s` is when it was sent, in seconds since the run began, as all times are.
    The others have a row for each rollout: its attempts, those of them that ended in a fault, its calls, and
    the soft errors among them. Attempts that were unfinished when the run was stopped are left out.
    """

    s: Floats
    sent_s: Floats
    of: Ints
    attempts: Floats
    faults: Floats
    calls: Floats
    soft_errors: Floats


class Columns(msgspec.Struct, frozen=True):
    """A row for each rollout of a run, in the order of their numbers.

    `group` labels the rollouts of one group, `completed`, `discarded`, `graded` and `false_zero` are 0 or 1,
    `duration_s`, `calls` and `score` are 0 where the rollout was not completed, or not graded. `several` and
    `flat` are those of its group, and stand at the group's first rollout alone: whether at least two are
    graded, and whether these have one score.
    """

    rollout: Ints
    group: Ints
    completed: Floats
    discarded: Floats
    graded: Floats
    false_zero: Floats
    duration_s: Floats
    ended_s: Floats
    calls: Floats
    score: Floats
    several: Floats
    flat: Floats
    endpoints: dict[str, EndpointColumns]


class _Gathered:
    """One endpoint's columns under construction."""

    def __init__(self) -> None:
        self.s, self.sent_s, self.of = array("d"), array("d"), array("q")
        self.counted = array("q")  # row, attempts, faults, soft errors of one call after the other

    def add(self, row: int, call: CallLine) -> None:
        attempts = faults = 0
        for attempt in call.attempts:
            fault = attempt.fault
            if fault is not None:
                if fault == Fault.UNFINISHED:
                    continue
                faults += 1
            attempts += 1
            if fault is None or fault not in NEVER_ANSWERED:
                self.s.append((attempt.done_ms - attempt.sent_ms) / 1000)
                self.sent_s.append(attempt.sent_ms / 1000)
                self.of.append(row)
        self.counted.extend((row, attempts, faults, call.soft_error))

    def columns(self, place: Ints) -> EndpointColumns:
        """Return the columns; `place` says which row each rollout has in the end."""
        rows, *counts = np.array(self.counted, np.int64).reshape(-1, 4).T
        rows, rollouts = place[rows], len(place)
        attempts, faults, soft_errors = (
            np.bincount(rows, count, rollouts).astype(np.float64) for count in counts
        )
        called = np.bincount(rows[counts[0] > 0], minlength=rollouts).astype(float)
        of = place[np.array(self.of, np.int64)]
        s, sent_s = np.array(self.s), np.array(self.sent_s)
        return EndpointColumns(s, sent_s, of, attempts, faults, called, soft_errors)


def columns_of(lines: Iterable[RolloutLine]) -> Columns:
    """Return the columns of a run's lines, which may come in any order."""
    numbers, figures = array("q"), array("d")
    groups: dict[tuple[int, str, int], int] = {}
    endpoints: defaultdict[str, _Gathered] = defaultdict(_Gathered)
    for row, line in enumerate(lines):
        group = groups.setdefault((line.step, line.kind, line.group), len(groups))
        numbers.extend((line.rollout, group))
        figures.extend(_figures(line))
        for turn in line.turns:
            for call in turn:
                endpoints[call.endpoint].add(row, call)
        if line.grade is not None:
            endpoints[line.grade.endpoint].add(row, line.grade)
    rollout, group_of = np.array(numbers, np.int64).reshape(-1, 2).T
    order = np.argsort(rollout, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    figured = np.array(figures).reshape(-1, len(_FIGURES))[order].T
    named = dict(zip(_FIGURES, figured, strict=True))
    several, flat = _groups(group_of[order], named["graded"] > 0, named["score"])
    return Columns(
        rollout=rollout[order],
        group=group_of[order],
        **named,
        several=several,
        flat=flat,
        endpoints={name: gathered.columns(place) for name, gathered in sorted(endpoints.items())},
    )


_FIGURES = ("completed", "discarded", "graded", "false_zero", "duration_s", "ended_s", "calls", "score")


def _figures(line: RolloutLine) -> tuple[float, ...]:
    completed, score = line.state in _COMPLETED, line.score if line.state == "graded" else None
    failed = any(call.fault is not None for turn in line.turns for call in turn)
    return (
        completed,
        line.state == "discarded",
        line.state == "graded",
        score == 0 and failed,
        (line.ended_ms - line.started_ms) / 1000 if completed else 0.0,
        line.ended_ms / 1000,
        sum(map(len, line.turns)) if completed else 0.0,
        score or 0.0,
    )


def _groups(group: Ints, graded: NDArray[np.bool_], score: Floats) -> tuple[Floats, Floats]:
    """Return `several` and `flat`, of which see `Columns`."""
    labels, first = np.unique(group, return_index=True)
    low, high = np.full(len(labels), np.inf), np.full(len(labels), -np.inf)
    np.minimum.at(low, group[graded], score[graded])
    np.maximum.at(high, group[graded], score[graded])
    many = np.bincount(group[graded], minlength=len(labels)) > 1
    several, flat = np.zeros(len(group)), np.zeros(len(group))
    several[first] = many
    flat[first] = many & (high - low < SAME)
    return several, flat
