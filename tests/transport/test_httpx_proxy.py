"""HttpxBridge through proxies, over HTTP and SOCKS, to hosts that only the proxy can resolve."""

import base64
import contextlib
import socket
from functools import partial

import pytest
import trio

from simulator.faults import Fault
from simulator.testing import CLOSE, HANG, RESET, ScriptServer, http, ok
from simulator.transport.httpx_bridge import HttpxBridge
from tests.transport.http2_server import Http2Server
from tests.transport.lab import Lab, server_context

CREDENTIALS = "user:s3cret"
BASIC = "Basic " + base64.b64encode(CREDENTIALS.encode()).decode()


class Tunnels:
    """A proxy that leads to a port on this machine, whatever host is asked for."""

    def __init__(self, port, *, socks=False, tls=None):
        self._target, self._socks, self._tls = port, socks, tls
        self.heads, self.port = [], 0

    async def serve(self, task_status=trio.TASK_STATUS_IGNORED):
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        await trio.serve_listeners(self._talk, [listener], task_status=task_status)

    async def _talk(self, stream):
        if self._tls is not None:
            stream = trio.SSLStream(stream, self._tls, server_side=True, https_compatible=True)
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await (self._answer_socks(stream) if self._socks else self._answer_connect(stream))
            target = await trio.open_tcp_stream("127.0.0.1", self._target)
            async with target, trio.open_nursery() as nursery:
                nursery.start_soon(_copy, stream, target, nursery.cancel_scope)
                nursery.start_soon(_copy, target, stream, nursery.cancel_scope)
        await trio.aclose_forcefully(stream)

    async def _answer_connect(self, stream):
        self.heads.append(await stream.receive_some())
        await stream.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")

    async def _answer_socks(self, stream):
        await stream.receive_some()
        await stream.send_all(b"\x05\x02")  # a user and a password, please
        self.heads.append(await stream.receive_some())
        await stream.send_all(b"\x01\x00")
        self.heads.append(await stream.receive_some())
        await stream.send_all(b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00")


async def _copy(source, target, scope):
    with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
        while data := await source.receive_some():
            await target.send_all(data)
    scope.cancel()


async def through(nursery, proxy, url, *, scheme="http", **limits):
    """Return a client that sends through a proxy, with credentials."""
    environ = {"ALL_PROXY": f"{scheme}://{CREDENTIALS}@127.0.0.1:{proxy}"}
    lab = Lab(nursery, partial(HttpxBridge, environ=environ), tls=False)
    return await lab.transport(url, **limits)


# -- plain HTTP: the proxy is asked for the whole URL


async def test_a_plain_request_goes_to_the_proxy_with_its_whole_url(nursery, clock):
    proxy = ScriptServer([[1.0, ok(b"through")]])
    await nursery.start(proxy.serve)
    transport = await through(nursery, proxy.port, "http://tools.example/search?q=1")
    replies = [await transport.exchange(0, b"{}") for _ in range(2)]
    assert [(reply.body, reply.fault, reply.reused) for reply in replies] == [
        (b"through", None, False),
        (b"through", None, True),
    ]
    assert replies[0].first_byte - replies[0].sent == pytest.approx(1.0)
    headers = dict(proxy.requests[0].headers)
    assert proxy.requests[0].target == "http://tools.example/search?q=1"
    assert (headers["host"], headers["proxy-authorization"]) == ("tools.example", BASIC)


@pytest.mark.parametrize("status", [407, 502])
async def test_what_a_proxy_answers_to_a_plain_request_is_the_answer(nursery, clock, status):
    proxy = ScriptServer([[http(status, b"no")]])
    await nursery.start(proxy.serve)
    reply = await (await through(nursery, proxy.port, "http://tools.example/")).exchange(0, b"{}")
    assert (reply.status, reply.body, reply.fault) == (status, b"no", None)


# -- TLS: the proxy makes a tunnel


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_request_over_tls_goes_through_a_tunnel(nursery, clock, scheme):
    server = ScriptServer([[1.0, ok(b"through")]], tls=server_context(host="tools.example"))
    await nursery.start(server.serve)
    proxy = Tunnels(server.port, tls=server_context() if scheme == "https" else None)
    await nursery.start(proxy.serve)
    transport = await through(nursery, proxy.port, "https://tools.example/x", scheme=scheme)
    replies = [await transport.exchange(0, b"{}") for _ in range(2)]
    assert [(reply.body, reply.reused) for reply in replies] == [(b"through", False), (b"through", True)]
    assert replies[0].first_byte - replies[0].sent == pytest.approx(1.0), "and not the proxy's first byte"
    (head,) = proxy.heads
    assert head.startswith(b"CONNECT tools.example:443 HTTP/1.1\r\n")
    assert BASIC.encode() in head
    assert "proxy-authorization" not in dict(server.requests[0].headers)


async def test_http_2_is_spoken_through_a_tunnel(nursery, clock):
    async def answer(stream):
        await stream.ok(b"through")

    server = Http2Server(answer, context=server_context(host="tools.example"))
    await nursery.start(server.serve)
    proxy = Tunnels(server.port)
    await nursery.start(proxy.serve)
    reply = await (await through(nursery, proxy.port, "https://tools.example/")).exchange(0, b"{}")
    assert (reply.body, reply.fault, server.requests[0].headers[":authority"]) == (
        b"through",
        None,
        "tools.example",
    )


@pytest.mark.parametrize(
    ("script", "fault", "seconds"),
    [
        ([http(407, b"who?", "proxy-authenticate: Basic")], Fault.CONNECT_FAILED, 0.0),
        ([http(502, b"")], Fault.CONNECT_FAILED, 0.0),
        ([b"hello\r\n\r\n"], Fault.CONNECT_FAILED, 0.0),
        ([CLOSE], Fault.CONNECT_FAILED, 0.0),
        ([RESET], Fault.RESET, 0.0),
        ([HANG], Fault.CONNECT_TIMEOUT, 10.0),
        ([b"HTTP/1.1 200 .\r\n\r\n", 0.5, b"no TLS", HANG], Fault.TLS, 0.5),
    ],
)
async def test_a_proxy_that_makes_no_tunnel(nursery, clock, script, fault, seconds):
    proxy = ScriptServer([script])
    await nursery.start(proxy.serve)
    transport = await through(nursery, proxy.port, "https://tools.example/")
    for _ in range(2):
        reply = await transport.exchange(0, b"{}")
        assert (reply.fault, reply.status, reply.first_byte, reply.resent) == (fault, 0, None, False)
        assert reply.done - reply.sent == pytest.approx(seconds)
    assert [request.target for request in proxy.requests] == ["tools.example:443"] * 2
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert proxy.open == 0
    (pool,) = transport.transport._pools.values()
    assert len(pool.connections) <= 1, "what failed is forgotten"


async def test_a_proxy_where_nobody_listens(nursery, clock):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        transport = await through(nursery, bound.getsockname()[1], "https://tools.example/")
        assert (await transport.exchange(0, b"{}")).fault is Fault.CONNECT_REFUSED


# -- SOCKS


@pytest.mark.parametrize("tls", [False, True])
async def test_a_request_through_a_socks_proxy(nursery, clock, tls):
    server = ScriptServer([[1.0, ok(b"through")]], tls=server_context(host="tools.example") if tls else None)
    await nursery.start(server.serve)
    proxy = Tunnels(server.port, socks=True)
    await nursery.start(proxy.serve)
    url = f"{'https' if tls else 'http'}://tools.example/"
    reply = await (await through(nursery, proxy.port, url, scheme="socks5h")).exchange(0, b"{}")
    assert (reply.body, reply.fault) == (b"through", None)
    assert reply.first_byte - reply.sent == pytest.approx(1.0)
    assert b"tools.example" in proxy.heads[1]


@pytest.mark.parametrize(
    ("script", "fault"), [([b"\x05\xff", HANG], Fault.CONNECT_FAILED), ([HANG], Fault.CONNECT_TIMEOUT)]
)
async def test_a_socks_proxy_that_refuses(nursery, clock, script, fault):
    proxy = ScriptServer([script], read="nothing")
    await nursery.start(proxy.serve)
    transport = await through(nursery, proxy.port, "http://tools.example/", scheme="socks5")
    assert (await transport.exchange(0, b"{}")).fault is fault
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert proxy.open == 0


# -- which proxy, and its secrets


async def test_each_route_goes_its_own_way(nursery, clock):
    proxy, server = ScriptServer([[ok(b"through")]]), ScriptServer([[ok(b"straight")]])
    await nursery.start(proxy.serve)
    await nursery.start(server.serve)
    environ = {"http_proxy": f"127.0.0.1:{proxy.port}"}
    lab = Lab(nursery, partial(HttpxBridge, environ=environ), tls=False)
    transport = await lab.transport("http://tools.example/", server.url)
    assert [(await transport.exchange(route, b"{}")).body for route in (0, 1)] == [b"through", b"straight"]


async def test_no_repr_shows_a_proxys_credentials(nursery, clock):
    proxy = ScriptServer([[http(407, b"")]])
    await nursery.start(proxy.serve)
    client = await through(nursery, proxy.port, "https://tools.example/")
    reply = await client.exchange(0, b"{}")
    (pool,) = client.transport._pools.values()
    for shown in (client.transport, client.transport._client, reply, pool, *pool.connections):
        assert "s3cret" not in repr(shown)
        assert BASIC not in repr(shown)
