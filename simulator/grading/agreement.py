"""How far two sets of scores of the same samples agree, by every measure that people ask for."""

from collections.abc import Mapping

import msgspec
import numpy as np

from simulator.grading import ranks, reliability
from simulator.grading.ordering import SAME, order_counts, same_side
from simulator.grading.reliability import Pair, Table, Units, ratio
from simulator.grading.resampling import Floats, Grouped, Ints, Resampling, grouped
from simulator.measure.graded import Agreement, Confusion, Estimate, Misses, OrderPairs, ScorePair

MOST_PAIRS = 500
GRID = 25
NO_MISSES = Misses(0, {})


class Compared(msgspec.Struct, frozen=True):
    """Two scores for each sample, and its group; all three arrays are as long.

    Scores may be NaN; a sample that lacks one is left out. `threshold` is what a passing score reaches, and
    scores agree "within" `tolerance`.
    """

    grader: Floats
    reference: Floats
    group: Ints
    threshold: float
    tolerance: float = 0.05


def agreement(
    compared: Compared, seed: int, grader_misses: Misses = NO_MISSES, reference_misses: Misses = NO_MISSES
) -> Agreement | None:
    """Return all measures of agreement; None where no sample has both scores."""
    both = np.isfinite(compared.grader) & np.isfinite(compared.reference)
    if not both.any():
        return None
    groups = grouped(compared.group[both])
    resampling = Resampling(groups.count, seed)
    x, y = compared.grader[both], compared.reference[both]
    order, confusion = order_counts(x, y, groups), _confusion(compared, x, y)
    replicates = {
        **_of_pairs(x, y, compared.tolerance, groups, resampling),
        **_of_order(order, same_side(x, y, groups), groups, resampling),
        "kappa": reliability.kappa(*resampling.totals(groups.sums(*confusion)).T),
    }
    ranked, some, drawn = ranks.sampled(groups, resampling, seed)
    rank_estimates = {
        name: drawn.estimate(measure(x[ranked], y[ranked], some, drawn))
        for name, measure in (("spearman", ranks.spearman), ("kendall", ranks.kendall))
    }
    estimates: Mapping[str, Estimate] = {
        name: resampling.estimate(values) for name, values in replicates.items()
    }
    return Agreement(
        pairs=len(x),
        groups=groups.count,
        rank_pairs=int(ranked.sum()),
        tolerance=compared.tolerance,
        confusion=Confusion(compared.threshold, *(int(kind.sum()) for kind in confusion)),
        order_pairs=OrderPairs(*map(int, order.sum(0))),
        grader_misses=grader_misses,
        reference_misses=reference_misses,
        scores=_pairs(x, y),
        **estimates,
        **rank_estimates,
    )


def _pairs(x: Floats, y: Floats) -> tuple[ScorePair, ...]:
    """Return the pairs with their numbers; more than MOST_PAIRS are moved to a grid of GRID x GRID."""
    found, times = np.unique(np.stack([x, y], axis=1), axis=0, return_counts=True)
    if len(found) > MOST_PAIRS:
        low = min(x.min(), y.min())
        step = (max(x.max(), y.max()) - low) / GRID
        found, times = np.unique(
            np.stack([low + np.round((scores - low) / step) * step for scores in (x, y)], axis=1),
            axis=0,
            return_counts=True,
        )
    return tuple(ScorePair(float(a), float(b), int(n)) for (a, b), n in zip(found, times, strict=True))


def _confusion(compared: Compared, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return for each sample whether both pass it, the grader alone does, the reference alone, neither."""
    a, b = x >= compared.threshold - SAME, y >= compared.threshold - SAME
    both, grader_only, reference_only, neither = (
        kind.astype(float) for kind in (a & b, a & ~b, ~a & b, ~a & ~b)
    )
    return both, grader_only, reference_only, neither


def _of_pairs(
    x: Floats, y: Floats, tolerance: float, groups: Grouped, resampling: Resampling
) -> dict[str, Floats]:
    """Return the replicates of what looks at each pair of scores by itself."""
    difference = x - y
    middle = (x.mean() + y.mean()) / 2
    x, y = x - middle, y - middle
    far = np.abs(difference)
    sums = groups.sums(
        np.ones_like(x), x, y, x * x, y * y, x * y,
        difference, difference**2, far, (far < SAME).astype(float), (far <= tolerance + SAME).astype(float),
    )  # fmt: skip
    n, sx, sy, xx, yy, xy, d, dd, apart, exact, within = resampling.totals(sums).T
    pair = Pair(n, sx, sy, xx, yy, xy)
    bias = d / n
    with np.errstate(divide="ignore", invalid="ignore"):
        sd = np.sqrt(np.maximum(dd - n * bias**2, 0.0) / (n - 1))
    low, high = reliability.limits_of_agreement(bias, sd)
    row_squares = xx + yy + 2 * xy
    iccs = reliability.iccs(Table(n, 2, xx + yy, row_squares, np.stack([sx, sy], axis=-1)))
    return {
        "exact": exact / n,
        "within": within / n,
        "mean_abs_difference": apart / n,
        "bias": bias,
        "limits_low": low,
        "limits_high": high,
        "pearson": reliability.pearson(pair),
        "icc1": iccs.icc1,
        "icc2": iccs.icc2,
        "icc3": iccs.icc3,
        "alpha": reliability.krippendorff_alpha(Units(2 * n, sx + sy, xx + yy, 2 * dd)),
        "weighted_kappa": reliability.weighted_kappa(pair),
    }


def _of_order(order: Floats, sides: Floats, groups: Grouped, resampling: Resampling) -> dict[str, Floats]:
    alike, reversed_, tied_by_x, tied_by_y, _ = resampling.totals(order).T
    n, same = resampling.totals(groups.sums(np.ones_like(sides), sides)).T
    return {"order": ratio(alike, alike + reversed_ + tied_by_x + tied_by_y), "sign": same / n}
