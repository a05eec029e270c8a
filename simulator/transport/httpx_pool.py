"""httpcore's connections, each watched on the wire, and the pool of them that httpx sends through.

httpcore opens the connections and speaks HTTP on them, also through proxies. What it does not tell, or not in
time, is seen here: what exactly failed, when the first byte came, how long a connection was idle, whether
more came than the answer, and how many calls it can take.
"""

import select
import ssl
from collections.abc import Callable
from functools import partial

import httpcore
import httpx
import trio

from simulator.transport.base import RESEND_AFTER_S
from simulator.transport.frames import MOST_STREAMS, Frames
from simulator.transport.httpx_call import Call
from simulator.transport.httpx_wire import Backend

KEPT_IDLE_S = 60.0
"""How long an idle connection is kept; it is closed when the pool is next used."""

_PEER_LEFT = select.POLLRDHUP | select.POLLHUP | select.POLLERR
_Make = Callable[[httpcore.AsyncNetworkBackend], httpcore.AsyncConnectionInterface]


class Connection(httpcore.AsyncConnectionInterface):
    """A connection of httpcore's, and the calls it carries: one at a time, or with HTTP/2 several."""

    def __init__(self, origin: httpcore.Origin, make: _Make, rooms: dict[str, int]) -> None:
        self._origin, self._rooms = origin, rooms
        self._inner = make(Backend(self))
        self._calls: set[Call] = set()
        self._reading: Call | None = None
        self._frames: Frames | None = None
        self._open = self._retired = False
        self._served, self._idle_since = 0, trio.current_time()
        self.tcp: trio.SocketStream | None = None
        self.failure: Exception | None = None

    # -- what httpcore's pool asks

    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        """Carry a call; ConnectionNotAvailable sends it to another connection."""
        call: Call = request.extensions["call"]
        idle_s = trio.current_time() - self._idle_since if self._open and not self._calls else 0.0
        if self._open and not self._calls and self._is_stale(again=call.resent, idle_s=idle_s):
            self._retired = True
            raise httpcore.ConnectionNotAvailable
        self._calls.add(call)
        call.board(self, idle_s=idle_s, reused=self._served > 0)
        if self._open:
            call.connected()
        try:
            response = await self._inner.handle_async_request(request)
        except (httpcore.ConnectionNotAvailable, httpcore.RemoteProtocolError, OSError) as error:
            # It waited for a connection that takes one call at a time; or the server had said that it would
            # not answer all, and then did not answer this.
            if isinstance(error, httpcore.ConnectionNotAvailable) or (self._ending and not call.moved):
                self._calls.discard(call)
                call.move()
                raise httpcore.ConnectionNotAvailable from None
            raise
        call.head_came()
        return response

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        """Tell whether it leads to that origin."""
        return origin == self._origin

    def is_available(self) -> bool:
        """Tell whether it can take a further call; one that is being opened can, if it may be HTTP/2."""
        return len(self._calls) < self._room and not self._is_retired and self._inner.is_available()

    def has_expired(self) -> bool:
        """Tell whether it should be closed."""
        return not self._calls and (self._is_retired or trio.current_time() - self._idle_since > KEPT_IDLE_S)

    def is_idle(self) -> bool:
        """Return False: the pool asks only in order to have fewer idle ones, at a cost of their square."""
        return False

    def is_closed(self) -> bool:
        """Tell whether the pool may forget it."""
        return not self._calls and self._inner.is_closed()

    def info(self) -> str:
        """Return httpcore's own words."""
        return self._inner.info()

    async def aclose(self) -> None:
        """Close."""
        await self._inner.aclose()
        if self.tcp is not None:  # httpcore forgets it where opening failed half-way
            await self.tcp.aclose()

    # -- what a call tells

    @property
    def multiplexes(self) -> bool:
        """Tell whether it speaks HTTP/2."""
        return self._frames is not None

    def begin(self, call: Call) -> None:
        """Take in that the call's request goes out now: the connection is open."""
        if not self._open:
            self._open = True
            if not self.multiplexes:
                self._rooms[str(self._origin)] = 1
            for waiting in self._calls:
                waiting.connected()
        if not self.multiplexes:
            self._reading = call
            call.listen()

    async def leave(self, call: Call, *, whole: bool) -> None:
        """Take in that the call is over; what was not read to its end cannot be used again.

        httpcore does not reset a stream that is given up, and no longer acknowledges what comes on it, which
        would in the end stall all others: the connection takes no further call and is closed after the last.
        """
        self._calls.discard(call)
        if self._reading is call:
            self._reading = None
        self._served += whole
        self._idle_since = trio.current_time()
        self._retired |= not whole
        if self._is_retired and not self._calls:
            with trio.CancelScope(shield=True):
                await self.aclose()

    # -- what the wire tells

    def secured(self, protocol: str | None) -> None:
        """Take in that TLS is up, and what it was agreed to speak."""
        self._frames = Frames(self._room) if protocol == "h2" else None

    def take_in(self, data: bytes) -> bytes:
        """Return what httpcore may see of what came; b"" is the end. Raises Unusable."""
        if self._frames is not None:
            seen = self._frames.feed(data)
            self._rooms[str(self._origin)] = self._frames.streams
            return seen
        if self._reading is not None:
            self._reading.take_in(data)
        return data

    # -- what it is worth

    @property
    def _ending(self) -> bool:
        return self._frames is not None and self._frames.ending

    @property
    def _is_retired(self) -> bool:
        return self._retired or self._ending

    @property
    def _room(self) -> int:
        if self._frames is not None:
            return self._frames.streams
        return 1 if self._open else self._rooms.get(str(self._origin), MOST_STREAMS)

    def _is_stale(self, *, again: bool, idle_s: float) -> bool:
        """Tell whether the peer has closed it; HTTP/1.1 has nothing to say on an idle connection at all."""
        if self.tcp is None or (again and idle_s >= RESEND_AFTER_S):
            return True
        poll = select.poll()
        poll.register(self.tcp.socket.fileno(), select.POLLIN | _PEER_LEFT)
        (events,) = [event for _, event in poll.poll(0)] or [0]
        return bool(events & _PEER_LEFT if self.multiplexes else events)

    def __repr__(self) -> str:
        host, port = self._origin.host.decode("ascii"), self._origin.port
        return f"<Connection {host}:{port} calls={len(self._calls)} served={self._served}>"


class Pool(httpcore.AsyncConnectionPool):
    """Connections without limit, all directly or all through one proxy."""

    def __init__(self, tls: ssl.SSLContext, proxy: httpx.Proxy | None) -> None:
        super().__init__(max_connections=None)
        self._pool_of_one = partial(
            httpcore.AsyncConnectionPool, ssl_context=tls, proxy=_for_httpcore(proxy, tls), http2=True
        )
        self._rooms: dict[str, int] = {}  # how many calls a connection takes at a time, by its origin

    def create_connection(self, origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        """Return a connection, to be opened by its first call."""

        def make(backend: httpcore.AsyncNetworkBackend) -> httpcore.AsyncConnectionInterface:
            return self._pool_of_one(network_backend=backend).create_connection(origin)

        return Connection(origin, make, self._rooms)


def _for_httpcore(proxy: httpx.Proxy | None, tls: ssl.SSLContext) -> httpcore.Proxy | None:
    if proxy is None:
        return None
    url = httpcore.URL(
        scheme=proxy.url.raw_scheme, host=proxy.url.raw_host, port=proxy.url.port, target=proxy.url.raw_path
    )
    context = tls if proxy.url.scheme == "https" else None
    return httpcore.Proxy(url, auth=proxy.raw_auth, ssl_context=context)
