import math
import random
from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from endpoints_mock.behaviour import ColdStart, Dice, Fate, Workers
from endpoints_mock.loop import Agenda
from endpoints_mock.settings import behaviour_of, build_settings


def dice(seed=0, **texts):
    settings = build_settings(**texts)
    return Dice(behaviour_of(settings, "search", is_tool=True), seed, "search")


# -- dice


def test_fate_depends_on_the_call_and_the_attempt_not_on_the_order_of_arrival():
    calls = [(f"trace_{n}", f"call_{n}") for n in range(50)]
    settings = {"service_ms": ["lognormal:50:1"], "faults": ["*:http_500=30%", "*:reset=20%:call"]}
    there, back = dice(**settings), dice(**settings)
    forwards = {call: [there.throw(*call) for _ in range(3)] for call in calls}
    backwards = {call: [back.throw(*call) for _ in range(3)] for call in reversed(calls)}
    assert forwards == backwards
    other = dice(1, **settings)
    assert forwards != {call: [other.throw(*call) for _ in range(3)] for call in calls}


def test_rates_are_kept():
    thrown = dice(faults=["*:http_500=20%", "*:reset=10%"])
    faults = [thrown.throw(f"trace_{n}", "call").fault for n in range(20_000)]
    assert faults.count("http_500") / 20_000 == pytest.approx(0.2, abs=0.01)
    assert faults.count("reset") / 20_000 == pytest.approx(0.1, abs=0.01)


def test_per_attempt_a_retry_may_succeed_and_per_call_it_never_does():
    loose, sticky = dice(faults=["*:http_500=50%"]), dice(faults=["*:http_500=50%:call"])
    attempts = [[loose.throw(f"trace_{n}", "c").fault for _ in range(4)] for n in range(200)]
    assert any(len(set(of_call)) == 2 for of_call in attempts)
    attempts = [[sticky.throw(f"trace_{n}", "c").fault for _ in range(4)] for n in range(200)]
    assert all(len(set(of_call)) == 1 for of_call in attempts)
    assert 60 < sum(of_call[0] is not None for of_call in attempts) < 140


def test_service_times_follow_their_distribution():
    thrown = dice(service_ms=["lognormal:50:1"])
    times = sorted(thrown.throw(f"trace_{n}", "c").service_s for n in range(10_001))
    assert times[5_000] == pytest.approx(0.050, rel=0.05)
    assert times[8_413] == pytest.approx(0.050 * 2.718, rel=0.07)


def test_memory_of_attempts_is_bounded():
    thrown = dice(service_ms=["exponential:1"])
    for n in range(70_000):
        thrown.throw(f"trace_{n}", "c")
    assert len(thrown._attempts) == 1 << 16


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_ids_have_a_fate(trace_id, call_id):
    assert dice(service_ms=["5"]).throw(trace_id, call_id).service_s == 0.005


def test_where_chance_has_no_say_the_fate_is_the_same_for_all():
    thrown = dice(service_ms=["20"])
    assert {thrown.throw(f"trace_{n}", "c") for n in range(3)} == {Fate(0.020, None)}
    assert not thrown._attempts


# -- workers


def crew(limit, order="fifo", seed=0):
    """Return workers, and the agenda by way of which they begin what had to wait."""
    agenda = Agenda()
    return Workers(limit, order, random.Random(seed), agenda), agenda


async def served(workers, agenda, calls):
    """Return (call, when it began) in the order of beginning; a call takes a second."""
    begun = []

    def begin(number, now):
        begun.append((number, now))
        agenda.call_at(now + 1.0, lambda: workers.leave(now + 1.0))

    for number in range(calls):
        workers.enter(partial(begin, number), 0.0)
    while agenda.next_at < math.inf:
        await trio.sleep_until(agenda.next_at)
        agenda.call_due()
    return begun


async def test_one_worker_serves_one_after_another(autojump_clock):
    assert await served(*crew(1), 4) == [(0, 0), (1, 1), (2, 2), (3, 3)]


async def test_three_workers_serve_three_at_once(autojump_clock):
    assert [when for _, when in await served(*crew(3), 7)] == [0, 0, 0, 1, 1, 1, 2]


async def test_no_limit_means_no_queue(autojump_clock):
    assert {when for _, when in await served(*crew(0), 50)} == {0}


async def test_random_order_is_seeded_and_leaves_nobody_out(autojump_clock):
    first, again = [[number for number, _ in await served(*crew(1, "random", 3), 20)] for _ in range(2)]
    assert first == again
    assert first != sorted(first)
    assert set(first) == set(range(20))


async def test_a_long_queue_of_calls_that_take_no_time_is_no_deep_nest(autojump_clock):
    workers, agenda = crew(1)
    begun = []

    def begin(now):
        begun.append(now)
        workers.leave(now)

    workers.enter(lambda _now: None, 0.0)
    for _ in range(10_000):
        workers.enter(begin, 0.0)
    workers.leave(0.0)
    agenda.call_due()
    assert len(begun) == 10_000
    assert repr(workers) == "<Workers free=1 waiting=0>"


# -- cold start


def test_cold_start_counts_from_the_first_call():
    cold = ColdStart(13.5)
    assert [cold.warm_at(now) for now in (100.0, 110.0, 113.5, 200.0)] == [113.5, 113.5, 113.5, 200.0]


def test_without_a_cold_start_all_are_served_when_they_come():
    assert [ColdStart(0.0).warm_at(now) for now in (5.0, 6.0)] == [5.0, 6.0]


# -- all together, over sockets


async def test_calls_queue_for_a_workers_time(running, jumping_clock):
    finished = []

    async def one(client):
        await client.call()
        finished.append(trio.current_time())

    async with running(service_ms=["echo=1000"], workers=["echo=2"], cold_start=["echo=10"]) as client:
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(one, client)
        stats = (await client.stats())["endpoints"]["echo"]
    # The clock also runs while bytes travel, hence the rounding.
    assert [round(when - began) for when in finished] == [11, 11, 12, 12, 13, 13]
    assert stats["in_flight_max"] == 6
    assert stats["service_ms"]["max"] == pytest.approx(13_000, rel=0.02)
