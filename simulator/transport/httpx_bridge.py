"""httpx behind the transport protocol: slower than `http11`, for HTTP/2 and for proxies.

HttpxBridge.send ─▶ Call, in a task ─▶ httpx.AsyncClient ─▶ _ByPool ─▶ Pool ─▶ Connection ─▶ httpcore
                    answered(reply) ◀─ Call.reply ◀─ what connection and client told the call

httpx is the client and httpcore speaks on the wire. How long a call may take, what is a fault and when a
request goes out again is decided here, so that both transports give the same reply.
"""

import logging
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Mapping, Sequence
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import MappingProxyType
from typing import Protocol, cast

import httpcore
import httpx
import trio

from simulator.timers import Timers
from simulator.transport.base import HEADERS, Answered, Exchange, Route
from simulator.transport.httpx_call import Call
from simulator.transport.httpx_pool import Pool
from simulator.transport.proxies import proxy_of

_FRAMING = {"content-length", "transfer-encoding", "connection"}
_TALKATIVE = ("httpx", "httpcore", "h2", "hpack")


class HttpxBridge:
    """The transport for HTTP/2 and proxies; see `transport.base.Transport`.

    HTTP/2 is spoken where the server offers it, proxies are those that `environ` names. Raises InputError
    where such a proxy cannot be used.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        _timers: Timers,
        *,
        tls: ssl.SSLContext | None = None,
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        for name in _TALKATIVE:  # they log whole URLs and headers, secrets included
            logging.getLogger(name).setLevel(logging.WARNING)
        tls = tls or ssl.create_default_context()
        self._pools: dict[str | None, Pool] = {}
        self._routes = []
        for route in routes:
            proxy = proxy_of(route.url, environ)
            variable = proxy.variable if proxy else None
            if variable not in self._pools:
                self._pools[variable] = Pool(tls, proxy.address if proxy else None)
            self._routes.append((route, self._pools[variable]))
        self._client = httpx.AsyncClient(
            transport=_ByPool(self._pools.values()),
            timeout=None,  # noqa: S113 each call has its own
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )
        self._nursery: trio.Nursery | None = None

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send until cancelled, then close all connections."""
        async with self._client, trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    def send(self, endpoint: int, body: bytes, answered: Answered) -> Exchange:
        """POST `body`; `sent` is when connecting or sending begins."""
        assert self._nursery is not None  # noqa: S101 nothing is sent before `serve`
        route, pool = self._routes[endpoint]
        call = Call(route, body)
        self._nursery.start_soon(self._carry_out, call, pool, answered)
        return call

    async def _carry_out(self, call: Call, pool: Pool, answered: Answered) -> None:
        with call.scope:
            await self._try(call, pool)
            if call.met_idle_limit:
                call.resent = True
                await self._try(call, pool)
        if call.scope.cancelled_caught:
            call.end_late()
        if not call.called_off:
            answered(call.reply())

    async def _try(self, call: Call, pool: Pool) -> None:
        call.begin()
        try:
            response = await self._client.send(_request(call, pool), stream=True)
            try:
                await call.read(response)
            finally:
                await response.aclose()
        except Exception as error:  # what httpx, httpcore and h2 may raise is no closed list
            call.end_with(error)
        finally:
            await call.leave()

    def __repr__(self) -> str:
        return f"<HttpxBridge {[route for route, _ in self._routes]}>"


def _request(call: Call, pool: Pool) -> httpx.Request:
    """Return the request with our headers and the job's and no others; httpx.InvalidURL."""
    url = httpx.URL(call.route.url)
    ours = {"host": url.netloc.decode("ascii"), **HEADERS}
    given = {name.lower() for name, _ in call.route.headers}
    pairs = [pair for pair in ours.items() if pair[0] not in given]
    pairs += [pair for pair in call.route.headers if pair[0].lower() not in _FRAMING]
    pairs.append(("content-length", str(call.size)))
    headers = [(name.encode("ascii"), value.encode("latin-1")) for name, value in pairs]
    return httpx.Request("POST", url, headers=headers, stream=call, extensions={"call": call, "pool": pool})


class _ByPool(httpx.AsyncBaseTransport):
    """Sends each of httpx's requests through the pool that it names."""

    def __init__(self, pools: Iterable[Pool]) -> None:
        self._pools = pools

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        pool: Pool = request.extensions["pool"]
        url = request.url
        response = await pool.handle_async_request(
            httpcore.Request(
                request.method,
                httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=cast("AsyncIterable[bytes]", request.stream),
                extensions=request.extensions,
            )
        )
        return httpx.Response(
            response.status,
            headers=response.headers,
            stream=_Body(cast("_Closable", response.stream)),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        for pool in self._pools:
            await pool.aclose()


class _Body(httpx.AsyncByteStream):
    """httpcore's stream as one of httpx's."""

    def __init__(self, stream: "_Closable") -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Closable(Protocol):
    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...
