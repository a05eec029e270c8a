import contextlib
import errno
import math
import socket
import time
from functools import partial

import pytest
import trio
import trio.testing

from endpoints_mock.connection import Listener
from endpoints_mock.loop import Agenda, Loop
from simulator.arrival import ANCILLARY, lain_s, stamp_arrivals

# -- the agenda


async def test_what_is_due_is_called_in_order_and_the_rest_is_left(autojump_clock):
    agenda, called = Agenda(), []
    for when, name in ((3.0, "d"), (1.0, "a"), (2.0, "c"), (1.0, "b")):
        agenda.call_at(trio.current_time() + when, partial(called.append, name))
    await trio.sleep(2.5)
    agenda.call_due()
    assert called == ["a", "b", "c"]
    assert agenda.next_at == trio.current_time() + 0.5


async def test_what_becomes_due_meanwhile_is_called_too(autojump_clock):
    agenda, called = Agenda(), []
    agenda.call_at(-math.inf, lambda: agenda.call_at(trio.current_time(), lambda: called.append("second")))
    agenda.call_due()
    assert called == ["second"]
    assert repr(agenda) == "<Agenda pending=0>"


# -- the loop


@contextlib.asynccontextmanager
async def looping():
    with Loop(Agenda()) as loop:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            yield loop
            nursery.cancel_scope.cancel()


@contextlib.contextmanager
def pairs(number):
    with contextlib.ExitStack() as stack:
        made = [socket.socketpair() for _ in range(number)]
        for pair in made:
            for sock in pair:
                stack.enter_context(sock)
                sock.setblocking(False)
        yield made


async def test_a_time_that_comes_is_not_slept_through(autojump_clock):
    with Loop(Agenda()) as loop:
        came = trio.Event()
        loop.agenda.call_at(trio.current_time() + 7.0, came.set)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            await came.wait()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - began == pytest.approx(7.0)


async def test_what_is_due_does_not_wait_for_all_sockets_to_be_served(autojump_clock):
    happened = []

    def serve(sock):
        happened.append("read")
        sock.recv(1)
        loop.agenda.call_at(trio.current_time(), lambda: happened.append("due"))

    with pairs(3) as made, Loop(Agenda()) as loop:
        for ours, theirs in made:
            loop.on_readable(ours, lambda sock=ours: serve(sock))
            theirs.send(b"x")
        with trio.move_on_after(1):
            await loop.run()
    assert happened == ["read", "due"] * 3


async def test_a_socket_has_one_callback_at_a_time_and_none_once_forgotten(autojump_clock):
    called = []
    with pairs(1) as [(ours, theirs)], Loop(Agenda()) as loop:
        theirs.send(b"x")
        loop.on_readable(ours, lambda: called.append("replaced"))
        loop.on_writable(ours, lambda: (called.append("writable"), loop.forget(ours), loop.forget(ours)))
        with trio.move_on_after(1):
            await loop.run()
    assert called == ["writable"]


async def test_what_was_changed_by_an_earlier_callback_is_not_called_as_it_was(autojump_clock):
    called = []

    def first():
        called.append("first")
        loop.forget(made[0][0])
        loop.forget(made[1][0])
        loop.on_readable(made[2][0], lambda: (called.append("new"), loop.forget(made[2][0])))

    with pairs(3) as made, Loop(Agenda()) as loop:
        for (ours, theirs), call in zip(made, (first, *[lambda: called.append("old")] * 2), strict=True):
            theirs.send(b"x")
            loop.on_readable(ours, call)
        with trio.move_on_after(1):
            await loop.run()
    assert called == ["first", "new"]


# -- accepting


class Exhausted(socket.socket):
    """A listening socket for whose first caller there is no file descriptor left."""

    asked = False

    def accept(self):
        if not self.asked:
            self.asked = True
            raise OSError(errno.EMFILE, "too many open files")
        return super().accept()


async def test_a_lack_of_file_descriptors_is_waited_out(mock_clock):
    mock_clock.autojump_threshold = 0.005
    with Exhausted() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        async with looping() as loop:
            listener = Listener(sock, loop, lambda _request, _connection: None)
            began = trio.current_time()
            async with await trio.open_tcp_stream(*sock.getsockname()) as stream:
                await stream.send_all(b"hello\r\n\r\n")
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 400 ")
            assert trio.current_time() - began >= 0.1
            listener.close()


# -- when a request arrived


@contextlib.contextmanager
def received():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stamp_arrivals(listener)
        with socket.create_connection(listener.getsockname()) as theirs:
            ours, _ = listener.accept()
            with ours:
                theirs.send(b"x")
                yield ours.recvmsg(1, ANCILLARY)[1]


def test_the_kernel_tells_how_long_a_request_has_lain_there(monkeypatch):
    with received() as ancillary:
        if not ancillary:
            pytest.skip("this kernel does not tell")
        now = time.time()
        monkeypatch.setattr(time, "time", lambda: now + 5.0)
        assert lain_s(ancillary) == pytest.approx(5.0, abs=0.5)
        monkeypatch.setattr(time, "time", lambda: now - 5.0)
        assert lain_s(ancillary) == 0.0


def test_a_kernel_that_does_not_tell_is_no_error():
    assert lain_s([]) is None
