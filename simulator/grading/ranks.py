"""Rank correlations of replicates, without ranking each of them anew."""

import numpy as np

from simulator.grading.reliability import Pair, pearson
from simulator.grading.resampling import Floats, Grouped, Ints, Resampling

MOST_RANKED = 10_000
"""Pairs of scores that rank correlations are computed from, since Kendall's looks at every two of them."""

_MOST_UNITS = 256
_BLOCK = 512


def whole_groups(groups: Grouped, seed: int, most: int = MOST_RANKED) -> np.ndarray:
    """Return which rollouts to rank: those of groups drawn at random, as many as `most` allows; or all."""
    if len(groups.of) <= most:
        return np.ones(len(groups.of), dtype=bool)
    order = np.random.default_rng(seed).permutation(groups.count)
    sizes = np.bincount(groups.of, minlength=groups.count)[order]
    chosen = order[: max(1, int(np.searchsorted(np.cumsum(sizes), most, side="right")))]
    return np.isin(groups.of, chosen)


def sampled(groups: Grouped, resampling: Resampling, seed: int) -> tuple[np.ndarray, Grouped, Resampling]:
    """Return which rollouts to rank, their groups, and draws of these."""
    ranked = whole_groups(groups, seed)
    if ranked.all():
        return ranked, groups, resampling
    some = groups.only(ranked)
    return ranked, some, Resampling(some.count, seed)


def spearman(x: Floats, y: Floats, groups: Grouped, resampling: Resampling) -> Floats:
    """Return Spearman's correlation of each replicate: Pearson's of the ranks, ties sharing theirs."""
    n = len(x)
    results = np.empty(len(resampling.times))
    levels = [np.unique(values, return_inverse=True)[1] for values in (x, y)]
    for replicate, times in enumerate(resampling.times):
        weights = times[groups.of]
        a, b = (_midranks(level, weights) for level in levels)
        wa, wb = weights * a, weights * b
        sums = (weights.sum(), wa.sum(), wb.sum(), wa @ a, wb @ b, wa @ b)
        results[replicate] = float(pearson(Pair(*map(np.asarray, sums)))) if n > 1 else np.nan
    return results


def _midranks(levels: Ints, weights: Floats) -> Floats:
    """Return ranks around 0 of values that occur `weights` times each."""
    there = np.bincount(levels, weights)
    middle = np.cumsum(there) - there / 2
    ranks: Floats = (middle / max(1.0, weights.sum()) - 0.5)[levels]
    return ranks


def kendall(x: Floats, y: Floats, groups: Grouped, resampling: Resampling) -> Floats:
    """Return Kendall's tau-b of each replicate.

    What two groups contribute together does not depend on what else was drawn: it is looked up in a table of
    all two groups. Where there are very many, neighbours are bundled and drawn together.
    """
    unit_of_group, times = _bundled(resampling)
    units = unit_of_group[groups.of]
    order = np.argsort(units, kind="stable")
    starts = np.searchsorted(units[order], np.arange(times.shape[1]))
    tables = _tables(x[order], y[order], starts)
    agreeing, x_ranked, y_ranked = (np.einsum("ru,uv,rv->r", times, t, times, optimize=True) for t in tables)
    product = x_ranked * y_ranked
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(product > 0, agreeing / np.sqrt(np.where(product > 0, product, 1.0)), np.nan)


def _bundled(resampling: Resampling) -> tuple[Ints, Floats]:
    """Return the unit of each group, and the draws of units; each group is one where they are few enough."""
    count = resampling.groups
    if count <= _MOST_UNITS:
        return np.arange(count), resampling.times
    units = np.arange(count) * _MOST_UNITS // count
    return units, Resampling(_MOST_UNITS, count, len(resampling.times) - 1).times


def _tables(x: Floats, y: Floats, starts: Ints) -> tuple[Floats, Floats, Floats]:
    """Return sums over the pairs of every two units: of agreement, of those x ranks, of those y ranks."""
    rows = [np.zeros((0, len(starts)))] * 3
    for begin in range(0, len(x), _BLOCK):
        block = slice(begin, begin + _BLOCK)
        a = np.sign(x[block, None] - x[None, :])
        b = np.sign(y[block, None] - y[None, :])
        parts = (np.add.reduceat(part, starts, axis=1) for part in (a * b, np.abs(a), np.abs(b)))
        rows = [np.vstack([so_far, part]) for so_far, part in zip(rows, parts, strict=True)]
    agreeing, x_ranked, y_ranked = (np.add.reduceat(part, starts, axis=0) for part in rows)
    return agreeing, x_ranked, y_ranked
