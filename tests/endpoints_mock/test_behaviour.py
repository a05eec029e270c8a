import random

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from endpoints_mock.behaviour import ColdStart, Dice, Workers
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
    thrown = dice()
    for n in range(70_000):
        thrown.throw(f"trace_{n}", "c")
    assert len(thrown._attempts) == 1 << 16


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_ids_have_a_fate(trace_id, call_id):
    assert dice(service_ms=["5"]).throw(trace_id, call_id).service_s == 0.005


# -- workers


async def served(workers, calls, seconds=1.0):
    """Return (call, when it was done) in the order of completion; the calls arrive in order."""
    done = []

    async def one(number):
        await workers.enter()
        await trio.sleep(seconds)
        workers.leave()
        done.append((number, trio.current_time()))

    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(calls):
            nursery.start_soon(one, number)
            await trio.testing.wait_all_tasks_blocked()
    return [(number, round(when - began, 6)) for number, when in done]


async def test_one_worker_serves_one_after_another(autojump_clock):
    assert await served(Workers(1, "fifo", random.Random(0)), 4) == [(0, 1), (1, 2), (2, 3), (3, 4)]


async def test_three_workers_serve_three_at_once(autojump_clock):
    done = await served(Workers(3, "fifo", random.Random(0)), 7)
    assert [when for _, when in done] == [1, 1, 1, 2, 2, 2, 3]


async def test_no_limit_means_no_queue(autojump_clock):
    assert {when for _, when in await served(Workers(0, "fifo", random.Random(0)), 50)} == {1}


async def test_random_order_is_seeded_and_leaves_nobody_out(autojump_clock):
    first = await served(Workers(1, "random", random.Random(3)), 20)
    again = await served(Workers(1, "random", random.Random(3)), 20)
    assert first == again
    assert [number for number, _ in first] != sorted(number for number, _ in first)
    assert {number for number, _ in first} == set(range(20))


async def test_one_who_gives_up_waiting_takes_no_worker(autojump_clock):
    workers = Workers(1, "fifo", random.Random(0))
    await workers.enter()
    with trio.move_on_after(1):
        await workers.enter()
    assert repr(workers) == "<Workers free=0 waiting=0>"
    workers.leave()
    with trio.fail_after(1):
        await workers.enter()


# -- cold start


async def test_cold_start_counts_from_the_first_call(autojump_clock):
    cold = ColdStart(13.5)
    await trio.sleep(100)
    began = trio.current_time()
    await cold.wait()
    assert trio.current_time() - began == pytest.approx(13.5)
    await cold.wait()
    assert trio.current_time() - began == pytest.approx(13.5)


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
