"""What there is to learn, on scores small enough to follow by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.grading.learnability import Rewards, learnability


def rewards(score, item, *, group=None, calls=None, failed=None):
    score = np.asarray(score, float)
    item = np.asarray(item)
    return Rewards(
        score,
        item,
        item if group is None else np.asarray(group),
        np.zeros(len(score)) if calls is None else np.asarray(calls, float),
        np.zeros(len(score), bool) if failed is None else np.asarray(failed, bool),
        {},
    )


def learnt(*args, threshold=0.5, noise=None, **fields):
    return learnability(rewards(*args, **fields), threshold, 1, noise)


FOUR_ITEMS = [0, 0, 1, 1, 0, 1, 0.5, 0.5]
ITEMS = [0, 0, 1, 1, 2, 2, 3, 3]


def test_groups_without_variance_are_counted_by_kind():
    found = learnt(FOUR_ITEMS, ITEMS)
    assert found.groups == 4
    assert found.flat_groups.value == pytest.approx(0.75)
    assert (found.all_zero_groups, found.all_one_groups) == (0.25, 0.25)
    assert (found.zero, found.one) == (3 / 8, 3 / 8)


def test_each_item_has_its_mean_its_spread_and_its_best():
    found = learnt(FOUR_ITEMS, ITEMS)
    assert [(one.item, one.rollouts, one.mean, one.std, one.best) for one in found.per_item] == [
        (0, 2, 0.0, 0.0, 0.0), (1, 2, 1.0, 0.0, 1.0), (2, 2, 0.5, 0.5, 1.0), (3, 2, 0.5, 0.0, 0.5)
    ]  # fmt: skip


def test_pass_at_k_is_averaged_over_items():
    found = learnt(FOUR_ITEMS, ITEMS)
    assert [(one.k, one.value) for one in found.pass_at] == [(1, 0.625), (2, 0.75)]


def test_a_group_of_one_rollout_is_neither_flat_nor_not():
    found = learnt([0.0, 1.0, 1.0], [0, 1, 1], group=[0, 1, 1])
    assert found.groups == 1
    assert found.flat_groups.value == 1.0


def test_one_item_in_two_steps_is_one_item_and_two_groups():
    found = learnt([0, 0, 1, 1], [0, 0, 0, 0], group=[0, 0, 1, 1])
    assert (found.items, found.groups, found.flat_groups.value) == (1, 2, 1.0)


def test_variance_is_split_as_it_was_made():
    rng = np.random.default_rng(5)
    item = np.repeat(np.arange(400), 8)
    score = rng.normal(0, 0.3, 400)[item] + rng.normal(0, 0.4, len(item)) + rng.normal(0, 0.1, len(item))
    parts = learnt(score, item, noise=0.01).variance
    assert (parts.items, parts.rollouts, parts.noise) == pytest.approx(
        (0.09 / 0.26, 0.16 / 0.26, 0.01 / 0.26), abs=0.03
    )
    assert parts.items + parts.rollouts + parts.noise == pytest.approx(1)


def test_without_repeats_the_noise_is_unknown():
    assert learnt(FOUR_ITEMS, ITEMS).variance.noise is None


def test_what_failing_endpoints_did_to_the_scores():
    rng = np.random.default_rng(2)
    item, failed = np.repeat(np.arange(40), 10), np.tile([True] * 3 + [False] * 7, 40)
    score = np.where(failed, 0.2, 0.8) + rng.normal(0, 0.05, len(item))
    found = learnt(score, item, failed=failed).failures
    assert (found.failed, found.found) == (120, True)
    assert found.shift.value == pytest.approx(-0.18, abs=0.01)
    assert found.shift.high < 0


def test_failures_that_change_nothing_are_not_told():
    rng = np.random.default_rng(2)
    item, failed = np.repeat(np.arange(40), 10), np.tile([True] * 3 + [False] * 7, 40)
    assert not learnt(rng.normal(0.5, 0.2, len(item)), item, failed=failed).failures.found


def test_scores_that_fall_with_the_number_of_calls():
    calls = np.tile([1, 2, 3, 4], 10)
    found = learnt(1 - calls / 10, np.repeat(np.arange(10), 4), calls=calls)
    assert found.calls_correlation.value == pytest.approx(-1)
    assert learnt([0, 1], [0, 0], calls=[3, 3]).calls_correlation.value is None


def test_without_a_score_there_is_nothing_to_tell():
    assert learnt([np.nan, np.nan], [0, 0]) is None
    assert learnt([np.nan, 1.0], [0, 0]).rollouts == 1


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-10, 10), st.integers(0, 4), st.integers(0, 9), st.booleans()),
        min_size=1,
        max_size=40,
    )
)
def test_shares_are_shares_whatever_the_scores(rows):
    score, item, calls, failed = zip(*rows, strict=True)
    found = learnt(score, item, calls=calls, failed=failed)
    for share in (found.zero, found.one, found.all_zero_groups, found.all_one_groups):
        assert 0 <= share <= 1
    assert all(0 <= one.value <= 1 for one in found.pass_at)
    assert [one.value for one in found.pass_at] == sorted(one.value for one in found.pass_at)
    assert sum(one.rollouts for one in found.per_item) == len(rows)
