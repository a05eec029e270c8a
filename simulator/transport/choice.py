"""Which transport a run uses, and why."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from simulator.timers import Timers
from simulator.transport.base import Route, Transport
from simulator.transport.http11 import Http11
from simulator.transport.proxies import proxy_of

TransportName = Literal["auto", "http11", "httpx"]

Make = Callable[[Sequence[Route], Timers], Transport]
"""Makes a transport for routes."""


class Choice(msgspec.Struct, frozen=True):
    """A transport's name, what makes one, and the reason in a sentence that shows no secret."""

    name: Literal["http11", "httpx"]
    make: Make
    reason: str


def choose(name: TransportName, routes: Sequence[Route], environ: Mapping[str, str]) -> Choice:
    """Return the transport of that name; `auto` is httpx where a proxy is named, and otherwise http11.

    InputError where the environment names a proxy for a route's host that cannot be used.
    """
    named = {urlsplit(r.url).hostname: proxy for r in routes if (proxy := proxy_of(r.url, environ))}
    host, proxy = next(iter(named.items()), (None, None))
    proxied = f"{proxy.variable} names a proxy for {host}" if proxy else "no proxy is named for any endpoint"
    through_httpx = partial(_httpx_bridge, environ=environ)
    if name == "httpx":
        return Choice("httpx", through_httpx, "httpx, as asked for")
    if name == "http11":
        unused = f", although {proxied}: it uses none" if proxy else ""
        return Choice("http11", Http11, f"http11, as asked for{unused}")
    if proxy:
        return Choice("httpx", through_httpx, f"httpx, because {proxied}")
    return Choice("http11", Http11, f"http11, because {proxied}")


def _httpx_bridge(routes: Sequence[Route], timers: Timers, *, environ: Mapping[str, str]) -> Transport:
    from simulator.transport.httpx_bridge import HttpxBridge  # noqa: PLC0415 it takes 10 MB, and most need none

    return HttpxBridge(routes, timers, environ=environ)
