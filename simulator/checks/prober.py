"""One request at a time, by httpx, with everything that can be seen of its answer.

A run's transport is fast and sees little; a probe may be slow, and wants the headers, the method it likes,
and to choose the connection. A lane is one connection: what must reach one worker of an endpoint, or several.
"""

import logging
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import httpx
import msgspec
import trio

from simulator.faults import Fault
from simulator.model import Endpoint
from simulator.transport.base import HEADERS
from simulator.transport.failures import fault_of_exception
from simulator.transport.proxies import proxy_of

_TALKATIVE = ("httpx", "httpcore")
_CLOSED_EARLY = "without sending a response"
_CLOSED_WITHIN = "without sending complete message body"

Headers = tuple[tuple[str, str], ...]


class Request(msgspec.Struct, frozen=True):
    """What is asked of an endpoint. `headers` None are the job's; `query` False leaves out the URL's."""

    endpoint: Endpoint
    body: bytes = b""
    method: str = "POST"
    headers: Headers | None = None
    query: bool = True


class Seen(msgspec.Struct, frozen=True):
    """What came of a request.

    `seconds` are from the sending to the last byte, or to the fault, without connecting, which took
    `connect_s`: None where an open connection was used. Without a head, `status` is 0 and the texts are "".
    """

    request: Request
    seconds: float
    status: int = 0
    body: bytes = b""
    fault: Fault | None = None
    connect_s: float | None = None
    content_type: str = ""
    http_version: str = ""
    retry_after: str = ""


class Asks(Protocol):
    """What a request can be sent over; see `Lane.ask`."""

    async def ask(self, request: Request, limit_s: float) -> Seen:
        """Send a request and return what came of it."""


class Lane:
    """A connection, or a few, opened when they are first needed and again when the peer has closed them.

    `closed_unasked` tells that the peer closed one under a request although it had said nothing of that.
    """

    def __init__(self, transport: httpx.AsyncHTTPTransport, connections: int, max_answer_bytes: int) -> None:
        self._transport, self._max_answer_bytes = transport, max_answer_bytes
        self._turn = trio.CapacityLimiter(connections)
        self.closed_unasked, self.resent = False, 0

    async def ask(self, request: Request, limit_s: float) -> Seen:
        """Send a request and return what came of it, after `limit_s` seconds at the latest; never raises."""
        async with self._turn:
            seen = await self._exchange(request, limit_s)
            if seen.fault is Fault.RESET and seen.connect_s is None:
                self.closed_unasked = True
                self.resent += 1
                seen = await self._exchange(request, limit_s)
            return seen

    async def _exchange(self, request: Request, limit_s: float) -> Seen:
        watch = _Watch()
        with trio.move_on_after(limit_s) as scope:
            try:
                await self._read(request, watch, scope)
            except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, UnicodeError) as error:
                watch.fault = _fault_of(error, watch)
            watch.over = True
        if not watch.over and watch.fault is None:
            watch.fault = Fault.TIMEOUT
        return watch.seen(request)

    async def _read(self, request: Request, watch: "_Watch", scope: trio.CancelScope) -> None:
        response = await self._transport.handle_async_request(_built(request, watch.trace))
        watch.response = response
        try:
            async for chunk in response.aiter_raw():
                watch.body += chunk
                if len(watch.body) > self._max_answer_bytes:
                    # Cancelled from within, httpx's generators come to an end; left behind, Trio warns.
                    watch.fault = Fault.TOO_LARGE
                    scope.cancel()
        finally:
            with trio.CancelScope(shield=True):
                await response.aclose()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._transport.aclose()


