"""Http11, plain and over TLS: the contract of all transports, and what is its own."""

import os
import resource
import ssl
from contextlib import contextmanager

import pytest
import trio

from simulator.faults import Fault
from simulator.testing import HANG, ScriptServer, ok
from simulator.transport import http11
from simulator.transport.connection import IDLE_S
from simulator.transport.http11 import Http11
from simulator.transport.poll import Poller
from tests.transport.contract import HEAD, TransportContract
from tests.transport.lab import STRANGER, Lab, server_context


class _Http11(TransportContract):
    def everything_in(self, client, reply):
        transport = client.transport
        (pool,) = transport.pools.values()
        routes = [lane.route for lane in transport._lanes]
        return [transport, reply, pool, *pool._open, *transport._lanes, *routes]


class TestHttp11Plain(_Http11):
    @pytest.fixture
    async def lab(self, nursery):
        return Lab(nursery, Http11, tls=False)


class TestHttp11Tls(_Http11):
    @pytest.fixture
    async def lab(self, nursery):
        return Lab(nursery, Http11, tls=True)


class TestHttp11WithoutEpoll(_Http11):
    @pytest.fixture
    async def lab(self, nursery, monkeypatch):
        monkeypatch.setattr(http11, "make_poller", lambda _timers: Poller())
        return Lab(nursery, Http11, tls=False)


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
async def lab(request, nursery):
    return Lab(nursery, Http11, tls=request.param)


def the_pool(client):
    (pool,) = client.transport.pools.values()
    return pool


# -- the pool


async def test_the_pools_repr_shows_its_state(lab, clock):
    server = await lab.serve([[5.0, ok(b"")]])
    transport = await lab.transport(server.url)

    async with trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(transport.exchange, 0, b"{}")
        await trio.sleep(1)
        assert repr(the_pool(transport)) == f"<Pool 127.0.0.1:{server.port} idle=0 busy=5>"
    assert repr(the_pool(transport)) == f"<Pool 127.0.0.1:{server.port} idle=5 busy=0>"


@pytest.mark.parametrize("script", [[HANG], [HEAD + b"0123", HANG]], ids=["before", "inside"])
async def test_cancellation_leaves_the_pool_clean(lab, clock, script):
    server = await lab.serve([script])
    transport = await lab.transport(server.url)
    with trio.move_on_after(3.0):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(transport.exchange, 0, b"{}")
    assert repr(the_pool(transport)) == f"<Pool 127.0.0.1:{server.port} idle=0 busy=0>"


async def test_an_idle_connection_is_closed_in_the_end(lab, clock):
    server = await lab.serve([[ok(b"")]])
    transport = await lab.transport(server.url)
    await transport.exchange(0, b"{}")
    await trio.sleep(IDLE_S - 1)
    await transport.exchange(0, b"{}")
    await trio.sleep(IDLE_S - 1)
    assert (server.connections, server.open) == (1, 1), "each use begins the wait anew"
    await trio.sleep(2)
    assert server.open == 0
    assert repr(the_pool(transport)) == f"<Pool 127.0.0.1:{server.port} idle=0 busy=0>"
    reply = await transport.exchange(0, b"{}")
    assert (reply.reused, reply.fault) == (False, None)


async def test_the_connection_used_last_is_used_first(lab, clock):
    server = await lab.serve([[1.0, ok(b"")]])
    transport = await lab.transport(server.url)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(transport.exchange, 0, b"{}")
        await trio.sleep(0.5)
        nursery.start_soon(transport.exchange, 0, b"{}")
    for _ in range(3):
        await transport.exchange(0, b"{}")
    assert [request.connection for request in server.requests] == [0, 1, 1, 1, 1]


async def test_origins_have_pools_of_their_own(lab, clock):
    first, second = await lab.serve([[ok(b"1")]]), await lab.serve([[ok(b"2")]])
    transport = await lab.transport(first.url, second.url)
    assert [(await transport.exchange(endpoint, b"{}")).body for endpoint in (0, 1)] == [b"1", b"2"]
    assert len(transport.transport.pools) == 2


async def test_a_failed_name_is_asked_for_again_by_a_retry(lab, clock):
    transport = await lab.transport(f"http://{'x' * 64}.invalid/")
    await transport.exchange(0, b"{}")
    pool = the_pool(transport)
    asked_until = pool._resolved[0]
    await transport.exchange(0, b"{}")
    assert pool._resolved[0] == asked_until, "a burst asks once"
    await trio.sleep(1.0)
    await transport.exchange(0, b"{}")
    assert pool._resolved[0] > asked_until


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
    assert len(server.requests) == 1


async def test_no_connection_within_the_connect_limit(nursery, clock):
    # Over TLS the handshake is part of connecting; this server accepts and says nothing.
    lab = Lab(nursery, Http11, tls=False)
    server = await lab.serve([[HANG]], read="nothing")
    url = server.url.replace("http:", "https:")
    reply = await (await lab.transport(url, connect_time_limit_s=10.0, time_limit_s=600.0)).exchange(0, b"{}")
    assert reply.fault is Fault.CONNECT_TIMEOUT
    assert reply.done - reply.sent == pytest.approx(10.0)
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert server.open == 0


async def test_connecting_is_part_of_the_calls_time_limit(nursery, clock):
    lab = Lab(nursery, Http11, tls=False)
    server = await lab.serve([[HANG]], read="nothing")
    url = server.url.replace("http:", "https:")
    reply = await (await lab.transport(url, connect_time_limit_s=10.0, time_limit_s=4.0)).exchange(0, b"{}")
    assert reply.done - reply.sent == pytest.approx(4.0)


# -- TLS


async def tls_reply(nursery, context, *, host="127.0.0.1"):
    lab = Lab(nursery, Http11, tls=True)
    server = ScriptServer([[ok(b"secret")]], tls=context)
    await nursery.start(server.serve)
    transport = await lab.transport(f"https://{host}:{server.port}/")
    return await transport.exchange(0, b"{}"), server


async def test_a_certificate_of_an_unknown_authority_is_refused(nursery, clock):
    reply, server = await tls_reply(nursery, server_context(STRANGER))
    assert (reply.fault, reply.body) == (Fault.TLS, b"")
    assert server.requests == []


async def test_a_certificate_of_another_host_is_refused(nursery, clock):
    reply, server = await tls_reply(nursery, server_context(host="other.example"))
    assert (reply.fault, reply.body) == (Fault.TLS, b"")
    assert server.requests == []


async def test_by_default_only_the_systems_authorities_are_trusted(nursery, clock):
    lab = Lab(nursery, Http11, tls=True)
    server = await lab.serve([[ok(b"secret")]])
    transport = await lab.transport(server.url, tls=ssl.create_default_context())
    reply = await transport.exchange(0, b"{}")
    assert (reply.fault, server.requests) == (Fault.TLS, [])


async def test_a_server_that_does_not_speak_tls(nursery, clock):
    lab = Lab(nursery, Http11, tls=False)
    server = await lab.serve([[b"HTTP/1.1 400 Bad Request\r\n\r\n", HANG]], read="nothing")
    reply = await (await lab.transport(server.url.replace("http:", "https:"))).exchange(0, b"{}")
    assert reply.fault is Fault.TLS
