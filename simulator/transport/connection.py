"""One connection and the request it carries: no task waits for the answer, the poller brings it.

A call's time limit needs no cancel scope: every connection has at most one timer, which looks at the
connection's current deadline when it fires and goes back to sleep if that has moved on. The same timer
closes idle connections.
"""

import math
import socket
import ssl
from typing import Protocol

import trio

from simulator.arrival import ANCILLARY, Ancillary, lain_s
from simulator.faults import Fault
from simulator.timers import Timer, Timers
from simulator.transport.answer import Answer, KnownHeads
from simulator.transport.failures import fault_of_exception
from simulator.transport.poll import Poller
from simulator.transport.wire import RECEIVE_BYTES, Tls, send_rest


class Asker(Protocol):
    """Whom a connection tells that its request is over."""

    def ended(self, connection: "Connection") -> None:
        """Look at the connection for what came of it."""


class Connection:
    """A connection; while a request is under way, `asker` is who sent it.

    When it is over, `fault`, `status`, `body`, `keep` and the stamps `sent`, `first_byte`, `done` and
    `read_delay` (see `model.Reply`) tell what came of it.
    """

    __slots__ = (
        "_answer", "_closed", "_deadline", "_heads", "_max_bytes", "_payload", "_poller", "_sending",
        "_socket", "_time_limit_s", "_timer", "_timers", "asker", "body", "done", "fault", "first_byte",
        "idle_since", "keep", "read_delay", "sent", "served", "status", "tls",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, tls: Tls | None, *, poller: Poller, timers: Timers, heads: KnownHeads
    ) -> None:
        self._socket, self.tls = sock, tls
        self._poller, self._timers, self._heads = poller, timers, heads
        self._deadline = math.inf
        self._timer: Timer | None = None
        self._closed = self._sending = False
        self._time_limit_s, self._max_bytes, self._payload = 0.0, 0, b""
        self.asker: Asker | None = None
        self.sent: float | None = None
        self.served, self.idle_since = 0, 0.0
        self._forget_answer()
        poller.watch(sock, self)

    def _forget_answer(self) -> None:
        self._answer: Answer | None = None
        self.fault: Fault | None = None
        self.status, self.body, self.keep = 0, b"", False
        self.first_byte: float | None = None
        self.done = self.read_delay = 0.0

    # -- a request

    def request(
        self, payload: bytes, asker: Asker, *, time_limit_s: float, max_bytes: int, sent: float | None = None
    ) -> None:
        """Send a request; `asker.ended` is called once an answer, or a fault, is there, at the limit at last.

        `sent` is when the call began, if that was before now.
        """
        self._forget_answer()
        self.asker, self.sent, self._payload = asker, sent, payload
        self._time_limit_s, self._max_bytes = time_limit_s, max_bytes
        self._poller.afterwards(self._send_request)

    def _send_request(self) -> None:
        if self.asker is None:
            return  # it was called off meanwhile
        payload, self._payload = self._payload, b""
        if self.sent is None:
            self.sent = self._poller.now()
        self.limit(self.sent + self._time_limit_s)
        self._send(payload if self.tls is None else self.tls.encrypt(payload))

    def _send(self, data: bytes) -> None:
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # a server may answer, and close, before it has read all: look for that answer
        if sent < len(data):
            self._sending = True
            self._poller.spawn(self._send_rest, memoryview(data)[sent:])

    async def _send_rest(self, rest: memoryview) -> None:
        await send_rest(self._socket, rest)
        self._sending = False

    # -- its answer

    def readable(self) -> bool | None:
        """Read what has come; True when that ended the request, None when there was nothing."""
        try:
            data, ancillary, _, _ = self._socket.recvmsg(RECEIVE_BYTES, ANCILLARY)
            at_end = not data
            if self.tls is not None:
                data = self.tls.decrypt(data)
                at_end = self.tls.ended
                if owed := self.tls.answer_owed():
                    self._send(owed)
        except BlockingIOError:
            return None
        except OSError as error:
            return self._broken(error)
        if self.asker is None:
            if data or at_end:
                self.close()  # the peer ended an idle connection, or spoke out of turn
            return False
        return self._take_in(data, self._arrived(ancillary), at_end=at_end)

    def _arrived(self, ancillary: Ancillary) -> float:
        now = self._poller.now()
        lain = lain_s(ancillary) if self._poller.real_time else None
        if lain is None:
            return now
        self.read_delay = min(lain, now - (self.sent or now))
        return now - self.read_delay

    def _take_in(self, data: bytes, arrived: float, *, at_end: bool) -> bool:
        if self.first_byte is None and data:
            self.first_byte = arrived
        answer = self._answer
        if answer is None and not at_end:
            whole = self._heads.take_apart(data)
            if whole is not None and len(whole[1]) <= self._max_bytes:
                self.status, self.body = whole
                return self._over(None, arrived, keep=True)
        if answer is None:
            answer = self._answer = Answer(self._max_bytes)
        fault = answer.feed(data) if data else None
        if fault is None and not answer.complete and at_end:
            fault = answer.feed_eof()
        if fault is None and not answer.complete:
            return False
        if fault is None:
            self._heads.learn(data, answer)
            self.body = answer.body
        self.status = answer.status
        return self._over(fault, arrived, keep=answer.keep_alive and not at_end)

    def _broken(self, error: OSError) -> bool:
        if self.asker is None:
            self.close()
            return False
        fault = Fault.TRUNCATED if self._answer is not None and self._answer.begun else Fault.RESET
        if isinstance(error, ssl.SSLError):
            fault = fault_of_exception(error)
        return self._over(fault, trio.current_time(), keep=False)

    def _over(self, fault: Fault | None, done: float, *, keep: bool) -> bool:
        if self._answer is not None:
            self._answer.release()
        self.fault, self.done, self._answer = fault, done, None
        self.keep = keep and fault is None and not self._sending
        if fault is not None:
            self.body = b""
        if not self.keep:
            self.close()
        return True

    def deliver(self) -> None:
        """Tell who asked, unless the request was called off meanwhile."""
        asker, self.asker = self.asker, None
        if asker is not None:
            asker.ended(self)

    # -- its life

    def limit(self, until: float) -> None:
        """Let the connection be closed at `until` unless the limit is moved before."""
        self._deadline = until
        if self._timer is None or until < self._timer.when:
            self._stop_timer()
            self._timer = self._timers.call_at(until, self._look)

    def _look(self) -> None:
        self._timer = None
        if trio.current_time() < self._deadline:
            self.limit(self._deadline)
        elif self.asker is None:
            self.close()
        else:
            if not self._came_in_time():
                self._over(Fault.TIMEOUT, trio.current_time(), keep=False)
            self.deliver()

    def _came_in_time(self) -> bool:
        """Tell whether the answer was there at the deadline, and only we are late."""
        if not self._poller.real_time:
            return False
        over: bool | None = False
        while over is False:
            over = self.readable()
        return over is True and self.done <= self._deadline

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timers.cancel(self._timer)
            self._timer = None

    @property
    def closed(self) -> bool:
        """Tell whether the connection is gone."""
        return self._closed

    def close(self) -> None:
        """Close at once; idempotent."""
        if not self._closed:
            self._closed = True
            self._stop_timer()
            self._poller.forget(self._socket)
            self._socket.close()

    def __repr__(self) -> str:
        return f"<Connection served={self.served}{' closed' if self._closed else ''}>"
