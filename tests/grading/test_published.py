"""Coefficients against the tables that were published with them, to the digits that were printed."""

import numpy as np
import pytest
from scipy import special

from simulator.grading.agreement import Compared, agreement
from simulator.grading.learnability import pass_at_k
from simulator.grading.reliability import Table, Units, iccs, krippendorff_alpha, limits_of_agreement

SHROUT_FLEISS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], dtype=float
)
"""Shrout and Fleiss 1979, table 2: six targets, four judges."""

KRIPPENDORFF = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, np.nan, np.nan, np.nan],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, np.nan, 3],
        [np.nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, np.nan],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, np.nan],
    ]
)
"""Krippendorff 2011: four observers, twelve units, some without a value."""

WRIGHT = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
MINI_WRIGHT = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
"""Bland and Altman 1986, table 1: the first measurements by both meters, in l/min."""


def units_of(table):
    """The sums over the columns of a table that have at least two values."""
    columns = [column[np.isfinite(column)] for column in table.T]
    columns = [column for column in columns if len(column) > 1]
    values = np.concatenate(columns)
    disagreement = sum(
        ((column[:, None] - column[None, :]) ** 2).sum() / (len(column) - 1) for column in columns
    )
    return Units(*map(np.asarray, (float(len(values)), values.sum(), (values**2).sum(), disagreement)))


def test_the_six_iccs_of_shrout_and_fleiss():
    scores = SHROUT_FLEISS
    table = Table(np.array(6.0), 4, (scores**2).sum(), (scores.sum(1) ** 2).sum(), columns=scores.sum(0))
    found = iccs(table)
    printed = [round(float(value), 2) for value in (
        found.icc1, found.icc2, found.icc3, found.mean_icc1, found.mean_icc2, found.mean_icc3
    )]  # fmt: skip
    assert printed == [0.17, 0.29, 0.71, 0.44, 0.62, 0.91]


def test_the_interval_alpha_of_krippendorff():
    assert round(float(krippendorff_alpha(units_of(KRIPPENDORFF))), 3) == 0.849


def test_the_peak_flow_meters_of_bland_and_altman():
    pair = Compared(np.array(WRIGHT, float), np.array(MINI_WRIGHT, float), np.arange(17), threshold=400)
    found = agreement(pair, seed=1)
    sd = (found.limits_high.value - found.bias.value) / 1.96
    low, high = limits_of_agreement(np.array(round(found.bias.value, 1)), np.array(round(sd, 1)), width=2)
    assert (round(found.bias.value, 1), round(sd, 1)) == (-2.1, 38.8)
    assert (round(float(low), 1), round(float(high), 1)) == (-79.7, 75.5)


@pytest.mark.parametrize(
    ("n", "passed", "k"), [(10, 3, 1), (10, 3, 4), (10, 0, 5), (10, 10, 5), (5, 2, 4), (8, 7, 2)]
)
def test_pass_at_k_is_its_closed_form(n, passed, k):
    closed = 1 - special.comb(n - passed, k, exact=True) / special.comb(n, k, exact=True)
    assert float(pass_at_k(np.array([n]), np.array([passed]), k)[0]) == pytest.approx(closed, abs=1e-12)
