"""When an answer arrived, as against when somebody had the time to read it."""

import socket
import struct
import sys
import threading
import time
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import trio
from trio.testing import MockClock

from simulator import arrival
from simulator.clock import SharedClock
from simulator.faults import Fault
from simulator.testing import ok
from simulator.transport import http11
from simulator.transport.http11 import Http11
from simulator.transport.poll import Poller
from tests.transport.lab import Lab, server_context

PATIENCE_S = 30
LIMIT_S = 100.0
ANSWER = ok(b"{}")
KERNEL_TELLS = pytest.mark.skipif(sys.platform != "linux", reason="only Linux stamps what arrives")


class ThreadServer:
    """Answers one connection, each request when told to; a thread, so that it does while the loop stands."""

    def __init__(self, *, tls=False, answer=ANSWER):
        self._tls, self._answer = server_context() if tls else None, answer
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._asked, self._told, self._sent = (threading.Semaphore(0) for _ in range(3))
        port = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self):
        connection, _ = self._listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what is sent is there at once
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection:
            unread = b""
            while data := connection.recv(65_536):
                unread += data
                if unread.endswith(b"{}"):
                    unread = b""
                    self._asked.release()
                    self._told.acquire(timeout=PATIENCE_S)
                    connection.sendall(self._answer)
                    self._sent.release()

    async def asked(self):
        """Wait, without holding the loop up, for the next request."""
        assert await trio.to_thread.run_sync(lambda: self._asked.acquire(timeout=PATIENCE_S))

    def answer(self):
        """Hold the loop up until the answer lies in our kernel; returns a moment after that."""
        self._told.release()
        assert self._sent.acquire(timeout=PATIENCE_S)
        return time.perf_counter()

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        with self._listener:
            self._thread.join(PATIENCE_S)


@contextmanager
def stamping():
    """Wait until the kernel stamps: it begins to a little after somebody asked it to."""
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as theirs,
    ):
        arrival.stamp_arrivals(ours)
        ours.bind(("127.0.0.1", 0))
        for _ in range(100_000):
            theirs.sendto(b"x", ours.getsockname())
            after = time.time()
            _, ancillary, _, _ = ours.recvmsg(1, arrival.ANCILLARY)
            seconds, nanoseconds = struct.unpack("@ll", ancillary[0][2])
            if seconds + nanoseconds / 1e9 < after:
                break
        yield


class Suspended(SharedClock):
    """The clock of a program that stood still for as long as `jump` says."""

    def __init__(self, monkeypatch):
        self._by_s = self._since_arrival_s = 0.0
        now = lambda: time.time() + self._since_arrival_s  # noqa: E731 the stamps are those of the real day
        monkeypatch.setattr(arrival, "time", SimpleNamespace(time=now))

    def current_time(self):
        return super().current_time() + self._by_s

    def deadline_to_sleep_time(self, deadline):
        return deadline - self.current_time()

    def jump(self, by_s, *, before_the_answer=False):
        self._by_s += by_s
        if not before_the_answer:
            self._since_arrival_s += by_s


def exchange(server, clock, meanwhile, *, exchanges=1):
    """Have requests answered one after another, `meanwhile(server, timers)` being run while each waits.

    Returns the last one's reply and what `meanwhile` then returned.
    """

    async def main():
        async with trio.open_nursery() as nursery:
            lab = Lab(nursery, Http11, tls=False)
            client = await lab.transport(server.url, time_limit_s=LIMIT_S)
            for _ in range(exchanges):
                replies = []

                async def ask(replies=replies):
                    replies.append(await client.exchange(0, b"{}"))

                async with trio.open_nursery() as asking:
                    asking.start_soon(ask)
                    await server.asked()
                    noted = meanwhile(server, lab.timers)
            await client.close()
            nursery.cancel_scope.cancel()
        return replies[0], noted

    with server, stamping():
        return trio.run(main, clock=clock)


def answered(server, _timers):
    return server.answer()


# -- where the kernel tells


@KERNEL_TELLS
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
@pytest.mark.parametrize("epoll", [False, True], ids=["without epoll", "epoll"])
@pytest.mark.parametrize("exchanges", [1, 3], ids=["first", "later"])
def test_an_answer_that_lies_unread_is_done_when_it_arrived(monkeypatch, tls, epoll, exchanges):
    if not epoll:
        monkeypatch.setattr(http11, "make_poller", lambda _timers: Poller())
    server = ThreadServer(tls=tls)
    reply, noted = exchange(server, SharedClock(), answered, exchanges=exchanges)
    assert (reply.fault, reply.body) == (None, b"{}")
    assert reply.sent < reply.done < noted < reply.done + reply.read_delay
    assert reply.first_byte <= reply.done


