"""HTTP/1.1 with kept-alive connections: a pool per origin, and the transport on top.

Http11.send ─▶ Exchange ─▶ Pool.take_idle ─▶ Connection.request      an idle connection: nothing waits
                       └─▶ Pool.connect, in a task                  none: connecting does
Poller ─▶ Connection.readable ... deliver ─▶ Exchange.ended ─▶ answered(reply)
"""

import ipaddress
import math
import socket
import ssl
from collections.abc import Sequence
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

import msgspec
import trio

from simulator.faults import Fault
from simulator.hosts import DEFAULT_PORTS
from simulator.model import Reply
from simulator.timers import Timers
from simulator.transport.answer import KnownHeads
from simulator.transport.base import HEADERS, RESEND_AFTER_S, RESEND_WITHIN_S, Answered, Route
from simulator.transport.connection import Connection
from simulator.transport.failures import fault_of_exception
from simulator.transport.poll import Poller, Spawn, make_poller
from simulator.transport.wire import Address, Tls, begin_to_connect, connect

_RESOLVED_FOR_S = 30.0
_FAILED_FOR_S = 0.5  # long enough for a burst, shorter than the usual back-off: a retry asks anew


class Pool:
    """The connections to one origin. The last one used is the first one taken again."""

    def __init__(
        self, origin: tuple[str, str, int], timers: Timers, poller: Poller, context: ssl.SSLContext
    ) -> None:
        self._scheme, self._host, self._port = origin
        self._timers, self._poller, self._context = timers, poller, context
        self._heads = KnownHeads()
        self._session: ssl.SSLSession | None = None
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._resolving = trio.Lock()
        self._resolved: tuple[float, tuple[Address, ...] | OSError] = (-math.inf, ())

    def take_idle(self) -> Connection | None:
        """Return an open idle connection, or None."""
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
            self._open.discard(connection)
        return None

    def give_back(self, connection: Connection, now: float) -> None:
        """Keep a connection for the next request, or forget it where it is not to be used again."""
        if not connection.keep:
            self.drop(connection)
            return
        if self._session is None and connection.tls is not None:
            self._session = connection.tls.session
        connection.served += 1
        connection.idle_since = now
        self._idle.append(connection)

    def drop(self, connection: Connection) -> None:
        """Close a connection and forget it."""
        connection.close()
        self._open.discard(connection)

    def connect_at_once(self) -> Connection | None:
        """Open a connection if that takes no time: a plain one to an address of this machine, known already.

        None, too, when it fails: `connect` will then say why.
        """
        resolved_until, known = self._resolved
        if self._scheme != "http" or isinstance(known, OSError) or resolved_until <= trio.current_time():
            return None
        family, address = known[0]
        if not ipaddress.ip_address(address[0]).is_loopback:
            return None
        try:
            sock, connected = begin_to_connect(family, address)
        except OSError:
            return None
        if connected:
            return self._connected(sock, None)
        sock.close()  # nobody accepts as fast as we come
        return None

    async def connect(self) -> Connection:
        """Open a connection; OSError or UnicodeError when it fails."""
        sock = await connect(await self._addresses())
        try:
            tls = None
            if self._scheme == "https":
                tls = Tls(self._context, self._host, self._session)
                await tls.handshake(sock)
        except BaseException:
            sock.close()
            raise
        return self._connected(sock, tls)

    def _connected(self, sock: socket.socket, tls: Tls | None) -> Connection:
        connection = Connection(sock, tls, poller=self._poller, timers=self._timers, heads=self._heads)
        self._open.add(connection)
        return connection

    async def _addresses(self) -> tuple[Address, ...]:
        if self._resolved[0] <= trio.current_time():
            async with self._resolving:  # a burst asks once; nobody takes the lock who need not ask
                if self._resolved[0] <= trio.current_time():
                    found = await self._resolve()
                    lasts_s = _FAILED_FOR_S if isinstance(found, OSError) else _RESOLVED_FOR_S
                    self._resolved = (trio.current_time() + lasts_s, found)
        known = self._resolved[1]
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
        """Close all connections, whatever they carry."""
        while self._open:
            self._open.pop().close()
        self._idle.clear()

    def __repr__(self) -> str:
        idle = sum(not connection.closed for connection in self._idle)
        busy = sum(not connection.closed for connection in self._open) - idle
        return f"<Pool {self._host}:{self._port} idle={idle} busy={busy}>"


class Lane(msgspec.Struct, frozen=True):
    """The way to an endpoint: `head` is that of its requests up to the value of content-length."""

    route: Route
    head: bytes
    pool: Pool
    spawn: Spawn

    def __repr__(self) -> str:
        return f"<Lane {self.route}>"  # the head may hold secrets


