"""Connections: what a client sends becomes requests, and what it is to get is played as a script."""

import itertools
import socket
import struct
from collections.abc import Callable, Iterator
from typing import ClassVar

import trio

from endpoints_mock.http import Reader, Request
from endpoints_mock.loop import Loop
from endpoints_mock.script import End, Script, Step
from simulator.arrival import ANCILLARY, lain_s, stamp_arrivals

_ACCEPTED_AT_ONCE = 64  # a burst of callers must not keep those waiting who are connected
_RETRY_ACCEPT_S = 0.1
_LINGER_S = 1.0
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST
_BUFFER = memoryview(bytearray(64 * 1024))  # one for all: what is received is parsed before anything else

Done = Callable[[bool], None]
"""Called once a script has been played, with whether all of it could be sent."""

Handler = Callable[[Request, "Connection"], None]
"""Answers one request by having the connection play a script, now or later."""


def ignore(_delivered: bool) -> None:
    """Be content that a script has been played."""


class Connection:
    """One client's connection. A request is handed over only when the one before has been answered.

    `number` tells it from others.
    """

    __slots__ = (
        "_done", "_forget", "_handle", "_last", "_loop", "_open", "_reader", "_reading", "_script",
        "_serving", "_sock", "_unsent", "number",
    )  # fmt: skip

    def __init__(
        self,
        sock: socket.socket,
        loop: Loop,
        handle: Handler,
        forget: Callable[["Connection"], None],
        number: int = 0,
    ) -> None:
        self._sock, self._loop, self._handle, self._forget = sock, loop, handle, forget
        self.number = number
        self._reader = Reader()
        self._script: Iterator[Step] = iter(())
        self._done: Done = ignore
        self._unsent = memoryview(b"")
        self._open = True
        self._serving = False  # a script is, or will be, played
        self._last = False  # nothing comes after this script
        self._read_on()

    def __repr__(self) -> str:
        return f"<Connection {'open' if self._open else 'closed'}{' serving' if self._serving else ''}>"

    def play(self, script: Script, done: Done = ignore) -> None:
        """Put a script on the wire."""
        self._script, self._done = iter(script), done
        self._go_on()

    def close(self) -> None:
        """Close, whatever is in progress; harmless twice."""
        if self._open:
            self._open = False
            self._loop.forget(self._sock)
            self._sock.close()
            self._forget(self)

    # -- from bytes to requests

    def _read_on(self) -> None:
        self._reading = True
        self._loop.on_readable(self._sock, self._read)

    def _pause(self) -> None:
        self._reading = False
        self._loop.forget(self._sock)

    def _read(self) -> None:
        if self._serving:
            self._pause()  # the kernel keeps what comes early, and holds up a peer that sends too much
            return
        try:
            size, ancillary, _, _ = self._sock.recvmsg_into((_BUFFER,), ANCILLARY)
        except BlockingIOError:
            return
        except OSError:
            size = 0
        if not size:
            self.close()
            return
        lain = lain_s(ancillary)
        arrived = self._loop.polled_at if lain is None else trio.current_time() - lain
        self._reader.feed(_BUFFER[:size], arrived)
        if self._reader.ready:
            self._hand_over()

    def _hand_over(self) -> None:
        self._serving = True
        head_of_line = self._reader.ready.popleft()
        if isinstance(head_of_line, Request):
            self._last = not head_of_line.keep_alive
            self._handle(head_of_line, self)
        else:
            self.play(head_of_line)

    # -- from scripts to bytes

    def _go_on(self) -> None:
        try:
            for step in self._script:
                if isinstance(step, bytes):
                    if not self._send(step):
                        return
                elif isinstance(step, float):
                    self._loop.agenda.call_at(trio.current_time() + step, self._go_on)
                    return
                else:
                    self._last = True
                    self._ENDS[step](self)
                    return
        except OSError:
            self._finish(delivered=False)
        else:
            self._finish(delivered=True)

    def _send(self, data: bytes | memoryview) -> bool:
        try:
            sent = self._sock.send(data)
        except BlockingIOError:
            sent = 0
        if sent == len(data):
            return True
        self._unsent, self._reading = memoryview(data)[sent:], False
        self._loop.on_writable(self._sock, self._send_rest)
        return False

    def _send_rest(self) -> None:
        try:
            if self._send(self._unsent):
                self._pause()
                self._go_on()
        except OSError:
            self._finish(delivered=False)

    def _finish(self, *, delivered: bool = True) -> None:
        done, self._done = self._done, ignore
        done(delivered)
        if self._last or not delivered:
            self.close()
        elif self._reader.ready:
            # Later, because a long line of requests would otherwise become a deep nest of calls.
            self._loop.agenda.call_at(trio.current_time(), self._hand_over)
        else:
            self._serving = False
            if not self._reading:
                self._read_on()

    def _reset(self) -> None:
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._finish()

    def _hang(self) -> None:
        self._reading = False
        self._loop.on_readable(self._sock, self._discard)

    def _linger(self) -> None:
        self._sock.shutdown(socket.SHUT_WR)
        self._loop.agenda.call_at(trio.current_time() + _LINGER_S, self.close)
        self._hang()

    def _discard(self) -> None:
        try:
            if self._sock.recv_into(_BUFFER):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self._finish(delivered=False)

    _ENDS: ClassVar[dict[End, Callable[["Connection"], None]]] = {
        End.CLOSE: _finish,
        End.RESET: _reset,
        End.HANG: _hang,
        End.LINGER: _linger,
    }


class Listener:
    """Accepts connections, and keeps them so that they can be closed in the end."""

    def __init__(self, sock: socket.socket, loop: Loop, handle: Handler) -> None:
        self._sock, self._loop, self._handle = sock, loop, handle
        self._connections: set[Connection] = set()
        self._numbers = itertools.count()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
        stamp_arrivals(sock)
        self._listen()

    def __repr__(self) -> str:
        return f"<Listener connections={len(self._connections)}>"

    def close(self) -> None:
        """Close all connections, and accept no more."""
        self._loop.forget(self._sock)
        for connection in tuple(self._connections):
            connection.close()

    def _listen(self) -> None:
        self._loop.on_readable(self._sock, self._accept)

    def _accept(self) -> None:
        try:
            for _ in range(_ACCEPTED_AT_ONCE):
                sock, _ = self._sock.accept()
                sock.setblocking(False)
                forget, number = self._connections.discard, next(self._numbers)
                self._connections.add(Connection(sock, self._loop, self._handle, forget, number))
        except BlockingIOError:
            pass
        except OSError:  # aborted before we came to it, or no file descriptor left
            self._loop.forget(self._sock)
            self._loop.agenda.call_at(trio.current_time() + _RETRY_ACCEPT_S, self._listen)
