"""Noise, load and workers with known sizes: found within their intervals, and not where there are none."""

import numpy as np
import pytest

from simulator.grading.repeats import Marks, load_shift, repeatability, worker_shift
from simulator.grading.resampling import grouped

SAMPLES, GROUPS, REPEATS, LANES = 256, 32, 5, 64
SEEDS = range(20)


class Study:
    """Marks of a grader with known flaws, dealt as a study deals them."""

    def __init__(self, seed, *, noise=0.1, load=-0.07, after=0.0, worker=0.1):
        rng = np.random.default_rng(seed)
        own = rng.uniform(0, 1, SAMPLES)
        workers = rng.integers(0, 2, LANES) * worker

        def marks(repeats, shift):
            sample = np.concatenate([rng.permutation(SAMPLES) for _ in range(repeats)])
            lane = np.tile(np.arange(SAMPLES) % LANES, repeats)
            score = own[sample] + workers[lane] + shift + noise * rng.normal(size=len(sample))
            return Marks(sample, score, lane)

        self.before, self.load, self.after = marks(REPEATS, 0.0), marks(REPEATS, load), marks(1, after)
        self.groups, self.seed = grouped(np.arange(SAMPLES) % GROUPS), seed

    def noise(self):
        return repeatability(self.before, self.groups, self.seed)

    def shift(self):
        parts = (self.before, self.load, self.after)
        return load_shift(*parts, self.groups, self.seed, in_flight=LANES, failed=0)

    def workers(self):
        return worker_shift(self.before, self.load)


def holds(estimate, value):
    return estimate.low <= value <= estimate.high


@pytest.mark.slow
def test_each_flaw_lies_within_its_interval_in_nineteen_of_twenty():
    studies = [Study(seed) for seed in SEEDS]
    assert sum(holds(study.noise().sd, 0.1) for study in studies) >= 19
    assert sum(study.shift().found and holds(study.shift().shift, -0.07) for study in studies) >= 19
    assert sum(study.workers().found and holds(study.workers().shift, 0.1) for study in studies) >= 19
    assert {study.workers().kinds for study in studies} == {2}


def test_noise_alone_is_taken_for_nothing_else_in_nineteen_of_twenty():
    studies = [Study(seed, load=0.0, worker=0.0) for seed in SEEDS]
    for told in (
        lambda study: study.shift().found,
        lambda study: study.shift().found_after,
        lambda study: study.workers().found,
    ):
        assert sum(map(told, studies)) <= 1


def test_a_grader_without_flaws_has_none():
    study = Study(1, noise=0.0, load=0.0, worker=0.0)
    assert study.noise().max_spread == pytest.approx(0.0, abs=1e-12)
    assert study.noise().changed.value == 0.0
    assert not study.shift().found
    assert not study.workers().found


def test_workers_without_noise_are_told_apart_exactly():
    study = Study(2, noise=0.0, load=0.0)
    assert study.workers().shift.value == pytest.approx(0.1)
    assert study.noise().sd.value == pytest.approx(0.0, abs=1e-6)
    assert study.noise().max_spread == pytest.approx(0.1)


def test_a_worker_that_answers_more_under_load_is_no_effect_of_the_load():
    rng = np.random.default_rng(1)
    own, every = rng.uniform(0, 1, SAMPLES), np.arange(SAMPLES)
    first, second = every % LANES * 2, every % LANES * 2 + 1  # of the two workers

    def marks(*lanes):
        sample, lane = np.tile(every, len(lanes)), np.concatenate(lanes)
        return Marks(sample, own[sample] + lane % 2 * 0.2, lane)

    nobody = Marks(*(np.zeros(0, dtype=kind) for kind in (np.intp, float, np.intp)))
    groups = grouped(every % GROUPS)
    shift = load_shift(marks(first, second), marks(second), nobody, groups, 1, in_flight=LANES, failed=0)
    assert shift.shift.value == pytest.approx(0.0)
    assert not shift.found


def test_a_load_that_meets_the_workers_unequally_is_no_difference_between_them():
    study = Study(6, worker=0.0)
    shifted = study.load.score - 0.3 * (study.load.connection % 2)
    assert not worker_shift(study.before, Marks(study.load.sample, shifted, study.load.connection)).found


def test_connections_that_nobody_tells_apart_are_no_workers():
    study = Study(3)
    unknown = [Marks(m.sample, m.score, np.full(len(m), -1)) for m in (study.before, study.load)]
    assert worker_shift(*unknown) is None
    single = Marks(study.before.sample, study.before.score, np.arange(len(study.before)))
    assert worker_shift(single, unknown[1]) is None


def test_samples_that_were_graded_once_say_nothing_of_noise():
    study = Study(4)
    assert repeatability(study.after, study.groups, 1) is None
