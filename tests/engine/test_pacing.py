"""A rate limit that several processes keep together: moments that no two of them get too close."""

import itertools
import multiprocessing
import queue
import threading
from contextlib import ExitStack, contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.pacing import SharedPacers
from simulator.plan.pacer import Pacer

EACH = 300
WHENS = st.lists(st.floats(0, 1e4), max_size=30)


@contextmanager
def shared(*rates, folder):
    """A process's pacers of these rates."""
    maker = SharedPacers(folder)
    pacers = [maker.make(per_s) for per_s in rates]
    try:
        yield pacers
    finally:
        for pacer in pacers:
            pacer._file.close()


@pytest.fixture
def folder(tmp_path):
    SharedPacers.lay_out(tmp_path)
    return tmp_path


def laid_out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rates")
    SharedPacers.lay_out(folder)
    return folder


@given(per_s=st.floats(0.01, 1000), whens=WHENS)
def test_used_by_one_alone_it_grants_what_a_pacer_grants(tmp_path_factory, per_s, whens):
    plain = Pacer(per_s)
    with shared(per_s, folder=laid_out(tmp_path_factory)) as (pacer,):
        assert [pacer.reserve(when) for when in whens] == [plain.reserve(when) for when in whens]


@given(per_s=st.floats(0.01, 1000), asks=st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1e4))))
def test_interleaved_all_of_them_together_are_one_pacer(tmp_path_factory, per_s, asks):
    folder, plain = laid_out(tmp_path_factory), Pacer(per_s)
    with ExitStack() as stack:
        pacers = [stack.enter_context(shared(per_s, folder=folder))[0] for _ in range(3)]
        granted = [pacers[of].reserve(when) for of, when in asks]
    assert granted == [plain.reserve(when) for _, when in asks]
    assert all(b - a >= (1 - 1e-9) / per_s for a, b in itertools.pairwise(granted))


def test_a_process_that_comes_later_goes_on_where_the_others_are(folder):
    with shared(4.0, folder=folder) as (early,):
        assert [early.reserve(10.0), early.reserve(10.0)] == [10.0, 10.25]
        with shared(4.0, folder=folder) as (late,):
            assert [late.reserve(0.0), early.reserve(0.0), late.reserve(60.0)] == [10.5, 10.75, 60.0]


def test_the_nth_pacer_is_the_same_in_all_and_another_than_the_ones_before(folder):
    rates = (1.0, 2.0, 4.0)
    with shared(*rates, folder=folder) as mine, shared(*rates, folder=folder) as theirs:
        assert [pacer.reserve(0.0) for pacer in mine] == [0.0, 0.0, 0.0]
        assert [pacer.reserve(0.0) for pacer in theirs] == [1.0, 0.5, 0.25]
        assert [pacer.reserve(0.0) for pacer in reversed(mine)] == [0.5, 1.0, 2.0]


def test_as_many_pacers_as_are_laid_out_do_not_disturb_each_other(folder):
    rates = [1.0] * 64
    with shared(*rates, folder=folder) as mine, shared(*rates, folder=folder) as theirs:
        assert [pacer.reserve(float(n)) for n, pacer in enumerate(mine)] == list(range(64))
        assert [pacer.reserve(0.0) for pacer in theirs] == list(range(1, 65))


def reserve_many(folder, granted, barrier):
    """Take moments as fast as they can be had, always the earliest there is."""
    with shared(8.0, folder=folder) as (pacer,):
        barrier.wait()
        for _ in range(EACH):
            granted.put(pacer.reserve(0.0))


def test_threads_that_race_get_every_moment_once(folder):
    granted, barrier = queue.SimpleQueue(), threading.Barrier(3)
    threads = [threading.Thread(target=reserve_many, args=(folder, granted, barrier)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted.get() for _ in range(3 * EACH)) == [n / 8.0 for n in range(3 * EACH)]


def test_processes_that_race_get_every_moment_once(folder):
    spawning = multiprocessing.get_context("spawn")
    granted, barrier = spawning.SimpleQueue(), spawning.Barrier(2)
    workers = [spawning.Process(target=reserve_many, args=(folder, granted, barrier)) for _ in range(2)]
    for worker in workers:
        worker.start()
    moments = [granted.get() for _ in range(2 * EACH)]
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sorted(moments) == [n / 8.0 for n in range(2 * EACH)]
