"""What policy-gradient training uses of scores: the order within a group, and the side of its mean."""

import numpy as np

from simulator.grading.resampling import Floats, Grouped, Ints

SAME = 1e-9
"""Scores that differ by less are the same: the difference is arithmetic's."""

_LARGEST_BLOCK = 4_000_000


def order_counts(x: Floats, y: Floats, groups: Grouped) -> Floats:
    """Count the pairs of rollouts of each group, a row for each.

    The columns: ranked alike by x and y, the other way round, tied by x alone, by y alone, by both.
    """
    counts = np.zeros((groups.count, 5))
    order: Ints = np.argsort(groups.of, kind="stable")
    sizes = np.bincount(groups.of, minlength=groups.count)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    for size in np.unique(sizes[sizes > 1]):
        alike_sized = np.flatnonzero(sizes == size)
        per_block = max(1, _LARGEST_BLOCK // int(size) ** 2)
        for begin in range(0, len(alike_sized), per_block):
            some = alike_sized[begin : begin + per_block]
            rows = order[starts[some][:, None] + np.arange(size)]
            counts[some] = _pairs(x[rows], y[rows])
    return counts


def _pairs(x: Floats, y: Floats) -> Floats:
    """Count for groups of one size; both arguments have a row for each group."""
    first, second = np.triu_indices(x.shape[1], 1)
    a, b = _signs(x[:, first] - x[:, second]), _signs(y[:, first] - y[:, second])
    kinds = (a * b > 0, a * b < 0, (a == 0) & (b != 0), (a != 0) & (b == 0), (a == 0) & (b == 0))
    counted: Floats = np.stack([kind.sum(1) for kind in kinds], axis=1).astype(float)
    return counted


def same_side(x: Floats, y: Floats, groups: Grouped) -> Floats:
    """Return 1 for each rollout on the same side of its group's mean by x and by y, or on it; else 0."""
    sides = [_signs(scores - groups.means(scores)) for scores in (x, y)]
    same: Floats = (sides[0] == sides[1]).astype(float)
    return same


def _signs(differences: Floats) -> Ints:
    signs: Ints = np.sign(np.where(np.abs(differences) < SAME, 0.0, differences)).astype(np.intp)
    return signs
