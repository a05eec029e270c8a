"""What the contract suite needs of a transport under test, and a lab for each transport."""

import ssl
from collections.abc import Sequence

import trio
import trustme

from simulator.testing import ScriptServer
from simulator.timers import Timers
from simulator.transport.base import Route, Transport
from simulator.transport.http11 import Http11

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


class Http11Lab:
    """Http11 against servers that speak plain HTTP, or TLS."""

    def __init__(self, nursery: trio.Nursery, *, tls: bool) -> None:
        self.tls, self.timers, self._nursery = tls, Timers(), nursery
        self._transports: list[Transport] = []
        nursery.start_soon(self.timers.serve)

    async def serve(self, script, *, read="all") -> ScriptServer:
        server = ScriptServer(script, read=read, tls=server_context() if self.tls else None)
        await self._nursery.start(server.serve)
        return server

    def transport(self, *urls: str, connections: int | None = None, **limits) -> Transport:
        routes = [route(url, **limits) for url in urls]
        made = Http11(routes, self.timers, tls=client_context(), connections_per_origin=connections)
        self._transports.append(made)
        return made

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
