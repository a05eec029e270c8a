"""Which lines a comparison has, and what each is made of.

Few are looked at, since each that is added widens the intervals of all. Of service times: the median and the
mean of the middle half, which a hiccup does not reach and of which the latter needs the fewest calls; p90 and
p99, for which somebody waits. The mean of all would be a hiccup's length by its calls: it is left out.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec
import numpy as np

from simulator.comparing.columns import Columns, EndpointColumns, Floats, Ints
from simulator.comparing.drawing import Sample, Sorted, in_order
from simulator.metrics import Unit

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
MIDDLE = "middle"
FEWEST_BEYOND = 5
"""A percentile with fewer answers beyond it is an accident: it is shown, and nothing is said of it."""

FEWEST_ROLLOUTS = 10
"""Of fewer that called an endpoint nothing is said: what is drawn again would be the same few."""

_ROUNDING = 1e-9

Parts = tuple[Floats, Floats]


class Line(msgspec.Struct, frozen=True):
    """One statistic; `worse` is 1 where more is worse, -1 where less is, 0 where neither is.

    One that is `relative` is compared by its ratio. `floor` is the least difference, in its unit, that is
    worth a word; `per_group` tells that the rollouts of a group are drawn together where items differ.
    """

    subject: str
    metric: str
    unit: Unit
    worse: int
    relative: bool = False
    floor: float = 0.0
    per_group: bool = False

    @property
    def is_tail(self) -> bool:
        """Tell whether hiccups alone may make it."""
        return self.metric in {"p90", "p99"}


_FLOORS_S = {"p50": 0.00015, MIDDLE: 0.00015, "p90": 0.010, "p99": 0.025}
"""What two runs of the same differ by on a shared machine, where a program stands still for a moment.

Measured from 200 pairs of runs of one seed: of the medians of endpoints of 2 to 200 ms hardly any differed by
more than chance, p90 now and then by 7 ms, p99 by 30 ms."""

_RATES: dict[str, Callable[[EndpointColumns], Parts]] = {
    "error_rate": lambda e: (e.faults, e.attempts),
    "soft_error_rate": lambda e: (e.soft_errors, e.calls),
}
_DURATION = Line("rollouts", "duration", "time", 1, relative=True, floor=0.005)
_OVERALL: dict[Line, Callable[[Columns], Parts]] = {
    _DURATION: lambda c: (c.duration_s, c.completed),
    Line("rollouts", "discarded_rate", "share", 1): lambda c: (c.discarded, c.completed + c.discarded),
    Line("rollouts", "false_zero_rate", "share", 1): lambda c: (c.false_zero, c.graded),
    Line("rollouts", "calls_per_rollout", "number", 0, relative=True, per_group=True): lambda c: (
        c.calls,
        c.completed,
    ),
    Line("scores", "mean", "number", -1, per_group=True): lambda c: (c.score, c.graded),
    Line("learnability", "flat_groups", "share", 1, per_group=True): lambda c: (c.flat, c.several),
}


def lines_for(endpoints: Sequence[str]) -> tuple[Line, ...]:
    """Return the lines of a comparison of these endpoints, which both runs have called."""
    of_endpoints = (
        line
        for name in endpoints
        for line in (
            *(Line(name, metric, "time", 1, True, floor) for metric, floor in _FLOORS_S.items()),
            *(Line(name, metric, "share", 1) for metric in _RATES),
        )
    )
    return (*of_endpoints, *_OVERALL)


def is_usable(run: Columns, line: Line) -> bool:
    """Tell whether a run holds enough for anything to be said of the line."""
    if line in _OVERALL:
        return len(run.rollout) >= FEWEST_ROLLOUTS
    endpoint = run.endpoints[line.subject]
    if np.count_nonzero(endpoint.attempts) < FEWEST_ROLLOUTS:
        return False
    beyond = 1 - PERCENTILES.get(line.metric, 0.0)
    return beyond * len(endpoint.s) + _ROUNDING >= FEWEST_BEYOND or line.metric in _RATES


def counted_by(columns: Columns, lines: Sequence[Line], unit: Ints, units: int) -> Sample:
    """Return the sample whose units are rollouts, or groups: `unit` says whose each row is."""
    times: list[Sorted] = []
    ratios: dict[int, Parts] = {}
    for name in _timed(lines):
        endpoint = columns.endpoints[name]
        times.append(_sorted(lines, name, endpoint.s, unit[endpoint.of], units))
    for number, line in enumerate(lines):
        parts = _parts(columns, line)
        if parts is not None:
            ratios[number] = _by_unit(parts, unit, units)
    return _sample(units, lines, times, ratios)


def counted_by_time(columns: Columns, lines: Sequence[Line], periods: int) -> Sample:
    """Return the sample whose units are periods, equally long parts of the run: only times are in it.

    A call belongs to the period in which it was sent, a rollout to that in which it ended.
    """
    span_s = float(columns.ended_s.max(initial=0.0)) or 1.0
    times: list[Sorted] = []
    for name in _timed(lines):
        endpoint = columns.endpoints[name]
        times.append(_sorted(lines, name, endpoint.s, _period(endpoint.sent_s, span_s, periods), periods))
    of = _period(columns.ended_s, span_s, periods)
    ratios = {lines.index(_DURATION): _by_unit(_OVERALL[_DURATION](columns), of, periods)}
    return _sample(periods, lines, times, ratios)


def _by_unit(parts: Parts, unit: Ints, units: int) -> Parts:
    part, whole = (np.bincount(unit, column, units).astype(np.float64) for column in parts)
    return part, whole


def _parts(columns: Columns, line: Line) -> Parts | None:
    if line in _OVERALL:
        return _OVERALL[line](columns)
    return _RATES[line.metric](columns.endpoints[line.subject]) if line.metric in _RATES else None


def _period(at_s: Floats, span_s: float, periods: int) -> Ints:
    return np.clip((at_s / span_s * periods).astype(np.int64), 0, periods - 1)


def _timed(lines: Sequence[Line]) -> Iterator[str]:
    return (line.subject for line in lines if line.metric == MIDDLE)


def _sorted(lines: Sequence[Line], name: str, seconds: Floats, of: Ints, units: int) -> Sorted:
    at = {line.metric: number for number, line in enumerate(lines) if line.subject == name}
    columns = [at[metric] for metric in (*PERCENTILES, MIDDLE)]
    return in_order(seconds, of, units, tuple(PERCENTILES.values()), columns)


def _sample(units: int, lines: Sequence[Line], times: Sequence[Sorted], ratios: dict[int, Parts]) -> Sample:
    parts, wholes = (np.stack([pair[i] for pair in ratios.values()], axis=1) for i in (0, 1))
    return Sample(units, len(lines), tuple(times), parts, wholes, tuple(ratios))
