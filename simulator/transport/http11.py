"""HTTP/1.1 with kept-alive connections: a pool per origin, and the transport on top.

A call's time limit needs no cancel scope: every connection has at most one timer, which looks at the
connection's current deadline when it fires and goes back to sleep if that has moved on. The same timer
closes idle connections.
"""

import contextlib
import math
import socket
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import trio

from simulator.faults import Fault
from simulator.model import Reply
from simulator.timers import Timer, Timers
from simulator.transport.answer import Answer
from simulator.transport.base import Route
from simulator.transport.failures import fault_of_exception
from simulator.transport.wire import Address, PlainWire, TlsWire, Wire, connect

IDLE_S = 60.0
"""How long an idle connection is kept."""

RESEND_AFTER_S = 1.0
RESEND_WITHIN_S = 0.25
"""A request goes out again, and is counted as resent, if its connection had been idle for the first of these
and ended within the second: then the peer's own idle limit is the likely reason. Any other end is a fault."""

_RESOLVED_FOR_S = 30.0
_FAILED_FOR_S = 0.5  # long enough for a burst, shorter than the usual back-off: a retry asks anew
_DEFAULT_PORTS = {"http": 80, "https": 443}
_USER_AGENT = "rft-preflight"


class Connection:
    """One connection, and the call that it carries, if any."""

    __slots__ = ("_deadline", "_timer", "_timers", "expired", "idle_since", "served", "wire")

    def __init__(self, wire: Wire, timers: Timers) -> None:
        self.wire, self._timers = wire, timers
        self._deadline = math.inf
        self._timer: Timer | None = None
        self.served, self.idle_since, self.expired = 0, 0.0, False

    def limit(self, until: float) -> None:
        """Let the connection be closed at `until` unless the limit is moved before."""
        self._deadline = until
        if self._timer is None or until < self._timer.when:
            self._call_off()
            self._timer = self._timers.call_at(until, self._look)

    def _look(self) -> None:
        self._timer = None
        if trio.current_time() < self._deadline:
            self.limit(self._deadline)
        else:
            self.close()

    def _call_off(self) -> None:
        if self._timer is not None:
            self._timers.cancel(self._timer)
            self._timer = None

    def close(self) -> None:
        """Close; a call in progress ends as one that took too long."""
        self.expired = True
        self._call_off()
        self.wire.close()

    async def exchange(
        self, payload: bytes, answer: Answer, until: float
    ) -> tuple[Fault | None, float | None]:
        """Send a request and fill `answer`; returns the fault, and when the first byte came."""
        self.limit(until)
        first_byte = None
        try:
            # A server may answer, and close, before it has read all: then look for that answer.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                await self.wire.send(payload)
            while not answer.complete:
                data = await self.wire.receive()
                if first_byte is None and data:
                    first_byte = trio.current_time()
                fault = answer.feed(data) if data else answer.feed_eof()
                if fault is not None:
                    return fault, first_byte
        except (OSError, trio.ClosedResourceError) as error:
            return self._fault_of(error, answer), first_byte
        self.served += 1
        return None, first_byte

    def _fault_of(self, error: BaseException, answer: Answer) -> Fault:
        if self.expired:
            return Fault.TIMEOUT
        fault = fault_of_exception(error)
        if fault is Fault.TLS:
            return fault
        return Fault.TRUNCATED if answer.begun else Fault.RESET

    def __repr__(self) -> str:
        return f"<Connection served={self.served}{' closed' if self.expired else ''}>"


class Pool:
    """The connections to one origin. The last one used is the first one taken again."""

    def __init__(
        self, origin: tuple[str, str, int], timers: Timers, tls: ssl.SSLContext, limit: int | None
    ) -> None:
        self._scheme, self._host, self._port = origin
        self._timers, self._tls = timers, tls
        self._idle: list[Connection] = []
        self._busy = 0
        self._slots = trio.Semaphore(limit) if limit else None
        self._resolving = trio.Lock()
        self._resolved: tuple[float, tuple[Address, ...] | OSError] = (-math.inf, ())

    async def enter(self) -> None:
        """Wait for a place under the connection limit; `leave` gives it back."""
        if self._slots is not None:
            await self._slots.acquire()
        self._busy += 1

    def leave(self) -> None:
        """Give the place back."""
        self._busy -= 1
        if self._slots is not None:
            self._slots.release()

    def take_idle(self) -> Connection | None:
        """Return an open idle connection, or None."""
        while self._idle:
            connection = self._idle.pop()
            if connection.expired:
                continue
            if not connection.wire.is_stale():
                return connection
            connection.close()
        return None

    def put_idle(self, connection: Connection) -> None:
        """Keep a connection for the next call."""
        connection.idle_since = trio.current_time()
        connection.limit(connection.idle_since + IDLE_S)
        self._idle.append(connection)

    async def connect(self, until: float) -> Connection:
        """Open a connection; OSError when it fails, TimeoutError when `until` passes first."""
        with trio.CancelScope(deadline=until) as scope:
            plain = await connect(await self._addresses())
            wire = await self._secure(plain) if self._scheme == "https" else plain
            return Connection(wire, self._timers)
        assert scope.cancelled_caught  # noqa: S101 the only way out of the scope without a connection
        raise TimeoutError

    async def _secure(self, plain: PlainWire) -> Wire:
        wire = TlsWire(plain, self._tls, self._host)
        try:
            await wire.handshake()
        except BaseException:
            wire.close()
            raise
        return wire

    async def _addresses(self) -> tuple[Address, ...]:
        async with self._resolving:
            known_until, known = self._resolved
            if trio.current_time() > known_until:
                known = await self._resolve()
                lasts_s = _FAILED_FOR_S if isinstance(known, OSError) else _RESOLVED_FOR_S
                self._resolved = (trio.current_time() + lasts_s, known)
            if isinstance(known, OSError):
                raise known.with_traceback(None)  # it is raised again and again: let no frames gather on it
            return known

    async def _resolve(self) -> tuple[Address, ...] | OSError:
        try:
            found: list[Any] = await trio.socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:
            return socket.gaierror(*error.args) if isinstance(error, UnicodeError) else error
        return tuple((family, address) for family, _, _, _, address in found)

    def close(self) -> None:
        """Close the idle connections; those in use are closed by their calls."""
        while self._idle:
            self._idle.pop().close()

    def __repr__(self) -> str:
        waiting = self._slots.statistics().tasks_waiting if self._slots else 0
        idle = sum(not connection.expired for connection in self._idle)
        return f"<Pool {self._host}:{self._port} idle={idle} busy={self._busy} queued={waiting}>"


