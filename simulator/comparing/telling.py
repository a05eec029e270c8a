"""The difference of each line with its interval, and what is told of it.

An interval has to hold against two kinds of noise.

What each rollout met by chance: rollouts are drawn again, whole. The half width is the spread of the
replicates times one factor for all lines, so that all hold together at CONFIDENCE: the quantile of the
largest of as many standardised errors, correlated as the lines are, with Student's denominator for few
rollouts ("max-t": Westfall and Young, "Resampling-Based Multiple Testing", 1993; Hothorn, Bretz and Westfall,
Biometrical Journal 50, 2008).

What all rollouts met together, such as a machine that stood still for a moment: 100 ms at the start of a
burst are in a hundred calls, and are one event. So both runs are cut into equal periods, which are drawn
again, one by one and in blocks of neighbours (the circular block bootstrap: Politis and Romano, 1992). The
interval of a time reaches from the lowest end of all to the highest: what was seen in a period or two is not
told of all.

A line is worse, or better, where its interval leaves out 0 (a relative one all that is within APART of it)
and the difference is more than the tolerance and the line's floor. The interval of p90 and p99, which a
machine's hiccups reach, must lie wholly beyond the tolerance, unless the middle of the same endpoint has
moved alike; then they need not be beyond their floor either.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from simulator.comparing.chance import Chance, by_rollout, by_time
from simulator.comparing.columns import Columns, Floats
from simulator.comparing.lines import MIDDLE, Line, is_usable, lines_for
from simulator.measure.comparison import ComparedLine, LineVerdict

CONFIDENCE = 0.95
TOLERANCE = 0.10
"""Half of the 20% that is to be found: what two runs of the same differ by hardly ever reaches it."""
APART = 0.01
"""What the times of two runs of the same may differ by for no reason that could be drawn again."""
SAME_SHARE = 0.005
"""An interval of a share's difference within half a point either way is no difference."""

_TAIL = (1 - CONFIDENCE) / 2
_NOTHING = 1e-12
_ERRORS = 8000
_SEED = 7

FEW = "too few to tell anything"
BRIEF = "seen in a part of the run alone"
SMALL = "too small to be told from hiccups of a machine"


class _Found(msgspec.Struct, frozen=True):
    """A difference, of logarithms where the line is relative, with its interval; None where there is none.

    `brief` tells that drawing rollouts alone would have left 0 out.
    """

    difference: float
    low: float
    high: float
    brief: bool


def compared_lines(
    base: Columns, now: Columns, *, paired: bool, tolerance: float = TOLERANCE
) -> tuple[ComparedLine, ...]:
    """Return all lines; `paired` says that rollouts of one number are the same one in both runs."""
    lines = lines_for([name for name in base.endpoints if name in now.endpoints])
    chance = by_rollout(base, now, lines, paired=paired)
    usable = np.array([is_usable(base, line) and is_usable(now, line) for line in lines])
    found = _found(lines, chance, by_time(base, now, lines), usable)
    told = [
        _told(line, float(before), float(after), difference, tolerance)
        for line, before, after, difference in zip(lines, chance.base[0], chance.now[0], found, strict=True)
    ]
    return tuple(_without_lone_tails(lines, told))


# -- intervals -------------------------------------------------------------------------------------------


def _found(
    lines: Sequence[Line], chance: Chance, times: Sequence[Chance], usable: NDArray[np.bool_]
) -> list[_Found | None]:
    relative = np.array([line.relative for line in lines])
    differences = _differences(chance, relative)
    usable = usable & np.isfinite(differences[0])
    with np.errstate(invalid="ignore"):
        spread = np.nan_to_num(np.nanstd(np.where(usable, differences, 0.0)[1:], axis=0))
    judged = np.array([line.worse != 0 for line in lines])
    half = spread * _factor(differences[1:, usable & judged & (spread > _NOTHING)], chance.units)
    by_period = [_differences(one, relative)[1:] for one in times]
    return [
        _widened(differences[0, n], half[n], [periods[:, n] for periods in by_period]) if usable[n] else None
        for n in range(len(lines))
    ]


