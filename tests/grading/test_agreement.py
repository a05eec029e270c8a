"""Every measure beside the library that people know it from, and a bootstrap that draws the data again."""

import warnings
from importlib import import_module as library  # they are large: imported here, they slow all tests
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.grading import ranks
from simulator.grading.agreement import Compared, agreement
from simulator.grading.ordering import order_counts, same_side
from simulator.grading.resampling import Resampling, grouped

LEVELS = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])


def data(seed=3, groups=12, size=6, noise=0.3):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), size)
    x = np.round(rng.uniform(0, 1, groups)[group] + rng.normal(0, noise, len(group)), 1)
    y = np.round(x + rng.normal(0.1, noise, len(group)), 1)
    return x, y, group


def measured(x, y, group, threshold=0.5, seed=1):
    return agreement(Compared(np.asarray(x), np.asarray(y), np.asarray(group), threshold), seed)


def test_correlations_are_those_of_scipy():
    x, y, group = data()
    found = measured(x, y, group)
    assert found.pearson.value == pytest.approx(library("scipy.stats").pearsonr(x, y)[0])
    assert found.spearman.value == pytest.approx(library("scipy.stats").spearmanr(x, y)[0])
    assert found.kendall.value == pytest.approx(library("scipy.stats").kendalltau(x, y)[0])


def test_kappas_are_those_of_scikit_learn():
    cohen_kappa_score = library("sklearn.metrics").cohen_kappa_score
    x, y, group = data()
    found = measured(x, y, group)
    assert found.kappa.value == pytest.approx(cohen_kappa_score(x >= 0.5, y >= 0.5))
    tenths = [np.round(scores * 10).astype(int) for scores in (x, y)]
    labels = range(min(map(min, tenths)), max(map(max, tenths)) + 1)
    assert found.weighted_kappa.value == pytest.approx(
        cohen_kappa_score(*tenths, weights="quadratic", labels=list(labels))
    )


def test_alpha_is_that_of_the_krippendorff_package():
    x, y, group = data()
    assert measured(x, y, group).alpha.value == pytest.approx(
        library("krippendorff").alpha(np.stack([x, y]), level_of_measurement="interval")
    )


def test_differences_are_those_of_numpy():
    x, y, group = data()
    found, difference = measured(x, y, group), x - y
    assert found.bias.value == pytest.approx(difference.mean())
    assert found.mean_abs_difference.value == pytest.approx(np.abs(difference).mean())
    assert found.limits_low.value == pytest.approx(difference.mean() - 1.96 * difference.std(ddof=1))
    assert found.exact.value == pytest.approx(np.isclose(x, y).mean())
    assert found.within.value == pytest.approx((np.abs(difference) < 0.0500001).mean())


def pairs_by_hand(x, y, group):
    counts = [0] * 5
    for i, j in combinations(range(len(x)), 2):
        if group[i] == group[j]:
            a, b = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
            kind = 4 if a == b == 0 else 2 if a == 0 else 3 if b == 0 else 0 if a == b else 1
            counts[kind] += 1
    return counts


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(LEVELS, LEVELS, st.integers(0, 3)), min_size=1, max_size=30))
def test_pairs_of_a_group_are_counted_as_by_hand(rows):
    x, y, labels = (np.array(column) for column in zip(*rows, strict=True))
    groups = grouped(labels)
    assert order_counts(x, y, groups).sum(0).tolist() == pairs_by_hand(x, y, labels)
    sides = [np.sign(np.round(s - np.array([s[labels == g].mean() for g in labels]), 9)) for s in (x, y)]
    assert same_side(x, y, groups).tolist() == (sides[0] == sides[1]).tolist()


def test_order_leaves_out_what_both_tie():
    found = measured([0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0])
    assert (found.order_pairs.alike, found.order_pairs.tied_by_both) == (2, 1)
    assert found.order.value == pytest.approx(2 / 5)


def resampled(x, y, group, times, measure):
    """A replicate by hand: each group as often as it was drawn."""
    rows = np.concatenate([np.tile(np.flatnonzero(group == g), int(n)) for g, n in enumerate(times)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return measure(x[rows], y[rows])


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (ranks.kendall, lambda x, y: library("scipy.stats").kendalltau(x, y)[0]),
        (ranks.spearman, lambda x, y: library("scipy.stats").spearmanr(x, y)[0]),
    ],
)
def test_replicates_of_rank_correlations_are_those_of_data_drawn_again(ours, theirs):
    x, y, group = data(groups=5, size=4)
    resampling = Resampling(5, seed=4, replicates=30)
    by_hand = [resampled(x, y, group, times, theirs) for times in resampling.times]
    assert ours(x, y, grouped(group), resampling) == pytest.approx(np.array(by_hand), nan_ok=True)


def test_intervals_are_percentiles_of_data_drawn_again():
    x, y, group = data(groups=40)
    found = measured(x, y, group)
    rng = np.random.default_rng(0)
    drawn = [
        resampled(x, y, group, rng.multinomial(40, np.full(40, 1 / 40)), lambda a, b: (a - b).mean())
        for _ in range(4000)
    ]
    assert (found.bias.low, found.bias.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.01)


def test_of_very_many_the_ranks_of_whole_groups_are_compared():
    group = np.repeat(np.arange(6), 50)
    kept = ranks.whole_groups(grouped(group), seed=1, most=120)
    assert {int((kept & (group == g)).sum()) for g in range(6)} == {0, 50}
    assert kept.sum() == 100


def test_very_many_groups_are_bundled_and_the_coefficient_stays():
    x, y, group = data(groups=300, size=2)
    found = ranks.kendall(x, y, grouped(group), Resampling(300, 1, 20))
    assert found[0] == pytest.approx(library("scipy.stats").kendalltau(x, y)[0])
    assert 0.005 < found[1:].std() < 0.2


def test_what_cannot_be_computed_is_none():
    found = measured([1, 1, 1], [1, 1, 1], [0, 0, 0])
    assert found.exact.value == 1.0
    assert found.exact.low is None  # a single group cannot be drawn again
    for name in ("pearson", "spearman", "kendall", "alpha", "kappa", "weighted_kappa", "icc1", "order"):
        assert getattr(found, name).value is None, name


def test_samples_without_both_scores_are_left_out():
    found = measured([1, np.nan, 0, 1], [1, 1, np.nan, 0], [0, 0, 1, 1])
    assert (found.pairs, found.groups) == (2, 2)
    assert measured([np.nan], [1.0], [0]) is None


def test_the_same_seed_gives_the_same_intervals():
    assert measured(*data(), seed=5) == measured(*data(), seed=5)
    assert measured(*data(), seed=5).bias.low != measured(*data(), seed=6).bias.low
