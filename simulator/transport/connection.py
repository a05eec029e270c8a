"""One connection and the request it carries: no task waits for the answer, the poller brings it.

A call's time limit needs no cancel scope: every connection has at most one timer, which looks at the
connection's current deadline when it fires and goes back to sleep if that has moved on. The same timer
closes idle connections, and so never sleeps for longer than one may be idle.
"""

import math
import socket
import ssl
from typing import Protocol

import trio

from simulator.arrival import ANCILLARY, Ancillary, lain_s
from simulator.faults import Fault
from simulator.model import Reply
from simulator.timers import Timer, Timers
from simulator.transport.answer import Answer, KnownHeads
from simulator.transport.base import Route
from simulator.transport.failures import fault_of_exception
from simulator.transport.poll import Poller
from simulator.transport.wire import RECEIVE_BYTES, Tls, send_rest

IDLE_S = 60.0
"""How long an idle connection is kept."""


class Asker(Protocol):
    """Whom a connection tells that its request is over."""

    def ended(self, connection: "Connection", reply: Reply) -> None:
        """Take the reply; the connection may be kept if its `keep` says so."""


class Connection:
    """A connection; while a request is under way, `asker` is who sent it.

    Once it is over, `keep` tells whether the connection can carry another one.
    """

    __slots__ = (
        "_answer", "_closed", "_deadline", "_first_byte", "_heads", "_payload", "_poller", "_read_delay",
        "_reply", "_route", "_sending", "_sent", "_socket", "_timer", "_timers", "asker", "idle_since",
        "keep", "served", "tls",
    )  # fmt: skip

    def __init__(
        self, sock: socket.socket, tls: Tls | None, *, poller: Poller, timers: Timers, heads: KnownHeads
    ) -> None:
        self._socket, self.tls = sock, tls
        self._poller, self._timers, self._heads = poller, timers, heads
        self._deadline = math.inf
        self._timer: Timer | None = None
        self._closed = self._sending = self.keep = False
        self.served, self.idle_since = 0, 0.0
        self.asker: Asker | None = None
        self._payload, self._sent = b"", 0.0
        self._route: Route
        self._answer: Answer | None = None
        self._first_byte: float | None = None
        self._read_delay = 0.0
        self._reply: Reply
        poller.watch(sock, self)

    # -- a request

    def request(self, payload: bytes, route: Route, asker: Asker, sent: float = 0.0) -> None:
        """Send a request; `asker.ended` is called once an answer, or a fault, is there, at the limit at last.

        `sent` is when the call began, if that was before now.
        """
        self.asker, self._route, self._payload, self._sent = asker, route, payload, sent
        self._first_byte, self._read_delay = None, 0.0
        self._poller.afterwards(self._send_request)

    def _send_request(self) -> None:
        if self.asker is None:
            return  # it was called off meanwhile
        payload, self._payload = self._payload, b""
        sent = self._sent = self._sent or self._poller.now()
        deadline = self._deadline = sent + self._route.time_limit_s
        if self._timer is None or deadline < self._timer.when:
            self._look_at(min(deadline, sent + IDLE_S))
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
        arrived = self._arrived(ancillary)
        if data and self._first_byte is None:
            self._first_byte = arrived
        if self._answer is None and not at_end:
            whole = self._heads.take_apart(data)
            if whole is not None and len(whole[1]) <= self._route.max_answer_bytes:
                return self._over(None, arrived, *whole, keep=True)
        return self._take_in(data, arrived, at_end=at_end)

    def _arrived(self, ancillary: Ancillary) -> float:
        now = self._poller.now()
        lain = lain_s(ancillary) if self._poller.real_time else None
        if lain is None:
            return now
        arrived, earliest = now - lain, self._sent or now
        arrived = max(arrived, earliest)
        self._read_delay = now - arrived
        return arrived

    def _take_in(self, data: bytes, arrived: float, *, at_end: bool) -> bool:
        answer = self._answer
        if answer is None:
            answer = self._answer = Answer(self._route.max_answer_bytes)
        fault = answer.feed(data) if data else None
        if fault is None and not answer.complete and at_end:
            fault = answer.feed_eof()
        if fault is not None:
            return self._over(fault, arrived, answer.status)
        if not answer.complete:
            return False
        self._heads.learn(data, answer)
        keep = answer.keep_alive and not at_end
        return self._over(None, arrived, answer.status, answer.body, keep=keep)

    def _broken(self, error: OSError) -> bool:
        if self.asker is None:
            self.close()
            return False
        fault = Fault.TRUNCATED if self._answer is not None and self._answer.begun else Fault.RESET
        if isinstance(error, ssl.SSLError):
            fault = fault_of_exception(error)
        return self._fail(fault)

    def _fail(self, fault: Fault) -> bool:
        status = 0 if self._answer is None else self._answer.status
        return self._over(fault, trio.current_time(), status)

    def _over(
        self, fault: Fault | None, done: float, status: int, body: bytes = b"", *, keep: bool = False
    ) -> bool:
        if self._answer is not None:
            self._answer.release()
            self._answer = None
        self._reply = Reply(
            self._sent, done, status, body, self._first_byte, fault, self.served > 0, False, self._read_delay
        )
        self.keep = keep and not self._sending
        if not self.keep:
            self.close()
        return True

    def deliver(self) -> None:
        """Tell who asked, unless the request was called off meanwhile."""
        asker, self.asker = self.asker, None
        if asker is not None:
            asker.ended(self, self._reply)

    # -- its life

    def _look_at(self, when: float) -> None:
        self._stop_timer()
        self._timer = self._timers.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        now = trio.current_time()
        until = self.idle_since + IDLE_S if self.asker is None else self._deadline
        if now < until:
            self._look_at(min(until, now + IDLE_S))
        elif self.asker is None:
            self.close()
        else:
            if not self._came_in_time():
                self._fail(Fault.TIMEOUT)
            self.deliver()

    def _came_in_time(self) -> bool:
        """Tell whether the answer was there at the deadline, and only we are late."""
        if not self._poller.real_time:
            return False
        over: bool | None = False
        while over is False:
            over = self.readable()
        return over is True and self._reply.done <= self._deadline

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
