"""Statistics of a run, and of the same run drawn again: whole units with replacement, by weights.

A replicate draws as many units as there are, each any number of times: multinomial counts are the weights of
all that belongs to a unit (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 8). Times
are sorted once; a replicate's percentile is where their cumulated weights reach it.
"""

import itertools
from collections.abc import Iterator, Sequence

import msgspec
import numpy as np
from scipy import sparse

from simulator.comparing.columns import Floats, Ints

REPLICATES = 400
"""An interval needs their spread alone, which so many give to 3.5% of itself."""

MOST_PIECES = 4096
"""Of an endpoint's times; at p99 of 400,000 a piece is a third of a percentile's standard error."""

_ROUNDING = 1e-9
_CELLS = 1_000_000  # of weights at once: 8 MB


class Sorted(msgspec.Struct, frozen=True):
    """Times in ascending order, cut into pieces of neighbours: each time one where they are few.

    `last` and `mean` are those of each piece, `counts` how many of it each unit has: a row for each piece.
    `columns` are those of the percentiles at `shares`, and after them that of the middle.
    """

    times: Floats
    last: Floats
    mean: Floats
    counts: sparse.csr_array
    shares: tuple[float, ...]
    columns: tuple[int, ...]


class Sample(msgspec.Struct, frozen=True):
    """All of a run that statistics are made of, by unit; a statistic is a column.

    `parts` and `wholes` have a row for each unit and a column for each ratio, which is the sum of the one by
    the sum of the other; `columns` says which statistics those are.
    """

    units: int
    statistics: int
    times: tuple[Sorted, ...]
    parts: Floats
    wholes: Floats
    columns: tuple[int, ...]


def in_order(times: Floats, of: Ints, units: int, shares: Sequence[float], columns: Sequence[int]) -> Sorted:
    """Return the times, each of a unit, sorted for percentiles at the given shares, 0 to 1."""
    order = np.argsort(times, kind="stable")
    ascending, pieces = times[order], min(len(times), MOST_PIECES)
    begin = np.arange(pieces + 1) * len(times) // max(pieces, 1)
    piece = np.repeat(np.arange(pieces), np.diff(begin))
    counts = sparse.csr_array((np.ones(len(times)), (piece, of[order])), (pieces, units))
    mean = np.add.reduceat(ascending, begin[:-1]) / np.diff(begin) if pieces else ascending
    return Sorted(ascending, ascending[begin[1:] - 1], mean, counts, tuple(shares), tuple(columns))


def draws(units: int, seed: int, replicates: int = REPLICATES) -> Iterator[Floats]:
    """Yield how often each unit counts: once in the data themselves, which come first, then as drawn."""
    return draws_of_blocks(units, 1, seed, replicates)


def draws_of_blocks(units: int, length: int, seed: int, replicates: int) -> Iterator[Floats]:
    """Yield the like where so many neighbours at a time are drawn, the last unit's being the first."""
    rng = np.random.default_rng([seed, units, length])
    blocks, neighbours = units // length, np.arange(length)
    yield np.ones(units)
    for _ in range(replicates):
        first = rng.integers(units, size=blocks)
        chosen = first if length == 1 else ((first[:, None] + neighbours) % units).ravel()
        yield np.bincount(chosen, minlength=units).astype(float)


def drawn(sample: Sample, weights: Iterator[Floats]) -> Floats:
    """Return a row of statistics for each of the weights; what has nothing to be made of is not a number.

    The first weights are the data's own, each unit once: their percentiles are exact however many times there
    are. Those of the others are by pieces, whose length is little beside what they vary by.
    """
    first = _statistics(sample, next(weights)[None])
    for times in sample.times:
        alone = np.ones((1, len(times.times)))
        first[:, list(times.columns)] = of_times(times.times, times.times, alone, times.shares)
    rows = [first]
    at_once = max(1, _CELLS // max(MOST_PIECES, sample.units))
    while chunk := list(itertools.islice(weights, at_once)):
        rows.append(_statistics(sample, np.array(chunk)))
    return np.concatenate(rows)


def _statistics(sample: Sample, weights: Floats) -> Floats:
    rows = np.full((len(weights), sample.statistics), np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        rows[:, list(sample.columns)] = (weights @ sample.parts) / (weights @ sample.wholes)
    for times in sample.times:
        per_piece = (times.counts @ weights.T).T
        rows[:, list(times.columns)] = of_times(times.last, times.mean, per_piece, times.shares)
    return rows


def of_times(last: Floats, mean: Floats, weights: Floats, shares: Sequence[float]) -> Floats:
    """Return the percentiles at the shares and, last, the mean of the middle half, by a row of weights each.

    A column of weights is for a piece of the times, which `last` and `mean` are of; pieces ascend. A
    percentile is the least value that so much of the weight does not exceed, as HdrHistogram has it: with
    whole weights NumPy's "inverted_cdf" of the values, each repeated as often. Of the interquartile mean see
    Rosenberger and Gasko in "Understanding Robust and Exploratory Data Analysis" (1983), chapter 10. All are
    NaN without any weight.
    """
    found = np.full((len(weights), len(shares) + 1), np.nan)
    reached: Floats = np.cumsum(weights, axis=1)
    total = reached[:, -1] if reached.shape[1] else np.zeros(len(weights))
    wanted = np.ceil(np.multiply.outer(total, np.array(shares)) - _ROUNDING)
    quarter = (total / 4)[:, None]
    within = np.diff(np.clip(reached, quarter, 3 * quarter), prepend=quarter) @ mean
    for row in np.flatnonzero(total):
        found[row, :-1] = last[np.searchsorted(reached[row], wanted[row])]
        found[row, -1] = within[row] / (total[row] / 2)
    return found
