"""How processes share a run: nothing is played twice, nothing is left out, and no group is torn apart."""

import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.model import Load, RolloutSpec
from simulator.plan.schedule import Phase, schedule
from simulator.plan.shares import CALLS_PER_PROCESS, most_shares, share_of, shares_that_help
from tests.making import item, items, job

GROUP_SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=9)
LIMITS = st.none() | st.integers(1, 20)
OF = st.integers(1, 8)


@st.composite
def phases(draw, limits=LIMITS):
    """Draw phases whose groups, of any sizes, are numbered through."""
    indices, groups = itertools.count(), itertools.count()
    return tuple(
        laid_out(sizes, draw(limits), indices, groups)
        for sizes in draw(st.lists(GROUP_SIZES, min_size=1, max_size=4))
    )


def laid_out(sizes, limit, indices, groups):
    specs = tuple(
        RolloutSpec(next(indices), 1, "training", group, item())
        for size, group in zip(sizes, groups, strict=False)
        for _ in range(size)
    )
    return Phase("training", 1, specs, planned=len(specs), in_flight_limit=limit, pause_s=float(len(specs)))


def shares_of(plan, of):
    return [share_of(plan, shard, of) for shard in range(of)]


def planned(load, **hyper):
    return schedule(job(**hyper), load, items(20), items(10, "valid"))


# -- what each plays


@given(phases(), OF)
def test_the_shares_of_a_phase_are_its_rollouts_each_once_and_whole_groups(plan, of):
    dealt = [[list(phase.rollouts) for phase in share] for share in shares_of(plan, of)]
    for number, phase in enumerate(plan):
        parts = [part[number] for part in dealt]
        assert sorted(spec.index for part in parts for spec in part) == [s.index for s in phase.rollouts]
        groups = [{spec.group for spec in part} for part in parts]
        assert all(not mine & theirs for mine, theirs in itertools.combinations(groups, 2))
        assert all([s.index for s in part] == sorted(s.index for s in part) for part in parts), "in order"


@given(phases(), OF)
def test_no_share_has_two_groups_more_than_another_over_the_whole_run(plan, of):
    groups = [
        len({spec.group for phase in share for spec in phase.rollouts}) for share in shares_of(plan, of)
    ]
    assert max(groups) - min(groups) <= 1


@given(phases(limits=st.integers(1, 20)), OF)
def test_the_places_in_flight_add_up_and_each_share_has_one_if_there_are_enough(plan, of):
    shares = shares_of(plan, of)
    for number, phase in enumerate(plan):
        limits = [share[number].in_flight_limit for share in shares]
        assert sum(limits) == phase.in_flight_limit
        assert max(limits) - min(limits) <= 1
        if of <= most_shares(plan):
            assert min(limits) >= 1


@given(phases(), OF)
def test_all_else_about_a_phase_is_the_same_in_every_share(plan, of):
    for share in shares_of(plan, of):
        for mine, whole in zip(share, plan, strict=True):
            same = {"rollouts": (), "in_flight_limit": None}
            assert msgspec.structs.replace(mine, **same) == msgspec.structs.replace(whole, **same)
            assert (mine.in_flight_limit is None) == (whole.in_flight_limit is None)


def test_one_share_is_the_phases_themselves():
    plan = planned(Load())
    assert all(mine is whole for mine, whole in zip(share_of(plan, 0, 1), plan, strict=True))


@pytest.mark.parametrize(
    "load",
    [
        Load(mode="steady", in_flight=4, duration_s=60.0, group_size=3),
        Load(mode="rate", rollouts_per_s=100.0, rollouts=10**12, group_size=3),
    ],
    ids=["endless", "a million millions"],
)
def test_an_endless_phase_is_dealt_as_it_is_played(load):
    (first,), (second,) = share_of(planned(load), 0, 2), share_of(planned(load), 1, 2)
    assert [s.index for s in itertools.islice(first.rollouts, 7)] == [0, 1, 2, 6, 7, 8, 12]
    assert [s.index for s in itertools.islice(second.rollouts, 7)] == [3, 4, 5, 9, 10, 11, 15]


def test_no_more_of_an_endless_phase_is_laid_out_than_was_asked_for():
    def endlessly():
        for number in itertools.count():
            drawn.append(number)
            yield RolloutSpec(number, 1, "steady", number, item())

    drawn = []
    (mine,) = share_of([Phase("steady", 1, endlessly(), planned=None, duration_s=9.0)], 1, 3)
    assert drawn == []
    assert [spec.index for spec in itertools.islice(mine.rollouts, 2)] == [1, 4]
    assert drawn == [0, 1, 2, 3, 4]


def test_the_shares_of_a_rate_keep_the_moments_that_the_whole_has():
    load = Load(mode="rate", rollouts_per_s=10.0, rollouts=40, group_size=2)
    (whole,) = planned(load)
    moments = {spec.index: spec.offset_s for spec in whole.rollouts}
    for shard in range(3):
        (mine,) = share_of(planned(load), shard, 3)
        assert all(spec.offset_s == moments[spec.index] for spec in mine.rollouts)


# -- how many


@pytest.mark.parametrize(
    ("limits", "most"), [([5], 5), ([None, 5, 3], 3), ([1], 1), ([None], 1_000_000), ([], 1_000_000)]
)
def test_there_are_at_most_as_many_shares_as_the_narrowest_phase_has_places(limits, most):
    plan = [Phase("training", 1, (), planned=0, in_flight_limit=limit) for limit in limits]
    assert most_shares(plan) == most


@pytest.mark.parametrize(
    ("load", "helpful"),
    [
        (Load(batch_size=16), 1),  # 512 rollouts
        (Load(batch_size=128), 1),
        (Load(batch_size=640), 2),
        (Load(batch_size=640, in_flight_limit=100), 1),
        (Load(batch_size=16, compute_multiplier=100.0), 5),
        (Load(batch_size=16, time_scale=0.0), 2),
        (Load(batch_size=15, time_scale=0.0), 1),  # 480 rollouts, 20 calls a second each
        (Load(batch_size=2, time_scale=0.0), 1),
        (Load(mode="steady", in_flight=1, duration_s=9.0), 1),
        (Load(mode="steady", in_flight=10_500, duration_s=9.0), 1),
        (Load(mode="steady", in_flight=10_501, duration_s=9.0), 2),
        (Load(mode="steady", in_flight=100_000, rollouts=100), 1),
        (Load(mode="rate", rollouts_per_s=1.0, duration_s=9.0), 1),
        (Load(mode="rate", rollouts_per_s=CALLS_PER_PROCESS / 8, duration_s=9.0), 1),
        (Load(mode="rate", rollouts_per_s=CALLS_PER_PROCESS / 8 + 1, duration_s=9.0), 2),
        (Load(mode="rate", rollouts_per_s=CALLS_PER_PROCESS, rollouts=1), 8),
    ],
)
def test_as_many_processes_help_as_the_load_could_keep_busy(load, helpful):
    assert shares_that_help(load, planned(load)) == helpful


def test_an_evaluation_pass_counts_by_what_may_be_in_flight_and_not_by_its_size():
    load = Load(batch_size=1, group_size=1, time_scale=0.0, eval_samples=100, eval_in_flight_limit=None)
    assert shares_that_help(load, planned(load)) == 2, "1000 rollouts at once"
    limited = msgspec.structs.replace(load, eval_in_flight_limit=32)
    assert shares_that_help(limited, planned(limited)) == 1
