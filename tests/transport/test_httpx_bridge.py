"""HttpxBridge over HTTP/1.1, plain and over TLS: the contract of all transports, and what is its own."""

# ruff: noqa: ARG002 the clock is asked for its effect alone

import gzip
import logging
import os
import resource
from contextlib import contextmanager

import pytest
import trio

from simulator.faults import Fault
from simulator.testing import CLOSE, HANG, ScriptServer, http, ok
from simulator.transport.base import RESEND_AFTER_S
from simulator.transport.httpx_bridge import HttpxBridge
from tests.transport.contract import CHUNKED, HEAD, TransportContract
from tests.transport.lab import STRANGER, Lab, server_context


class _Bridge(TransportContract):
    def everything_in(self, transport, reply):
        (pool,) = transport.transport._pools.values()
        routes = [route for route, _ in transport.transport._routes]
        return [transport.transport, transport.transport._client, reply, pool, *pool.connections, *routes]

    async def test_the_jobs_headers_take_the_place_of_ours(self, lab, clock):
        """As with the others, in another order: h11 puts `host` first, as the standard advises."""
        given = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("HOST", "tools.example"),
            ("User-Agent", "job"),
            ("accept", "*/*"),
        ]
        _, server = await self.once(lab, [ok(b"")], headers=given)
        headers = server.requests[0].headers
        assert sorted(pair for pair in headers if pair[0] != "content-length") == sorted(
            (name.lower(), value) for name, value in given
        )

    async def test_a_body_of_the_limit_in_chunks_of_a_byte_is_taken(self, lab, clock):
        """As with the others, with a smaller limit: h11 takes ten seconds for a million chunks."""
        script = [CHUNKED + b"1\r\nx\r\n" * 10_000 + b"0\r\n\r\n"]
        reply, _ = await self.once(lab, script, max_answer_bytes=10_000)
        assert (len(reply.body), reply.fault) == (10_000, None)


class TestHttpxBridgePlain(_Bridge):
    @pytest.fixture
    def lab(self, nursery):
        return Lab(nursery, HttpxBridge, tls=False)


class TestHttpxBridgeTls(_Bridge):
    @pytest.fixture
    def lab(self, nursery):
        return Lab(nursery, HttpxBridge, tls=True)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def lab(request, nursery):
    return Lab(nursery, HttpxBridge, tls=request.param)


@pytest.fixture
def plain(nursery):
    return Lab(nursery, HttpxBridge, tls=False)


# -- what httpx would do on its own


async def test_no_header_is_httpxs_own(lab, clock):
    server = await lab.serve([[ok(b"")]])
    await (await lab.transport(server.url)).exchange(0, b"{}")
    assert server.requests[0].headers == [
        ("host", f"127.0.0.1:{server.port}"),
        ("user-agent", "rft-preflight"),
        ("accept", "application/json"),
        ("content-type", "application/json"),
        ("content-length", "2"),
    ]


async def test_a_redirect_is_not_followed_and_no_cookie_kept(lab, clock):
    moved = http(302, b"", "location: /elsewhere", "set-cookie: a=b")
    server = await lab.serve([[moved]])
    transport = await lab.transport(server.url)
    assert [(await transport.exchange(0, b"{}")).status for _ in range(2)] == [302, 302]
    assert [request.target for request in server.requests] == ["/", "/"]
    assert "cookie" not in dict(server.requests[1].headers)


async def test_nothing_is_decompressed(lab, clock):
    packed = gzip.compress(b"x" * 50_000_000)
    server = await lab.serve([[http(200, packed, "content-encoding: gzip")]])
    reply = await (await lab.transport(server.url)).exchange(0, b"{}")
    assert (reply.body, reply.fault) == (packed, None)


async def test_no_log_shows_a_secret(lab, clock, caplog):
    caplog.set_level(logging.DEBUG)
    server = await lab.serve([[ok(b"")]])
    url = f"{server.url}?code=s3cret"
    await (await lab.transport(url, headers=[("authorization", "Bearer s3cret")])).exchange(0, b"{}")
    assert "s3cret" not in caplog.text


# -- connections


async def test_other_connections_that_were_idle_as_long_are_not_tried_when_sending_again(lab, clock):
    scripts = [*[[1.0, ok(b"first")]] * 3, [CLOSE], [ok(b"second")]]
    server = await lab.serve(scripts)
    transport = await lab.transport(server.url)
    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(transport.exchange, 0, b"{}")
    await trio.sleep(RESEND_AFTER_S)
    reply = await transport.exchange(0, b"{}")
    assert (reply.body, reply.resent, reply.reused) == (b"second", True, False)
    assert (server.connections, len(server.requests)) == (4, 5)


