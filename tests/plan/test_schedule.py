"""When rollouts start: counts, groups, phases."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.model import Hyperparameters, Load
from simulator.plan.schedule import arrivals, items_played, schedule
from tests.making import items, job

ROWS = st.integers(1, 12)


def phases(load=None, *, train=20, valid=0, **hyper):
    return schedule(job(**hyper), load or Load(), items(train), items(valid, "valid"))


def kinds(plan):
    return [(phase.kind, phase.step) for phase in plan]


# -- how many


def test_a_step_is_batch_size_times_group_size_rollouts():
    (phase,) = phases(batch_size=16, compute_multiplier=1.0)
    assert phase.planned == len(phase.rollouts) == 512
    assert (phase.in_flight_limit, phase.duration_s) == (None, None)
    assert {spec.offset_s for spec in phase.rollouts} == {0.0}


def test_the_multiplier_scales_the_group_and_not_the_number_of_items():
    (one,), (two,) = phases(batch_size=16), phases(batch_size=16, compute_multiplier=2)
    assert two.planned == 2 * one.planned == 1024
    assert {spec.group for spec in two.rollouts} == {spec.group for spec in one.rollouts}


@pytest.mark.parametrize(
    ("group_size", "multiplier", "per_group"),
    [(32, 1.5, 48), (32, 0.1, 3), (32, 0.001, 1), (5, 1.5, 8), (3, 1.5, 4), (1, 1.4, 1), (7, 1.07, 7)],
)
def test_the_rollouts_of_a_group_are_rounded_and_at_least_one(group_size, multiplier, per_group):
    filled = arrivals(
        Load(group_size=group_size), Hyperparameters(batch_size=3, compute_multiplier=multiplier)
    )
    assert (filled.rollouts_per_group, filled.rollouts_per_step) == (per_group, 3 * per_group)


def test_the_load_overrides_the_job_and_the_job_the_defaults():
    hyper = Hyperparameters(batch_size=4, compute_multiplier=2.0, eval_interval=5, eval_samples=7)
    load = Load(batch_size=8, compute_multiplier=0.5, eval_interval=2, eval_samples=3)
    by_job, by_load, by_default = (
        arrivals(Load(), hyper),
        arrivals(load, hyper),
        arrivals(Load(), Hyperparameters()),
    )
    read = [(a.batch_size, a.compute_multiplier, a.eval_interval, a.eval_samples) for a in (by_job, by_load)]
    assert read == [(4, 2.0, 5, 7), (8, 0.5, 2, 3)]
    assert (by_default.batch_size, by_default.rollouts_per_group, by_default.eval_interval) == (16, 32, None)


def test_what_the_job_leaves_open_is_assumed_aloud():
    assert arrivals(
        Load(), Hyperparameters(batch_size=1, compute_multiplier=1, eval_samples=1)
    ).assumptions == ("group_size 32: no source gives it",)
    assert arrivals(Load(), Hyperparameters()).assumptions == (
        "group_size 32: no source gives it",
        "batch_size 16: the job leaves it to the platform",
        "compute_multiplier 1: the job leaves it to the platform",
        "eval_samples 5: the job leaves it to the platform",
    )
    assert len(arrivals(Load(evaluation=False), Hyperparameters()).assumptions) == 3


# -- which


def test_a_group_is_the_rollouts_of_one_item():
    (phase,) = phases(batch_size=3, train=5)
    by_group = itertools.groupby(phase.rollouts, key=lambda spec: spec.group)
    assert [(group, {spec.item.index for spec in specs}) for group, specs in by_group] == [
        (0, {0}), (1, {1}), (2, {2}),
    ]  # fmt: skip


def test_steps_walk_through_the_dataset_and_begin_again_at_its_end():
    plan = phases(Load(steps=3, group_size=1), batch_size=4, train=5)
    assert [[spec.item.index for spec in phase.rollouts] for phase in plan] == [
        [0, 1, 2, 3], [4, 0, 1, 2], [3, 4, 0, 1],
    ]  # fmt: skip


def test_a_batch_larger_than_the_dataset_repeats_items_in_groups_of_their_own():
    (phase,) = phases(Load(group_size=2), batch_size=3, train=2)
    assert [(spec.group, spec.item.index) for spec in phase.rollouts] == [
        (0, 0), (0, 0), (1, 1), (1, 1), (2, 0), (2, 0),
    ]  # fmt: skip


# -- evaluation


@pytest.mark.parametrize(
    ("steps", "interval", "evaluated_after"),
    [(1, None, [1]), (4, None, [4]), (4, 2, [2, 4]), (5, 2, [2, 4, 5]), (3, 1, [1, 2, 3]), (2, 9, [2])],
)
def test_evaluation_comes_every_interval_and_once_at_the_end(steps, interval, evaluated_after):
    plan = phases(Load(steps=steps, batch_size=1, group_size=1), valid=2, eval_interval=interval)
    assert [phase.step for phase in plan if phase.kind == "evaluation"] == evaluated_after
    assert [phase.step for phase in plan if phase.kind == "training"] == list(range(1, steps + 1))


def test_evaluation_follows_its_step():
    plan = phases(Load(steps=2, batch_size=1, group_size=1), valid=1, eval_interval=1)
    assert kinds(plan) == [("training", 1), ("evaluation", 1), ("training", 2), ("evaluation", 2)]


def test_an_evaluation_pass_samples_every_validation_row_and_is_limited_in_flight():
    *_, evaluation = phases(Load(batch_size=1), valid=3, eval_samples=4)
    assert evaluation.planned == len(evaluation.rollouts) == 12
    assert evaluation.in_flight_limit == 32
    assert {spec.item.split for spec in evaluation.rollouts} == {"valid"}
    assert [spec.item.index for spec in evaluation.rollouts] == [0] * 4 + [1] * 4 + [2] * 4


def test_no_evaluation_when_it_is_off_or_there_is_nothing_to_evaluate():
    assert kinds(phases(Load(evaluation=False), valid=3)) == [("training", 1)]
    assert kinds(phases(valid=0)) == [("training", 1)]


def test_the_update_pauses_between_steps_scaled_and_not_after_the_last():
    plan = phases(Load(steps=3, update_s=60, time_scale=0.5, batch_size=1))
    assert [phase.pause_s for phase in plan] == [30.0, 30.0, 0.0]


def test_a_limit_in_flight_holds_for_training_when_set():
    plan = phases(Load(in_flight_limit=9, eval_in_flight_limit=None, batch_size=1), valid=1)
    assert [phase.in_flight_limit for phase in plan] == [9, None]


def test_the_items_played_are_those_that_the_schedule_starts():
    load, hyper = Load(steps=2, batch_size=3), Hyperparameters()
    train, valid = items(10), items(2, "valid")
    started = {(s.item.split, s.item.index) for p in schedule(job(), load, train, valid) for s in p.rollouts}
    played = items_played(load, arrivals(load, hyper), train, valid)
    assert {(item.split, item.index) for item in played} == started


@given(
    steps=st.integers(1, 4),
    batch_size=st.integers(1, 6),
    group_size=st.integers(1, 5),
    multiplier=st.floats(0.05, 3),
    interval=st.none() | st.integers(1, 4),
    train=ROWS,
    valid=st.integers(0, 4),
)
def test_indices_are_unique_and_consecutive_and_groups_whole(
    steps, batch_size, group_size, multiplier, interval, train, valid
):
    load = Load(steps=steps, batch_size=batch_size, group_size=group_size, compute_multiplier=multiplier)
    plan = phases(load, train=train, valid=valid, eval_interval=interval, eval_samples=2)
    specs = [spec for phase in plan for spec in phase.rollouts]
    assert [spec.index for spec in specs] == list(range(len(specs)))
    for phase in plan:
        assert phase.planned == len(phase.rollouts)
        assert {(spec.kind, spec.step) for spec in phase.rollouts} == {(phase.kind, phase.step)}
        size = 2 if phase.kind == "evaluation" else max(1, round(group_size * multiplier))
        for _, group in itertools.groupby(phase.rollouts, key=lambda spec: spec.group):
            members = list(group)
            assert len(members) == size
            assert len({spec.item.index for spec in members}) == 1
    groups = [group for group, _ in itertools.groupby(specs, key=lambda spec: spec.group)]
    assert groups == list(range(len(groups))), "a group is in one phase only"


# -- steady and rate


def test_steady_keeps_a_number_in_flight_until_a_count_is_reached():
    (phase,) = phases(Load(mode="steady", in_flight=8, rollouts=50))
    assert (phase.kind, phase.planned, phase.in_flight_limit, phase.duration_s) == ("steady", 50, 8, None)
    specs = list(phase.rollouts)
    assert [spec.index for spec in specs] == list(range(50))
    assert {spec.offset_s for spec in specs} == {0.0}


def test_steady_is_endless_when_only_time_ends_it():
    (phase,) = phases(Load(mode="steady", in_flight=8, duration_s=60, group_size=2), train=3)
    assert (phase.planned, phase.duration_s) == (None, 60)
    first = list(itertools.islice(phase.rollouts, 10))
    assert [spec.item.index for spec in first] == [0, 0, 1, 1, 2, 2, 0, 0, 1, 1]
    assert [spec.group for spec in first] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_rate_spaces_the_starts_and_knows_no_limit():
    (phase,) = phases(Load(mode="rate", rollouts_per_s=4, rollouts=5))
    assert [spec.offset_s for spec in phase.rollouts] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert phase.in_flight_limit is None


@example(1.1, 50)  # 50 * 1.1 is more than 55 in floating point
@example(1.3, 10)  # and 10 / (1 / 1.3) more than 13
@given(st.integers(1, 2000).map(lambda tenths: tenths / 10), st.integers(1, 60))
def test_rate_plans_exactly_the_rollouts_that_become_due_before_the_end(per_s, duration_s):
    (phase,) = phases(Load(mode="rate", rollouts_per_s=per_s, duration_s=duration_s))
    tenths = round(per_s * 10)
    assert phase.planned == -(-tenths * duration_s // 10)
    offsets = [spec.offset_s for spec in phase.rollouts]
    assert len(offsets) == phase.planned
    assert all(offset < duration_s for offset in offsets)


def test_more_rollouts_than_can_be_planned_are_refused_before_they_are_laid_out():
    with pytest.raises(InputError) as error:
        phases(Load(steps=1000, batch_size=1000, group_size=1001, evaluation=False))
    assert "asks for 1,001,000,000 rollouts, and 1,000,000 are the most" in str(error.value)