def _differences(chance: Chance, relative: NDArray[np.bool_]) -> Floats:
    """Return the differences, of logarithms where `relative`; not a number where there is none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.log(chance.now) - np.log(chance.base)
        found = np.where(relative, ratios, chance.now - chance.base)
    found[chance.now == chance.base] = 0.0
    found[~np.isfinite(found)] = np.nan
    return found


def _factor(replicates: Floats, units: int) -> float:
    """Return how many spreads either way hold all lines together."""
    rng = np.random.default_rng(_SEED)
    lines = max(replicates.shape[1], 1)
    errors = rng.standard_normal((_ERRORS, lines))
    if replicates.shape[1] > 1:
        correlation = np.nan_to_num(np.corrcoef(np.nan_to_num(replicates), rowvar=False))
        values, vectors = np.linalg.eigh(correlation)
        errors = errors @ (vectors * np.sqrt(np.clip(values, 0.0, None))).T
    freedom = max(units - 1, 1)
    errors /= np.sqrt(rng.chisquare(freedom, (_ERRORS, 1)) / freedom)
    return float(np.quantile(np.abs(errors).max(axis=1), CONFIDENCE))


def _widened(difference: float, half: float, by_period: Sequence[Floats]) -> _Found:
    """Return the interval from the lowest to the highest end of all."""
    low, high = difference - half, difference + half
    alone = low > 0 or high < 0
    for replicates in by_period:
        usable = replicates[np.isfinite(replicates)]
        if len(usable):
            ends = np.quantile(usable, [_TAIL, 1 - _TAIL])
            low, high = min(low, float(ends[0])), max(high, float(ends[1]))
    return _Found(float(difference), float(low), float(high), bool(alone and low <= 0 <= high))


# -- verdicts --------------------------------------------------------------------------------------------


def _told(line: Line, base: float, now: float, found: _Found | None, tolerance: float) -> ComparedLine:
    change = low = high = None
    if found is None:
        verdict: LineVerdict = "unclear"
        note = FEW if np.isfinite(base) and np.isfinite(now) else "not measured"
    else:
        verdict, note = _judged(line, base, now, found, tolerance)
        change, low, high = (_shown(line, end) for end in (found.difference, found.low, found.high))
    return ComparedLine(
        subject=line.subject,
        metric=line.metric,
        unit=line.unit,
        worse=line.worse,
        relative=line.relative,
        base=_number(base),
        now=_number(now),
        change=change,
        low=low,
        high=high,
        verdict=verdict,
        note=note,
    )


def _judged(line: Line, base: float, now: float, found: _Found, tolerance: float) -> tuple[LineVerdict, str]:
    within = _within(line, max(abs(base), abs(now)), tolerance)
    if max(abs(found.low), abs(found.high)) <= within:
        return "same", ""
    apart = float(np.log1p(APART)) if line.relative else 0.0
    if found.low <= apart and found.high >= -apart:
        return "unclear", BRIEF if found.brief else ""
    if line.relative and abs(found.difference) <= within:
        return "unclear", "within the tolerance"
    if not line.worse:
        return "changed", ""
    verdict: LineVerdict = "worse" if found.difference * line.worse > 0 else "better"
    nearest = min(abs(found.low), abs(found.high))
    is_small = abs(now - base) < line.floor or (line.is_tail and nearest <= within)
    return verdict, SMALL if is_small else ""


def _within(line: Line, size: float, tolerance: float) -> float:
    """Return the largest difference that is none."""
    if line.relative:
        return float(np.log1p(tolerance))
    return SAME_SHARE if line.unit == "share" else tolerance * size


def _without_lone_tails(lines: Sequence[Line], told: Sequence[ComparedLine]) -> Iterator[ComparedLine]:
    """Yield the lines; of what is too small, tails stay where the endpoint's middle has moved as well."""
    moved = {
        (line.subject, line.verdict) for line in told if line.metric in {"p50", MIDDLE} and not line.note
    }
    for line, one in zip(lines, told, strict=True):
        if one.note == SMALL and line.is_tail and (one.subject, one.verdict) in moved:
            yield msgspec.structs.replace(one, note="")
        elif one.note == SMALL:
            yield msgspec.structs.replace(one, verdict="unclear")
        else:
            yield one


def _shown(line: Line, difference: float) -> float:
    return float(np.expm1(difference)) if line.relative else difference


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
