"""The poller stays awake for what comes at once, and lets go when somebody else has something to do."""

import socket
from functools import partial

import pytest
import trio
from trio.testing import MockClock

from simulator.clock import SharedClock
from simulator.timers import Timers
from simulator.transport import poll
from simulator.transport.poll import EpollPoller

pytestmark = pytest.mark.skipif(not hasattr(poll.select, "epoll"), reason="this system has no epoll")

ENOUGH = 100_000  # looks at a socket that nobody empties: then a test has failed


class Full:
    """A socket with something to read until `drain`; calls `looked` whenever the poller looks at it."""

    def __init__(self, looked):
        self.sock, self._peer = socket.socketpair()
        self.sock.setblocking(False)
        self._peer.send(b"x")
        self._looked = looked
        self.looks = 0

    def readable(self):
        self.looks += 1
        self._looked(self)
        if self.looks == ENOUGH:
            self.drain()

    def drain(self):
        self.sock.recv(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()
        self._peer.close()


def polled(looked, *beside, clock=None):
    """Poll a full socket until `looked(full, poller, timers, stop)` or a task beside it calls `stop`."""

    async def main():
        timers = Timers()
        poller = EpollPoller(timers)
        with trio.move_on_after(5) as scope:
            with Full(lambda full: looked(full, poller, timers, scope.cancel)) as full:
                async with trio.open_nursery() as nursery:
                    await nursery.start(poller.serve)
                    poller.watch(full.sock, full)
                    for task in beside:
                        nursery.start_soon(task, full, scope.cancel)
        return full.looks

    return trio.run(main, clock=clock or SharedClock())


@pytest.mark.parametrize("in_s", [0.0, 0.0005], ids=["now", "within a millisecond"])
def test_a_timer_that_is_due_meanwhile_is_woken_although_nobody_serves_it(in_s):
    woken = []

    def looked(full, poller, timers, stop):
        def wake():
            woken.append(full.looks)
            stop()

        full.drain()
        timers.call_at(poller.now() + in_s, wake)

    assert polled(looked) == 1
    assert woken == [1]


def test_a_timer_that_is_due_later_is_left_to_those_who_serve_timers(monkeypatch):
    monkeypatch.setattr(poll, "_AWAKE_S", 1e9)
    woken = []

    def looked(full, poller, timers, stop):
        full.drain()
        timers.call_at(poller.now() + 0.1, lambda: woken.append(1))

    async def stop_when_all_is_quiet(full, stop):
        await trio.testing.wait_all_tasks_blocked()
        stop()

    assert polled(looked, stop_when_all_is_quiet) == 1
    assert not woken


def test_by_a_clock_that_a_test_moves_it_wakes_nobody():
    woken = []

    def looked(full, poller, timers, stop):
        full.drain()
        timers.call_at(poller.now(), lambda: woken.append(1))
        stop()

    polled(looked, clock=MockClock())
    assert not woken


def test_a_task_of_its_own_goes_on_at_once_however_much_there_is_to_read(monkeypatch):
    monkeypatch.setattr(poll, "_AWAKE_S", 1e9)

    def looked(full, poller, timers, stop):
        if full.looks == 3:
            poller.spawn(partial(task, full, stop))

    async def task(full, stop):
        full.drain()
        stop()

    assert 3 <= polled(looked) < ENOUGH


def test_everybody_else_has_a_turn_however_much_there_is_to_read():
    async def task(full, stop):
        await trio.sleep(0.001)
        full.drain()
        stop()

    assert 1 < polled(lambda *_: None, task) < ENOUGH