class Exchange:
    """One request, and the reply in the making; see `transport.base.Exchange`."""

    __slots__ = ("_answered", "_began", "_connecting", "_connection", "_lane", "_payload", "_resent")

    def __init__(self, lane: Lane, payload: bytes, answered: Answered) -> None:
        self._lane, self._payload = lane, payload
        self._answered: Answered | None = answered
        self._connecting: trio.CancelScope | None = None
        self._began, self._resent = 0.0, False
        connection = self._connection = lane.pool.take_idle()
        if connection is None:
            self._begin_afresh()
        else:
            connection.request(payload, lane.route, self)

    def _begin_afresh(self) -> None:
        self._began = trio.current_time()
        connection = self._lane.pool.connect_at_once()
        if connection is None:
            self._lane.spawn(self._connect)
        else:
            self._request(connection)

    async def _connect(self) -> None:
        """Open a connection and send; connecting is part of the service time, so the call has begun."""
        route, pool = self._lane.route, self._lane.pool
        until = self._began + min(route.connect_time_limit_s, route.time_limit_s)
        if self._is_off():
            return  # before it began
        self._connecting = scope = trio.CancelScope(deadline=until)
        try:
            with scope:
                connection = await pool.connect()
        except (OSError, UnicodeError) as error:
            self._failed(fault_of_exception(error))
            return
        if scope.cancelled_caught:
            self._failed(Fault.CONNECT_TIMEOUT)
        elif self._is_off():
            pool.drop(connection)  # just as it was open
        else:
            self._request(connection)

    def _is_off(self) -> bool:
        return self._answered is None

    def _failed(self, fault: Fault) -> None:
        if self._answered is not None:
            self._answered(Reply(self._began, trio.current_time(), fault=fault, resent=self._resent))

    def _request(self, connection: Connection) -> None:
        self._connection = connection
        connection.request(self._payload, self._lane.route, self, self._began)

    def ended(self, connection: Connection, reply: Reply) -> None:
        """Deliver the reply, or send the request once more."""
        self._lane.pool.give_back(connection, reply.done)
        if reply.fault is not None and self._met_idle_limit(connection, reply):
            self._resent = True
            self._begin_afresh()
            return
        if self._resent:
            reply = msgspec.structs.replace(reply, resent=True)
        answered, self._answered = self._answered, None
        self._payload = b""  # who asked may keep this exchange for longer than it lasts
        assert answered is not None  # noqa: S101 a request that was called off has no asker any more
        answered(reply)

    def _met_idle_limit(self, connection: Connection, reply: Reply) -> bool:
        """Tell whether the peer most likely closed the connection for its idleness just when we used it."""
        return (
            reply.fault is Fault.RESET
            and reply.reused
            and not self._resent
            and reply.done - reply.sent <= RESEND_WITHIN_S
            and reply.sent - connection.idle_since >= RESEND_AFTER_S
        )

    def call_off(self) -> None:
        """Give the request up and close its connection."""
        self._answered = None
        if self._connecting is not None:
            self._connecting.cancel()
        if self._connection is not None and self._connection.asker is self:
            self._connection.asker = None
            self._lane.pool.drop(self._connection)


class Http11:
    """The fast transport; see `transport.base.Transport`.

    It opens as many connections as there are requests at once, as the trainer would.
    """

    def __init__(self, routes: Sequence[Route], timers: Timers, *, tls: ssl.SSLContext | None = None) -> None:
        tls = tls or ssl.create_default_context()
        self._poller = make_poller(timers)
        self.pools: dict[tuple[str, str, int], Pool] = {}
        self._lanes = []
        for route in routes:
            parts = urlsplit(route.url)
            origin = (parts.scheme, parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme])
            if origin not in self.pools:
                self.pools[origin] = Pool(origin, timers, self._poller, tls)
            lane = Lane(route, _head(route, parts), self.pools[origin], self._poller.spawn)
            self._lanes.append(lane)

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Connect and poll until cancelled, then close all connections."""
        try:
            await self._poller.serve(task_status)
        finally:
            for pool in self.pools.values():
                pool.close()

    def send(self, endpoint: int, body: bytes, answered: Answered) -> Exchange:
        """POST `body`; `sent` is when connecting or sending begins."""
        lane = self._lanes[endpoint]
        return Exchange(lane, b"%b%d\r\n\r\n%b" % (lane.head, len(body), body), answered)


def _head(route: Route, parts: SplitResult) -> bytes:
    """Return the request's head up to the value of content-length, which comes last."""
    target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=_IN_TARGETS)
    ours = {"host": parts.netloc, **HEADERS}
    given = {name.lower() for name, _ in route.headers}
    lines = [f"POST {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in ours.items() if name not in given]
    lines += [f"{name}: {value}" for name, value in route.headers if name.lower() not in _FRAMING]
    return "\r\n".join([*lines, "content-length: "]).encode("latin-1")


_FRAMING = {"content-length", "transfer-encoding", "connection"}
_IN_TARGETS = "!$%&'()*+,-./:;=?@_~[]"  # `%` too: what is encoded already stays as it is
