"""Coefficients of agreement, each a function of sums, for one set of data or for many replicates at once.

Every argument may be an array; the results are NaN where the data do not vary.
"""

import msgspec
import numpy as np

from simulator.grading.resampling import Floats

_NOTHING = 1e-12  # a variance below this share of the squares is rounding


class Pair(msgspec.Struct, frozen=True):
    """Sums over pairs (x, y). For accuracy both should be near 0."""

    n: Floats
    x: Floats
    y: Floats
    xx: Floats
    yy: Floats
    xy: Floats

    @property
    def centred(self) -> tuple[Floats, Floats, Floats]:
        """The sums of squares and of products around the means."""
        xx, yy = self.xx - self.x**2 / self.n, self.yy - self.y**2 / self.n
        return _no_less(xx, self.xx), _no_less(yy, self.yy), self.xy - self.x * self.y / self.n


def _no_less(variance: Floats, scale: Floats) -> Floats:
    return np.where(variance > _NOTHING * np.maximum(scale, _NOTHING), variance, 0.0)


def ratio(above: Floats, below: Floats) -> Floats:
    """Return the quotient, NaN where there is nothing to divide by."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / np.where(below > 0, below, 1.0), np.nan)


def pearson(pair: Pair) -> Floats:
    """Return the correlation of x and y."""
    xx, yy, xy = pair.centred
    return np.clip(ratio(xy, np.sqrt(xx * yy)), -1, 1)


def weighted_kappa(pair: Pair) -> Floats:
    """Return Cohen's kappa with quadratic weights, the scores themselves being the categories.

    Cohen, Psychological Bulletin 70 (1968). With weights (x - y)^2 the expected disagreement is the sum of
    both variances and the squared difference of the means.
    """
    xx, yy, xy = pair.centred
    expected = xx + yy + (pair.x - pair.y) ** 2 / pair.n
    return ratio(2 * xy, expected)


def kappa(both: Floats, x_only: Floats, y_only: Floats, neither: Floats) -> Floats:
    """Return Cohen's kappa of two yes-or-no judgements, from the four counts.

    Cohen, Educational and Psychological Measurement 20 (1960).
    """
    n = both + x_only + y_only + neither
    x, y = (both + x_only) / n, (both + y_only) / n
    expected = x * y + (1 - x) * (1 - y)
    return ratio((both + neither) / n - expected, np.where(expected < 1 - _NOTHING, 1 - expected, 0.0))


def limits_of_agreement(bias: Floats, sd: Floats, width: float = 1.96) -> tuple[Floats, Floats]:
    """Return between which differences most pairs lie: the bias less and plus `width` standard deviations.

    Bland and Altman, Lancet 1986 (i), who used a width of 2.
    """
    return bias - width * sd, bias + width * sd


class Table(msgspec.Struct, frozen=True):
    """Sums over a table of `n` samples, each with a score by each of `k` judges.

    `squares` of all scores; `row_squares` of the samples' sums; `columns`, last axis, the judges' sums.
    """

    n: Floats
    k: int
    squares: Floats
    row_squares: Floats
    columns: Floats


class Iccs(msgspec.Struct, frozen=True):
    """The six intraclass correlations of Shrout and Fleiss, Psychological Bulletin 86 (1979).

    1: each sample has judges of its own. 2: all samples have the same judges, drawn from many. 3: these
    judges are all there are. Of one judge's score, and (`mean_`) of the mean of all.
    """

    icc1: Floats
    icc2: Floats
    icc3: Floats
    mean_icc1: Floats
    mean_icc2: Floats
    mean_icc3: Floats


def iccs(table: Table) -> Iccs:
    """Return the six intraclass correlations of a complete table."""
    n, k = table.n, table.k
    total = table.columns.sum(-1)
    correction = total**2 / (n * k)
    between = _no_less(table.row_squares / k - correction, table.squares)
    judges = _no_less((table.columns**2).sum(-1) / n - correction, table.squares)
    within = _no_less(table.squares - table.row_squares / k, table.squares)
    error = _no_less(within - judges, table.squares)
    with np.errstate(divide="ignore", invalid="ignore"):
        bms, jms = between / (n - 1), judges / (k - 1)
        wms, ems = within / (n * (k - 1)), error / ((n - 1) * (k - 1))
    return Iccs(
        icc1=ratio(bms - wms, bms + (k - 1) * wms),
        icc2=ratio(bms - ems, bms + (k - 1) * ems + k * (jms - ems) / n),
        icc3=ratio(bms - ems, bms + (k - 1) * ems),
        mean_icc1=ratio(bms - wms, bms),
        mean_icc2=ratio(bms - ems, bms + (jms - ems) / n),
        mean_icc3=ratio(bms - ems, bms),
    )


class Units(msgspec.Struct, frozen=True):
    """Sums over samples with at least two scores each, of which there may be any number.

    `scores` counts them, `x` and `xx` sum them and their squares. `disagreement` sums over samples the
    squared differences of all their ordered pairs, divided by one less than the sample's scores.
    """

    scores: Floats
    x: Floats
    xx: Floats
    disagreement: Floats


def krippendorff_alpha(units: Units) -> Floats:
    """Return Krippendorff's alpha for interval data; samples may lack scores.

    Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011).
    """
    n = units.scores
    observed = units.disagreement / n
    spread = _no_less(n * units.xx - units.x**2, n * units.xx)
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = 2 * spread / (n * (n - 1))
    return 1 - ratio(observed, expected)
