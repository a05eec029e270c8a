"""Statistics by weights are those of the data with each unit repeated as often."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.comparing.drawing import MOST_PIECES, Sample, drawn, draws, draws_of_blocks, in_order, of_times

SHARES = (0.5, 0.9, 0.99)

weighted = st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 4)), min_size=1, max_size=60)


@given(weighted)
def test_weighted_percentiles_are_those_of_repeated_values(pairs):
    ascending = np.array(sorted(value / 7 for value, _ in pairs))
    weights = np.array([weight for _, weight in pairs], float)
    repeated = np.repeat(ascending, weights.astype(int))
    (found,) = of_times(ascending, ascending, weights[None], SHARES)
    if not len(repeated):
        assert np.isnan(found).all()
        return
    assert found[:-1].tolist() == np.quantile(repeated, SHARES, method="inverted_cdf").tolist()


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=40), st.integers(1, 3))
def test_the_middle_is_the_mean_of_the_middle_half(values, times):
    ascending = np.array(sorted(values), float)
    # Each repeated four times, the middle half is a whole number of values.
    half = np.repeat(ascending, 4)[len(values) : 3 * len(values)]
    middle = of_times(ascending, ascending, np.full((1, len(values)), float(times)), ())[0, -1]
    assert middle == pytest.approx(half.mean())


def test_draws_keep_the_number_of_units_and_begin_with_the_data():
    first, *others = draws(30, seed=3, replicates=50)
    assert (first == 1).all()
    assert {weight.sum() for weight in others} == {30.0}
    assert len({weight.tobytes() for weight in others}) == 50
    assert [w.tobytes() for w in draws(30, 3, 50)] == [w.tobytes() for w in (first, *others)]


def test_blocks_are_neighbours_and_close_the_circle():
    _, *others = draws_of_blocks(8, 4, seed=1, replicates=1000)
    assert {weight.sum() for weight in others} == {8.0}
    assert any(weight.tolist() == [2.0, 2.0, 0.0, 0.0, 0.0, 0.0, 2.0, 2.0] for weight in others)


def test_ratios_and_times_of_a_replicate_use_the_same_weights():
    times = in_order(np.array([3.0, 1.0, 2.0]), np.array([0, 1, 1]), 2, (0.5,), (1, 2))
    sample = Sample(2, 3, (times,), np.array([[2.0], [6.0]]), np.array([[1.0], [2.0]]), (0,))
    rows = drawn(sample, iter([np.ones(2), np.array([2.0, 0.0]), np.array([0.0, 2.0])]))
    assert rows[:, 0].tolist() == [8 / 3, 2.0, 3.0]
    assert rows[:, 1].tolist() == [2.0, 3.0, 1.0]


def test_many_times_are_drawn_in_pieces_and_told_exactly():
    rng = np.random.default_rng(1)
    seconds, of = rng.lognormal(size=3 * MOST_PIECES + 5), rng.integers(0, 50, 3 * MOST_PIECES + 5)
    sample = Sample(
        50, 4, (in_order(seconds, of, 50, SHARES, range(4)),), np.zeros((50, 0)), np.zeros((50, 0)), ()
    )
    weights = list(draws(50, 2, 20))
    first, *others = drawn(sample, iter(weights))
    assert first[:-1].tolist() == np.quantile(seconds, SHARES, method="inverted_cdf").tolist()
    for row, weight in zip(others, weights[1:], strict=True):
        exact = np.quantile(np.repeat(seconds, weight[of].astype(int)), SHARES, method="inverted_cdf")
        assert row[:-1] == pytest.approx(exact, rel=0.02)


def test_what_nothing_was_drawn_of_is_not_a_number():
    sample = Sample(1, 1, (), np.zeros((1, 1)), np.zeros((1, 1)), (0,))
    assert np.isnan(drawn(sample, iter([np.ones(1)]))).all()
