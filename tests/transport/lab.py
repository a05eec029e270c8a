"""What the contract suite needs of a transport under test, and a lab for each transport."""

import ssl
from collections.abc import Callable, Sequence

import trio
import trustme

from simulator.model import Reply
from simulator.testing import ScriptServer
from simulator.timers import Timers
from simulator.transport.base import Route, Transport, exchange

AUTHORITY = trustme.CA()
STRANGER = trustme.CA()


def server_context(authority: trustme.CA = AUTHORITY, host: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(host).configure_cert(context)
    return context


def client_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


def route(
    url: str,
    *,
    headers: Sequence[tuple[str, str]] = (),
    time_limit_s: float = 600.0,
    connect_time_limit_s: float = 10.0,
    max_answer_bytes: int = 1_000_000,
) -> Route:
    return Route(url, tuple(headers), time_limit_s, connect_time_limit_s, max_answer_bytes)


class Client:
    """A transport at work, for a test that waits for its replies; `close` ends it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self._ended = trio.Event()
        self._scope = trio.CancelScope()

    async def serve(self, task_status=trio.TASK_STATUS_IGNORED) -> None:
        with self._scope:
            await self.transport.serve(task_status)
        self._ended.set()

    async def exchange(self, endpoint: int, body: bytes) -> Reply:
        return await exchange(self.transport, endpoint, body)

    async def close(self) -> None:
        self._scope.cancel()
        await self._ended.wait()


class Lab:
    """Servers that speak plain HTTP, or TLS, and transports that `make` makes."""

    def __init__(self, nursery: trio.Nursery, make: Callable[..., Transport], *, tls: bool) -> None:
        self.tls, self.timers, self._nursery, self._make = tls, Timers(), nursery, make
        nursery.start_soon(self.timers.serve)

    async def serve(self, script, *, read="all") -> ScriptServer:
        server = ScriptServer(script, read=read, tls=server_context() if self.tls else None)
        await self._nursery.start(server.serve)
        return server

    async def transport(self, *urls: str, tls: ssl.SSLContext | None = None, **limits) -> Client:
        routes = [route(url, **limits) for url in urls]
        client = Client(self._make(routes, self.timers, tls=tls or client_context()))
        await self._nursery.start(client.serve)
        return client