class _Watch:
    """One exchange as it goes on."""

    def __init__(self) -> None:
        self.began = self.sent = trio.current_time()
        self.connected_at: float | None = None
        self.response: httpx.Response | None = None
        self.fault: Fault | None = None
        self.body = bytearray()
        self.over = False

    async def trace(self, event: str, _info: Mapping[str, Any]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete", "setup_socks5_connection.complete")):
            self.connected_at = trio.current_time()
        elif event.endswith("send_request_headers.started"):
            self.sent = trio.current_time()

    def seen(self, request: Request) -> Seen:
        """Return what was seen until now."""
        took = trio.current_time() - self.sent
        connect_s = None if self.connected_at is None else self.connected_at - self.began
        if self.response is None:
            return Seen(request, took, fault=self.fault, connect_s=connect_s)
        return Seen(
            request,
            took,
            self.response.status_code,
            bytes(self.body) if self.fault is None else b"",
            self.fault,
            connect_s,
            self.response.headers.get("content-type", ""),
            self.response.extensions.get("http_version", b"").decode("latin-1").removeprefix("HTTP/"),
            self.response.headers.get("retry-after", ""),
        )


class Prober:
    """Makes lanes, and counts what goes over them; close it with `aclose`."""

    def __init__(
        self, environ: Mapping[str, str], max_answer_bytes: int, tls: ssl.SSLContext | None = None
    ) -> None:
        for name in _TALKATIVE:  # they log whole URLs and headers, secrets included
            logging.getLogger(name).setLevel(logging.WARNING)
        self.environ, self._max_answer_bytes = environ, max_answer_bytes
        self.tls = tls or ssl.create_default_context()
        self._lanes: list[Lane] = []

    def lane(self, endpoint: Endpoint, connections: int = 1) -> Lane:
        """Return a new lane to the endpoint's origin; InputError where its proxy is unusable."""
        proxy = proxy_of(endpoint.url, self.environ)
        transport = httpx.AsyncHTTPTransport(
            verify=self.tls,
            trust_env=False,
            limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
            proxy=proxy.address if proxy else None,
        )
        lane = Lane(transport, connections, self._max_answer_bytes)
        self._lanes.append(lane)
        return lane

    def goes_through_proxy(self, endpoint: Endpoint) -> bool:
        """Tell whether the environment names a proxy for the endpoint."""
        return proxy_of(endpoint.url, self.environ) is not None

    @property
    def resent(self) -> int:
        """How many requests went out twice because their connection was gone."""
        return sum(lane.resent for lane in self._lanes)

    async def aclose(self) -> None:
        """Close all connections."""
        for lane in self._lanes:
            await lane.aclose()


def origin_of(endpoint: Endpoint) -> str:
    """Return scheme, host and port: what shares connections."""
    parts = urlsplit(endpoint.url)
    return f"{parts.scheme}://{parts.netloc}"


def _built(request: Request, trace: Callable[..., Any]) -> httpx.Request:
    endpoint, url = request.endpoint, request.endpoint.url
    if not request.query:
        url = urlunsplit(urlsplit(url)._replace(query=""))
    given = endpoint.headers if request.headers is None else request.headers
    headers = {**HEADERS, **{name.lower(): value for name, value in given}}
    content = None if request.method == "GET" else request.body
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return httpx.Request(request.method, url, headers=encoded, content=content, extensions={"trace": trace})


def _fault_of(error: Exception, watch: _Watch) -> Fault:
    head_came = watch.response is not None
    if isinstance(error, httpx.RemoteProtocolError):
        said = str(error)
        if _CLOSED_EARLY in said:
            return Fault.RESET
        return Fault.TRUNCATED if _CLOSED_WITHIN in said else Fault.MALFORMED_HTTP
    if isinstance(error, httpx.ReadError | httpx.WriteError | httpx.CloseError):
        return Fault.TRUNCATED if head_came else Fault.RESET
    if isinstance(error, httpx.ConnectError | OSError | UnicodeError | httpx.ProxyError):
        return _innermost(error)
    return Fault.MALFORMED_HTTP


def _innermost(error: BaseException) -> Fault:
    """Return the fault of the cause that says most: libraries wrap what the socket call raised."""
    cause: BaseException | None = error
    while cause is not None:
        parts = cause.exceptions if isinstance(cause, BaseExceptionGroup) else (cause,)
        for part in parts:
            fault = fault_of_exception(part)
            if fault is not Fault.CONNECT_FAILED:
                return fault
        cause = cause.__cause__ or cause.__context__
    return Fault.CONNECT_FAILED
