import math

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from simulator.timers import Timers


@pytest.fixture
async def timers(nursery):
    timers = Timers()
    await nursery.start(timers.serve)
    return timers


async def test_sleepers_wake_when_they_should_in_the_order_of_time(timers, autojump_clock):
    woke = []

    async def sleeper(name, until):
        await timers.sleep_until(until)
        woke.append((name, trio.current_time()))

    async with trio.open_nursery() as nursery:
        for name, until in (("c", 5.0), ("a", 1.0), ("d", 600.0), ("b", 1.5)):
            nursery.start_soon(sleeper, name, until)
    assert woke == [("a", 1.0), ("b", 1.5), ("c", 5.0), ("d", 600.0)]


async def test_an_earlier_sleeper_shortens_the_nap_of_the_server(timers, autojump_clock):
    woke = []
    timers.call_at(100.0, lambda: woke.append(trio.current_time()))
    await wait_all_tasks_blocked()
    timers.call_at(10.0, lambda: woke.append(trio.current_time()))
    await trio.sleep(50)
    assert woke == [10.0]
    await trio.sleep(100)
    assert woke == [10.0, 100.0]


@pytest.mark.parametrize("until", [-1.0, 0.0, -math.inf])
async def test_what_is_due_already_does_not_wait_but_lets_others_run(timers, autojump_clock, until):
    ran = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.lowlevel.checkpoint)
        nursery.start_soon(lambda: _note(ran))
        await timers.sleep_until(until)
        await timers.sleep_until(until)
        assert ran == [True]
    assert trio.current_time() == 0.0


async def _note(ran):
    ran.append(True)


async def test_a_wake_up_that_is_called_off_does_not_happen(timers, autojump_clock):
    woke = []
    timer = timers.call_at(1.0, lambda: woke.append(1))
    kept = timers.call_at(1.0, lambda: woke.append(2))
    timers.cancel(timer)
    timers.cancel(timer)
    await trio.sleep(2)
    assert woke == [2]
    timers.cancel(kept)


async def test_a_cancelled_sleeper_is_cancelled_at_once_and_the_others_sleep_on(timers, autojump_clock):
    woke = []

    async def sleeper():
        await timers.sleep_until(10.0)
        woke.append(trio.current_time())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sleeper)
        with trio.move_on_after(1) as scope:
            await timers.sleep_until(5.0)
        assert (scope.cancelled_caught, trio.current_time()) == (True, 1.0)
    assert woke == [10.0]


async def test_a_wake_up_may_ask_for_another(timers, autojump_clock):
    woke = []

    def again():
        woke.append(trio.current_time())
        if len(woke) < 3:
            timers.call_at(trio.current_time() + 1.0, again)

    timers.call_at(1.0, again)
    await trio.sleep(10)
    assert woke == [1.0, 2.0, 3.0]


async def test_wake_ups_asked_for_before_serving_happen_too(nursery, autojump_clock):
    timers, woke = Timers(), []
    timers.call_at(1.0, lambda: woke.append(trio.current_time()))
    assert repr(timers) == "<Timers pending=1>"
    await nursery.start(timers.serve)
    await trio.sleep(2)
    assert woke == [1.0]
    assert repr(timers) == "<Timers pending=0>"


async def test_wake_ups_at_the_same_moment_come_in_the_order_asked_for(timers, autojump_clock):
    woke = []
    for number in range(50):
        timers.call_at(1.0, lambda number=number: woke.append(number))
    await trio.sleep(2)
    assert woke == list(range(50))


async def test_wake_ups_that_are_called_off_again_and_again_do_not_gather(timers, autojump_clock):
    kept = []
    timers.call_at(600.0, lambda: kept.append(trio.current_time()))
    for _ in range(100_000):
        timers.cancel(timers.call_at(600.0, lambda: kept.append("called off")))
    assert len(timers._heap) < 3000
    assert repr(timers) == "<Timers pending=1>"
    await trio.sleep(601)
    assert kept == [600.0]
    assert repr(timers) == "<Timers pending=0>"