class Http11:
    """The fast transport; see `transport.base.Transport`.

    `connections_per_origin` None opens as many as there are calls at once, as the trainer would.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        timers: Timers,
        *,
        tls: ssl.SSLContext | None = None,
        connections_per_origin: int | None = None,
    ) -> None:
        tls = tls or ssl.create_default_context()
        self.pools: dict[tuple[str, str, int], Pool] = {}
        self._routes = []
        for route in routes:
            parts = urlsplit(route.url)
            origin = (parts.scheme, parts.hostname or "", parts.port or _DEFAULT_PORTS[parts.scheme])
            pool = self.pools.setdefault(origin, Pool(origin, timers, tls, connections_per_origin))
            self._routes.append((route, _head(route, parts), pool))

    async def exchange(self, endpoint: int, body: bytes) -> Reply:
        """POST `body`; `sent` is when connecting or sending began, so waiting for a place is ours."""
        route, head, pool = self._routes[endpoint]
        payload = b"%b%d\r\n\r\n%b" % (head, len(body), body)
        await pool.enter()
        try:
            sent = trio.current_time()
            connection = pool.take_idle()
            if connection is None:
                return await _call_afresh(pool, payload, route, sent)
            idle_s = sent - connection.idle_since
            reply = await _call(pool, connection, payload, route, sent)
            if not _met_idle_limit(reply, idle_s):
                return reply
            reply = await _call_afresh(pool, payload, route, trio.current_time())
            reply.resent = True
            return reply
        finally:
            pool.leave()

    def close(self) -> None:
        """Close all idle connections."""
        for pool in self.pools.values():
            pool.close()


async def _call_afresh(pool: Pool, payload: bytes, route: Route, sent: float) -> Reply:
    connect_until = min(trio.current_time() + route.connect_time_limit_s, sent + route.time_limit_s)
    try:
        connection = await pool.connect(connect_until)
    except TimeoutError:
        return Reply(sent, trio.current_time(), fault=Fault.CONNECT_TIMEOUT)
    except (OSError, UnicodeError) as error:
        return Reply(sent, trio.current_time(), fault=fault_of_exception(error))
    return await _call(pool, connection, payload, route, sent)


def _met_idle_limit(reply: Reply, idle_s: float) -> bool:
    """Tell whether the peer most likely closed the connection for its idleness just when we used it."""
    at_once = reply.done - reply.sent <= RESEND_WITHIN_S
    return reply.fault is Fault.RESET and at_once and idle_s >= RESEND_AFTER_S


async def _call(pool: Pool, connection: Connection, payload: bytes, route: Route, sent: float) -> Reply:
    answer = Answer(route.max_answer_bytes)
    reused, keep = connection.served > 0, False
    try:
        fault, first_byte = await connection.exchange(payload, answer, sent + route.time_limit_s)
        keep = fault is None and answer.keep_alive
    finally:
        if keep:
            pool.put_idle(connection)
        else:
            connection.close()
    body = answer.body if fault is None else b""
    return Reply(sent, trio.current_time(), answer.status, body, first_byte, fault, reused)


def _head(route: Route, parts: SplitResult) -> bytes:
    """Return the request's head up to the value of content-length, which comes last."""
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_IN_TARGETS)
    ours = {
        "host": parts.netloc,
        "user-agent": _USER_AGENT,
        "accept": "application/json",
        "content-type": "application/json",
    }
    given = {name.lower() for name, _ in route.headers}
    lines = [f"POST {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in ours.items() if name not in given]
    lines += [f"{name}: {value}" for name, value in route.headers if name.lower() not in _FRAMING]
    return "\r\n".join([*lines, "content-length: "]).encode("latin-1")


_FRAMING = {"content-length", "transfer-encoding", "connection"}
_IN_TARGETS = "!$%&'()*+,-./:;=?@_~[]"  # `%` too: what is encoded already stays as it is
