"""Intervals by the bootstrap: whole groups are drawn again, since the rollouts of one are not independent.

Most measures here are functions of sums over rollouts. So a replicate needs no second look at the rollouts:
it is the sums of its groups, each as often as the group was drawn. A thousand replicates of all measures are
one product of matrices.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import special

from simulator.measure.graded import Estimate

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

REPLICATES = 1000

_CONFIDENCE = 0.95
_NOTHING = 1e-12
TOGETHER = _CONFIDENCE ** (1 / 3)
"""For noise, load and workers, which are looked at together: all three hold at 95% (Sidak, 1967)."""
STRICT = 0.995
"""For findings: what is told of a grader should not be told of one in twenty for no reason."""


class Resampling:
    """So many draws of the groups, the same for every measure of one study.

    `times` has a row for each replicate and a column for each group: how often it was drawn. The first row is
    the data themselves, each group once.
    """

    def __init__(self, groups: int, seed: int, replicates: int = REPLICATES) -> None:
        self.groups = groups
        drawn = np.random.default_rng(seed).multinomial(groups, np.full(groups, 1 / groups), replicates)
        self.times: Floats = np.vstack([np.ones(groups), drawn])

    def totals(self, per_group: Floats) -> Floats:
        """Return the sums of all groups for each replicate; `per_group` has a row for each group."""
        totals: Floats = self.times @ per_group
        return totals

    def estimate(self, replicates: Floats, confidence: float = _CONFIDENCE) -> Estimate:
        """Return the first replicate, which is the data's own, with the interval of the others.

        The interval is the expanded percentile interval of Hesterberg, "What Teachers Should Know About the
        Bootstrap" (2015): plain percentiles of few groups are too narrow. Replicates that are not a number,
        for want of variance for one, are left out.
        """
        value = float(replicates[0])
        if not np.isfinite(value):
            return Estimate()
        others = replicates[1:][np.isfinite(replicates[1:])]
        if self.groups < 2 or not len(others):
            return Estimate(value)
        t = special.stdtrit(self.groups - 1, (1 - confidence) / 2)
        tail = float(special.ndtr(np.sqrt(self.groups / (self.groups - 1)) * t))
        low, high = np.quantile(others, [tail, 1 - tail])
        return Estimate(value, float(low), float(high))

    def of_spread(self, replicates: Floats, confidence: float = _CONFIDENCE) -> Estimate:
        """Return a standard deviation with its interval: Student's, of the logarithm.

        Percentiles of a spread lie too low, because a group that is drawn twice adds nothing new.
        """
        value, others = float(replicates[0]), replicates[1:]
        usable = others[np.isfinite(others) & (others > _NOTHING)]
        if not np.isfinite(value) or self.groups < 2:
            return Estimate(value if np.isfinite(value) else None)
        if value < _NOTHING or not len(usable):
            return Estimate(value, value, value)
        t = -special.stdtrit(self.groups - 1, (1 - confidence) / 2)
        factor = float(np.exp(t * np.log(usable).std(ddof=1)))
        return Estimate(value, value / factor, value * factor)


class Grouped(msgspec.Struct, frozen=True):
    """The group of each rollout, numbered from 0 without gaps, and how many there are."""

    of: Ints
    count: int

    def sums(self, *columns: NDArray[Any]) -> Floats:
        """Return each column's sum by group: a row for each group."""
        return np.stack([np.bincount(self.of, c, self.count) for c in columns], axis=1)

    def means(self, column: Floats) -> Floats:
        """Return for each rollout its group's mean."""
        sums = np.bincount(self.of, column, self.count)
        mean: Floats = (sums / np.bincount(self.of, minlength=self.count))[self.of]
        return mean

    def extremes(self, column: Floats) -> tuple[Floats, Floats]:
        """Return each group's lowest and highest."""
        low, high = np.full(self.count, np.inf), np.full(self.count, -np.inf)
        np.minimum.at(low, self.of, column)
        np.maximum.at(high, self.of, column)
        return low, high

    def only(self, chosen: NDArray[np.bool_]) -> "Grouped":
        """Return the groups of some rollouts alone."""
        return grouped(self.of[chosen])


def grouped(labels: Ints) -> Grouped:
    """Return the groups of rollouts, which are labelled by any integers."""
    known, of = np.unique(labels, return_inverse=True)
    return Grouped(of, len(known))


def is_off(estimate: Estimate, tolerance: float = 1e-9) -> bool:
    """Tell whether 0 lies outside an interval, by more than rounding."""
    if estimate.low is None or estimate.high is None:
        return False
    return estimate.low > tolerance or estimate.high < -tolerance
