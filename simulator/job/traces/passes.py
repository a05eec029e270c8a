"""Passes: stretches of time with rollouts in flight, divided by pauses in which nobody was."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec
import numpy as np
import numpy.typing as npt

from simulator.job.traces.columns import (
    NOBODY,
    Columns,
    Numbers,
    Places,
    by_kind,
    nearest_rank,
    numbers,
    places,
    spread,
)
from simulator.job.traces.instants import EPOCH_FROM
from simulator.job.traces.queueing import FIRST_S, Served, served
from simulator.job.traces.whatif import Rollout, pass_seconds
from simulator.measure.recorded import CallSeries, Cold, Polled, Queue, RecordedPass, WhatIf

PAUSE_S = 60.0
"""A longer time without anybody in flight parts passes."""

MOST_PASSES = 50
MOST_POINTS = 600

_TIMES_AS_MANY = (1, 2, 4, 8)
_MOST_REPLAYED = 100_000  # calls; the replay of so many takes two seconds
_ABOUT = 0.25  # how far off the replay of what was recorded may be

_COLD_S, _COLD_SERVICES = 3.0, 8.0
_LATER_CALLS = 5
_BY_CHANCE = math.log(1e-4)

_POLLED_CALLS, _POLLED_SECONDS, _POLLED_AT_MOST = 20, 5, 1 / 3
_POLLED_LENGTH = 0.5  # of the mean of unit vectors; chance would make it 1 / sqrt(calls)
_NEARLY_S = 0.1


class Pass(msgspec.Struct, frozen=True):
    """The rollouts of a pass, as places in the columns, in the order they began; times are from its start."""

    began: float
    rollouts: Places
    started: Numbers
    ended: Numbers


def passes_of(columns: Columns) -> list[Pass]:
    """Return the passes in time order; rollouts without times are in none."""
    started, ended = numbers(columns.rollout_started), numbers(columns.rollout_ended)
    clocks = places(columns.rollout_clock)
    timed = np.flatnonzero(~np.isnan(started))
    order = timed[np.lexsort((started[timed], clocks[timed]))]
    parted = np.flatnonzero(np.diff(clocks[order])) + 1
    return [one for same in np.split(order, parted) if len(same) for one in _divided(same, started, ended)]


def _divided(order: Places, started: Numbers, ended: Numbers) -> Iterator[Pass]:
    until = np.maximum.accumulate(ended[order])
    pauses = np.flatnonzero(started[order][1:] - until[:-1] > PAUSE_S) + 1
    for rollouts in np.split(order, pauses):
        began = float(started[rollouts[0]])
        yield Pass(began, rollouts, started[rollouts] - began, ended[rollouts] - began)


def most_in_flight(started: Numbers, ended: Numbers) -> int:
    """Return the most that were in flight at one moment.

    What starts as another ends has taken its place; what took no time was there all the same.
    """
    if not len(started):
        return 0
    times = np.concatenate([started, ended])
    turns = np.concatenate([np.ones(len(started)), np.where(ended > started, 0, 2)])
    changes = np.repeat([1, -1], len(started))
    return int(np.cumsum(changes[np.lexsort((turns, times))]).max())


# -- what is said of a pass ------------------------------------------------------------------------------


class Calls(msgspec.Struct, frozen=True):
    """Timed calls of a pass, and their tools; moments are from the pass's start."""

    started: Numbers
    ended: Numbers
    tools: Places

    @property
    def latencies(self) -> Numbers:
        """How long each took."""
        return self.ended - self.started

    def those(self, chosen: Places | npt.NDArray[np.bool_]) -> "Calls":
        """Return some of them."""
        return Calls(self.started[chosen], self.ended[chosen], self.tools[chosen])


def recorded_passes(columns: Columns) -> tuple[int, tuple[RecordedPass, ...]]:
    """Return how many passes there are, and the largest ones in time order."""
    passes = passes_of(columns)
    calls_of = np.array([int(places(columns.rollout_calls)[one.rollouts].sum()) for one in passes] or [0])
    largest = np.sort(np.argsort(-calls_of[: len(passes)], kind="stable")[:MOST_PASSES])
    offsets = _Offsets(columns)
    return len(passes), tuple(_recorded(columns, passes[place], offsets) for place in largest)


class _Offsets:
    """Where the calls and turns of each rollout are."""

    def __init__(self, columns: Columns) -> None:
        self.calls = np.concatenate([[0], np.cumsum(places(columns.rollout_calls))])
        self.turns = np.concatenate([[0], np.cumsum(places(columns.rollout_turns))])


def _recorded(columns: Columns, one: Pass, offsets: _Offsets) -> RecordedPass:
    calls = _calls(columns, one, offsets)
    some = calls.those(calls.tools != NOBODY)
    found = served(some.started, some.ended, some.tools)
    duration = float(one.ended.max())
    in_flight = most_in_flight(one.started, one.ended)
    finished = np.sort(some.ended)
    span = float(finished[-1] - finished[0]) if len(finished) else 0.0
    first = float(finished[0] - some.started.min()) if len(finished) else None
    at_once = int(np.searchsorted(finished, finished[0] + FIRST_S, "right")) if len(finished) else 0
    return RecordedPass(
        rollouts=len(one.rollouts),
        calls=int((offsets.calls[one.rollouts + 1] - offsets.calls[one.rollouts]).sum()),
        began_at=_date(one.began),
        duration_s=duration,
        in_flight_max=in_flight,
        calls_in_flight_max=most_in_flight(calls.started, calls.ended),
        first_finished_s=first,
        first_finished=at_once,
        finished_per_s=(len(finished) - 1) / span if span else None,
        gap_s=nearest_rank(np.sort(np.diff(finished)), 50) if len(finished) > 1 else None,
        latency_s=spread(calls.latencies),
        queue=None if found is None else _queue(columns, one, offsets, found, in_flight, duration),
        cold=None if first is None else _cold(some, found, first, at_once),
        polled=_polled(some.latencies),
        series=_series(calls, duration) if len(finished) else None,
    )


