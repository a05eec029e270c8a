"""Recordings as columns of numbers, so that millions of calls fit: about 20 bytes a call, 12 a turn."""

import math
from array import array
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from simulator.job.traces.instants import EPOCH_FROM
from simulator.job.traces.recording import Recording
from simulator.measure.recorded import Spread

Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]

NO_TIME = math.nan

NOBODY = 0
"""Stands for a tool where a call reached none."""

_NEVER = 1e12  # seconds, 30,000 years


class Columns:
    """A column for each number that is kept of calls, turns and rollouts, in the order they were added."""

    def __init__(self) -> None:
        self.call_started, self.call_ended = array("d"), array("d")
        self.call_tool = array("i")
        self.turn_think_s = array("d")
        self.turn_sent = array("i")
        self.rollout_started, self.rollout_ended = array("d"), array("d")
        self.rollout_calls, self.rollout_turns = array("i"), array("i")
        self.rollout_clock = array("i")

    def add_call(self, tool: int, started: float | None, ended: float | None) -> None:
        """Add a call of a rollout that is yet to be added."""
        begins = _known(started)
        self.call_tool.append(tool)
        self.call_started.append(begins)
        self.call_ended.append(max(_known(ended), begins))

    def add_turn(self, think_s: float | None, sent: int) -> None:
        """Add a turn of a rollout that is yet to be added."""
        self.turn_think_s.append(_known(think_s))
        self.turn_sent.append(sent)

    def add_rollout(self, recording: Recording, file: int) -> None:
        """Add a rollout whose turns and calls have been added; `file` tells files from one another."""
        started, ended = _times(recording)
        self.rollout_started.append(started)
        self.rollout_ended.append(ended)
        self.rollout_calls.append(sum(len(turn.calls) for turn in recording.turns))
        self.rollout_turns.append(len(recording.turns))
        self.rollout_clock.append(file + 1 if started < EPOCH_FROM else 0)


def _known(seconds: float | None) -> float:
    return NO_TIME if seconds is None or abs(seconds) > _NEVER else seconds


def _times(recording: Recording) -> tuple[float, float]:
    """Return when a rollout began and ended, by its calls where it does not say; NO_TIME if not known."""
    started, ended = _known(recording.started), _known(recording.ended)
    if not math.isnan(started) and not math.isnan(ended):
        return started, max(started, ended)
    moments = [moment for moment in map(_known, _moments(recording)) if not math.isnan(moment)]
    return (min(moments), max(moments)) if moments else (NO_TIME, NO_TIME)


def _moments(recording: Recording) -> Iterator[float | None]:
    yield from (recording.started, recording.ended)
    for call in recording.recorded_calls:
        yield from (call.started, call.ended)


def numbers(column: "array[float]") -> Numbers:
    """Return a column of moments or seconds for computing, without copying it."""
    return np.frombuffer(column, np.float64) if column else np.empty(0)


def places(column: "array[int]") -> Places:
    """Return a column of whole numbers for computing."""
    return np.array(column, np.int64)


def by_kind(kinds: Places) -> list[Places]:
    """Return, for each kind there is, the places where it stands."""
    order = np.argsort(kinds, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(kinds[order])) + 1)


def nearest_rank(ordered: Numbers, percent: int) -> float:
    """Return the smallest of the sorted values that `percent` of them do not exceed."""
    return float(ordered[max(0, -(-percent * len(ordered) // 100) - 1)])


def spread(seconds: Numbers) -> Spread | None:
    """Return how the times spread that are known; None where none is."""
    ordered = np.sort(seconds[~np.isnan(seconds)])
    if not len(ordered):
        return None
    return Spread(
        count=len(ordered),
        p50=nearest_rank(ordered, 50),
        p90=nearest_rank(ordered, 90),
        p99=nearest_rank(ordered, 99),
        max=float(ordered[-1]),
        mean=float(ordered.mean()),
    )