@KERNEL_TELLS
def test_however_long_the_loop_stood_still_the_service_time_knows_nothing_of_it(monkeypatch):
    clock = Suspended(monkeypatch)

    def stand_still(server, _timers):
        noted = server.answer()
        clock.jump(50.0)
        return noted

    reply, noted = exchange(ThreadServer(), clock, stand_still)
    assert reply.done < noted
    assert reply.read_delay > 50.0
    assert reply.fault is None


@KERNEL_TELLS
@pytest.mark.parametrize("timer_first", [False, True], ids=["whoever is first", "the time limit first"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_an_answer_that_came_before_the_time_limit_is_none_that_did_not(monkeypatch, timer_first, tls):
    clock = Suspended(monkeypatch)

    def stand_still(server, timers):
        noted = server.answer()
        clock.jump(LIMIT_S + 1)
        if timer_first:
            timers.wake_due()
        return noted

    reply, noted = exchange(ThreadServer(tls=tls), clock, stand_still)
    assert (reply.fault, reply.status, reply.body) == (None, 200, b"{}")
    assert reply.done < noted
    assert reply.read_delay > LIMIT_S


@KERNEL_TELLS
def test_an_answer_that_came_after_the_time_limit_is_too_late_although_it_is_there(monkeypatch):
    clock = Suspended(monkeypatch)

    def stand_still(server, timers):
        clock.jump(LIMIT_S + 1, before_the_answer=True)
        server.answer()
        timers.wake_due()

    reply, _ = exchange(ThreadServer(), clock, stand_still)
    assert (reply.fault, reply.body, reply.reused) == (Fault.TIMEOUT, b"", False)
    assert reply.done - reply.sent > LIMIT_S


@KERNEL_TELLS
def test_a_long_answer_that_came_before_the_time_limit_is_read_whole(monkeypatch):
    clock = Suspended(monkeypatch)

    def stand_still(server, timers):
        server.answer()
        clock.jump(LIMIT_S + 1)
        timers.wake_due()

    reply, _ = exchange(ThreadServer(answer=ok(b"x" * 200_000)), clock, stand_still)
    assert (reply.fault, len(reply.body)) == (None, 200_000)


@KERNEL_TELLS
def test_part_of_an_answer_before_the_time_limit_is_not_enough(monkeypatch):
    clock = Suspended(monkeypatch)

    def stand_still(server, timers):
        server.answer()
        clock.jump(LIMIT_S + 1)
        timers.wake_due()

    reply, _ = exchange(ThreadServer(answer=ANSWER[:-1]), clock, stand_still)
    assert reply.fault is Fault.TIMEOUT


# -- where it is not asked


@pytest.mark.parametrize("make_clock", [MockClock, lambda: None], ids=["a clock of the test", "Trio's own"])
def test_by_another_clock_an_answer_is_done_when_it_is_read(monkeypatch, make_clock):
    monkeypatch.setattr(arrival, "time", SimpleNamespace(time=lambda: time.time() + 1000.0))
    clock = make_clock()

    def stand_still(server, _timers):
        server.answer()
        if clock is not None:
            clock.jump(50.0)
        return trio.current_time()

    reply, noted = exchange(ThreadServer(), clock, stand_still)
    assert (reply.fault, reply.read_delay) == (None, 0.0)
    assert reply.done >= noted
    assert clock is None or reply.done - reply.sent == 50.0


# -- the stamps themselves


def stamp(at):
    seconds = int(at)
    return [(0, 0, struct.pack("@ll", seconds, int((at - seconds) * 1e9)))]


def test_what_the_kernel_says_nothing_of_nobody_knows():
    assert arrival.lain_s([]) is None


def test_what_arrived_a_while_ago_has_lain_for_that_long_and_never_for_less_than_nothing(monkeypatch):
    monkeypatch.setattr(arrival, "time", SimpleNamespace(time=lambda: 5000.25))
    assert arrival.lain_s(stamp(4990.125)) == pytest.approx(10.125, abs=1e-6)
    assert arrival.lain_s(stamp(5000.25)) == pytest.approx(0.0, abs=1e-6)
    assert arrival.lain_s(stamp(6000.0)) == 0.0, "the system's clock was set back"


def test_a_socket_that_cannot_be_stamped_is_left_as_it_is():
    sock = socket.socket()
    sock.close()
    arrival.stamp_arrivals(sock)


@KERNEL_TELLS
def test_all_that_a_listener_accepts_is_stamped_if_it_is():
    with stamping(), socket.create_server(("127.0.0.1", 0)) as listener:
        arrival.stamp_arrivals(listener)
        with socket.create_connection(listener.getsockname()) as theirs:
            ours, _ = listener.accept()
            with ours:
                before = time.time()
                theirs.sendall(b"x")
                _, ancillary, _, _ = ours.recvmsg(1, arrival.ANCILLARY)
                assert 0.0 <= arrival.lain_s(ancillary) <= time.time() - before