@pytest.mark.parametrize("script", [[HANG], [HEAD + b"0123", HANG]], ids=["before", "inside"])
async def test_cancellation_leaves_the_pool_clean(lab, clock, script):
    server = await lab.serve([script, script, script, script, [ok(b"next")]])
    transport = await lab.transport(server.url)
    with trio.move_on_after(3.0):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(transport.exchange, 0, b"{}")
    await transport.exchange(0, b"{}")
    (pool,) = transport.transport._pools.values()
    assert [repr(connection) for connection in pool.connections] == [
        f"<Connection 127.0.0.1:{server.port} calls=0 served=1>"
    ]


@contextmanager
def no_further_file():
    """Let this process open no further file or socket."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest_free = os.dup(0)
    os.close(lowest_free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


async def test_a_machine_without_a_socket_left_is_no_fault_of_the_endpoints(lab, clock):
    server = await lab.serve([[ok(b"well")]])
    transport = await lab.transport(server.url)
    with no_further_file():
        reply = await transport.exchange(0, b"{}")
    assert (reply.fault, reply.status, reply.first_byte) == (Fault.NO_SOCKET, 0, None)
    assert (await transport.exchange(0, b"{}")).body == b"well"


@pytest.mark.parametrize(("time_limit_s", "ends_after_s"), [(600.0, 10.0), (4.0, 4.0)])
async def test_no_connection_within_the_limit(plain, clock, time_limit_s, ends_after_s):
    # Over TLS the handshake is part of connecting; this server accepts and says nothing.
    server = await plain.serve([[HANG]], read="nothing")
    transport = await plain.transport(server.url.replace("http:", "https:"), time_limit_s=time_limit_s)
    replies = []

    async def one():
        replies.append(await transport.exchange(0, b"{}"))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(one)
    assert [reply.fault for reply in replies] == [Fault.CONNECT_TIMEOUT] * 3
    assert [reply.done - reply.sent for reply in replies] == pytest.approx([ends_after_s] * 3)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert server.open == 0


async def test_who_waits_for_a_connection_that_fails_shares_its_fate(plain, clock):
    server = await plain.serve([[b"no TLS\r\n\r\n", HANG]], read="nothing")
    transport = await plain.transport(server.url.replace("http:", "https:"))
    replies = []

    async def one():
        replies.append(await transport.exchange(0, b"{}"))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(one)
    assert ({reply.fault for reply in replies}, server.connections) == ({Fault.TLS}, 1)


async def test_who_stops_waiting_for_a_connection_does_not_disturb_its_first_call(nursery, clock):
    lab = Lab(nursery, HttpxBridge, tls=True)
    server = await lab.serve([[1.0, HEAD + b"01234", 1.0, CLOSE]])
    client = await lab.transport(server.url)
    replies = []
    client.transport.send(0, b"{}", replies.append)
    waiting = client.transport.send(0, b"{}", replies.append)
    await trio.testing.wait_all_tasks_blocked(0)
    waiting.call_off()
    await trio.sleep(10.0)
    assert [(reply.fault, reply.status) for reply in replies] == [(Fault.TRUNCATED, 200)]


async def test_a_host_that_is_no_name_at_all(plain, clock):
    reply = await (await plain.transport("http://\u2060.example/")).exchange(0, b"{}")
    assert (reply.fault, reply.status) == (Fault.DNS, 0)


# -- TLS


@pytest.mark.parametrize(
    "context",
    [server_context(STRANGER), server_context(host="other.example")],
    ids=["stranger", "other host"],
)
async def test_a_certificate_that_cannot_be_verified_is_refused(nursery, plain, clock, context):
    server = ScriptServer([[ok(b"secret")]], tls=context)
    await nursery.start(server.serve)
    reply = await (await plain.transport(server.url)).exchange(0, b"{}")
    assert (reply.fault, reply.body, server.requests) == (Fault.TLS, b"", [])


async def test_by_default_only_the_systems_authorities_are_trusted(nursery, clock):
    lab = Lab(nursery, lambda routes, timers, **_: HttpxBridge(routes, timers), tls=True)
    server = await lab.serve([[ok(b"secret")]])
    reply = await (await lab.transport(server.url)).exchange(0, b"{}")
    assert (reply.fault, server.requests) == (Fault.TLS, [])
