"""One request on its way through httpx: what its connection tells of it, and what becomes of it."""

import ssl
from collections.abc import AsyncIterator
from typing import Protocol

import httpcore
import httpx
import trio

from simulator.faults import Fault
from simulator.model import Reply
from simulator.transport.answer import Answer
from simulator.transport.base import RESEND_AFTER_S, RESEND_WITHIN_S, Route
from simulator.transport.failures import fault_of_exception


class Unusable(Exception):  # noqa: N818 it carries a fault, and is none of the program's errors
    """The bytes that came make no answer we take."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        super().__init__(fault)


class Carrier(Protocol):
    """A connection, as a call sees it."""

    @property
    def multiplexes(self) -> bool:
        """Tell whether it speaks HTTP/2."""

    def begin(self, call: "Call") -> None:
        """Take in that the call's request goes out now."""

    async def leave(self, call: "Call", *, whole: bool) -> None:
        """Take in that the call is over, and whether all of its answer was read."""


class Call(httpx.AsyncByteStream):
    """A request and its reply in the making; see `transport.base.Exchange`.

    It is its request's body too: that it is asked for tells that connecting is over.
    """

    def __init__(self, route: Route, body: bytes) -> None:
        self.route, self._request_body = route, body
        self.scope = trio.CancelScope()
        self.called_off = self.moved = self.resent = False
        self.begin()

    def begin(self) -> None:
        """Start afresh, with all of the time limit, and with connecting."""
        self._sent = self._done = trio.current_time()
        self._connected = self._asked = self._whole = self._reused = False
        self._carrier: Carrier | None = None
        self._idle_s = 0.0
        self._answer: Answer | None = None
        self._status, self._body = 0, b""
        self._first_byte: float | None = None
        self._fault: Fault | None = None
        limit = min(self.route.connect_time_limit_s, self.route.time_limit_s)
        self.scope.deadline = self._sent + limit

    def move(self) -> None:
        """Take in that another connection is to carry it; once, but not again and again, it starts afresh."""
        self.resent |= self._asked
        if not self.moved:
            self.begin()
        self.moved = True

    @property
    def size(self) -> int:
        """Return the number of bytes of the request's body."""
        return len(self._request_body)

    # -- told by the connection

    def board(self, carrier: Carrier, *, idle_s: float, reused: bool) -> None:
        """Take in which connection is to carry it, open or not."""
        self._carrier, self._idle_s, self._reused = carrier, idle_s, reused

    def connected(self) -> None:
        """Take in that the connection is open."""
        self._connected = True
        self.scope.deadline = self._sent + self.route.time_limit_s

    def listen(self) -> None:
        """Take in that what the connection receives from now on is this call's answer."""
        self._answer = Answer(self.route.max_answer_bytes)

    def take_in(self, data: bytes) -> None:
        """Judge what came as the fast transport would; b"" is the end. Raises Unusable."""
        if self._answer is None:
            return  # a proxy's
        if data and self._first_byte is None:
            self._first_byte = trio.current_time()
        fault = None
        if data:
            fault = self._answer.feed(data)
        elif not self._answer.complete:
            fault = self._answer.feed_eof()
        self._status = self._answer.status
        if fault is not None:
            raise Unusable(fault)

    def head_came(self) -> None:
        """Take in that the answer's head is there."""
        if self._first_byte is None:
            self._first_byte = trio.current_time()

    # -- httpx asks for the body

    def __aiter__(self) -> AsyncIterator[bytes]:
        # No generator: one that is left before its end, by a cancellation, makes Trio warn.
        self._asked = False
        return self

    async def __anext__(self) -> bytes:
        """Return the whole body at once."""
        if self._asked or self._carrier is None:
            raise StopAsyncIteration
        self._asked = True
        self._carrier.begin(self)
        return self._request_body

    # -- the answer

    async def read(self, response: httpx.Response) -> None:
        """Read the body as it was sent, never more than the limit. Raises Unusable."""
        limit = self.route.max_answer_bytes
        self._status = response.status_code
        if int(response.headers.get("content-length", 0)) > limit:
            raise Unusable(Fault.TOO_LARGE)
        chunks, size = [], 0
        async for chunk in response.aiter_raw():
            size += len(chunk)
            if size <= limit:
                chunks.append(chunk)
            elif self._fault is None:
                # Cancelled from within, httpx's generators come to an end; left behind, Trio warns of them.
                self.end(Fault.TOO_LARGE)
                self.scope.cancel()
        if self._fault is None:
            self._body, self._whole, self._done = b"".join(chunks), True, trio.current_time()

    def end(self, fault: Fault) -> None:
        """Let the call end with a fault."""
        self._fault, self._done = fault, trio.current_time()

    def end_late(self) -> None:
        """Let the call end because a time limit has passed, unless it had ended before."""
        if self._fault is None and not self._whole:
            self.end(Fault.TIMEOUT if self._connected else Fault.CONNECT_TIMEOUT)

    def end_with(self, error: Exception) -> None:
        """Let the call end with what httpx raised."""
        self.end(self._fault_of(error))

    def _fault_of(self, error: Exception) -> Fault:
        if isinstance(error, Unusable):
            return error.fault
        if isinstance(error, httpx.InvalidURL):
            return Fault.DNS  # only a host's name can be wrong that late
        if not self._connected:
            return fault_of_exception(error)
        if isinstance(error, ssl.SSLError):
            return Fault.TLS
        multiplexed = self._carrier is not None and self._carrier.multiplexes
        if isinstance(error, OSError) or (multiplexed and isinstance(error, httpcore.RemoteProtocolError)):
            return Fault.RESET if self._first_byte is None else Fault.TRUNCATED
        return Fault.MALFORMED_HTTP

    async def leave(self) -> None:
        """Free the connection."""
        if self._carrier is not None:
            keep = self._answer is None or self._answer.keep_alive
            await self._carrier.leave(self, whole=self._whole and keep)

    @property
    def met_idle_limit(self) -> bool:
        """Tell whether the peer most likely closed the connection for its idleness just when we used it."""
        at_once = self._done - self._sent <= RESEND_WITHIN_S
        return self._fault is Fault.RESET and not self.resent and at_once and self._idle_s >= RESEND_AFTER_S

    def reply(self) -> Reply:
        """Return the reply."""
        return Reply(
            self._sent, self._done, self._status, self._body, self._first_byte, self._fault,
            self._reused, self.resent,
        )  # fmt: skip

    def call_off(self) -> None:
        """Give it up; its reply will not be delivered."""
        self.called_off = True
        self.scope.cancel()

    def __repr__(self) -> str:
        return f"<Call {self.route!r}>"