def _date(moment: float) -> str | None:
    if moment < EPOCH_FROM:
        return None
    try:
        return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return None


def _calls(columns: Columns, one: Pass, offsets: _Offsets) -> Calls:
    chosen = _ranges(offsets.calls, one.rollouts)
    started = numbers(columns.call_started)[chosen] - one.began
    ended = numbers(columns.call_ended)[chosen] - one.began
    timed = np.flatnonzero(~np.isnan(started) & ~np.isnan(ended))
    tools = places(columns.call_tool)[chosen][timed]
    return Calls(started[timed], ended[timed], tools)


def _ranges(offsets: Places, chosen: Places) -> Places:
    """Return all places from the offset of each chosen one up to the next."""
    counts = offsets[chosen + 1] - offsets[chosen]
    before = np.cumsum(counts) - counts
    return np.repeat(offsets[chosen] - before, counts) + np.arange(int(counts.sum()))


def _queue(
    columns: Columns, one: Pass, offsets: _Offsets, found: Served, in_flight: int, duration: float
) -> Queue:
    rollouts = _rollouts(columns, one, offsets)
    what_if: tuple[WhatIf, ...] = ()
    if sum(calls for rollout in rollouts for _, calls in rollout) <= _MOST_REPLAYED:
        what_if = tuple(_what_if(rollouts, in_flight, found, times) for times in _TIMES_AS_MANY)
        if abs(what_if[0].duration_s - duration) > _ABOUT * duration:
            what_if = ()
    return Queue(found.per_s, found.at_a_time, found.service_s, what_if)


def _rollouts(columns: Columns, one: Pass, offsets: _Offsets) -> list[Rollout]:
    think_s, sent = columns.turn_think_s, columns.turn_sent
    return [
        [
            (0.0 if math.isnan(think_s[turn]) else think_s[turn], sent[turn])
            for turn in range(int(offsets.turns[place]), int(offsets.turns[place + 1]))
        ]
        for place in one.rollouts
    ]


def _what_if(rollouts: list[Rollout], in_flight: int, found: Served, times: int) -> WhatIf:
    at_a_time = times * found.at_a_time
    return WhatIf(at_a_time, pass_seconds(rollouts, in_flight, at_a_time, found.service_s))


def _cold(calls: Calls, found: Served | None, first: float, at_once: int) -> Cold | None:
    """Return the cold start of a pass, if it had one.

    Where calls queue, several ought to have finished before the first one did. Elsewhere chance must hardly
    make all that were in flight so slow, going by later calls of their tools.
    """
    if first < _COLD_S:
        return None
    if found is not None:
        return Cold(first, at_once) if first >= _COLD_SERVICES * found.service_s else None
    end = float(calls.ended.min())
    chance = sum(_log_chance(calls.those(same), end) for same in by_kind(calls.tools))
    return Cold(first, at_once) if chance < _BY_CHANCE else None


def _log_chance(calls: Calls, end: float) -> float:
    """Return the logarithm of the chance that no call of a tool that started before `end` ends earlier."""
    early = calls.started < end
    later = np.sort(calls.latencies[~early])
    if len(later) < _LATER_CALLS:
        return 0.0
    quicker = np.searchsorted(later, end - calls.started[early], "left") / (len(later) + 1)
    return float(np.log1p(-quicker).sum())


def _polled(latencies: Numbers) -> Polled | None:
    """Return at which fraction of a second calls end, if they do wherever they end.

    Fractions lie on a circle; the mean of their unit vectors is long where they are alike. Latencies that
    are few kinds of constants have such fractions too, so these must be of many different seconds.
    """
    long = latencies[latencies > 1.0]
    if len(long) < _POLLED_CALLS:
        return None
    seconds = np.unique(np.floor(long), return_counts=True)[1]
    if (seconds > 1).sum() < _POLLED_SECONDS or seconds.max() > _POLLED_AT_MOST * len(long):
        return None
    mean = np.exp(2j * np.pi * long).mean()
    if abs(mean) < _POLLED_LENGTH:
        return None
    fraction = float(np.angle(mean) / (2 * np.pi)) % 1.0
    off = np.abs((long - fraction + 0.5) % 1.0 - 0.5)
    return Polled(len(long), fraction, float((off <= _NEARLY_S).mean()))


def _series(calls: Calls, duration: float) -> CallSeries:
    point = max(1, math.ceil((duration + 1) / MOST_POINTS))
    edges: Numbers = np.arange(0, math.floor(duration / point) + 2) * np.float64(point)
    lasted = _integral(calls.started, edges) - _integral(calls.ended, edges)
    finished = np.histogram(calls.ended, edges)[0]
    in_flight = np.round(np.diff(lasted) / point, 2)
    return CallSeries(point, tuple(in_flight.tolist()), tuple(finished.tolist()))


def _integral(moments: Numbers, edges: Numbers) -> Numbers:
    """Return, up to each edge, how long it is since each of the moments before it, added up."""
    ordered = np.sort(moments)
    added = np.concatenate([[0.0], np.cumsum(ordered)])
    before = np.searchsorted(ordered, edges)
    return np.asarray(before * edges - added[before], np.float64)
