"""A second connection over TLS resumes the session of the first, where the server agrees."""

import ssl

import pytest
import trio

from simulator.faults import Fault
from simulator.testing import ScriptServer, ok
from simulator.transport.http11 import Http11
from tests.transport.lab import AUTHORITY, STRANGER, Lab, client_context, server_context

VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class Forgetful:
    """A server's context that is a new one for each connection: it knows no session of an earlier one."""

    def __init__(self, *authorities):
        self._authorities = iter(authorities)

    def wrap_bio(self, *arguments, **options):
        return server_context(next(self._authorities)).wrap_bio(*arguments, **options)


@pytest.fixture
async def lab(nursery):
    return Lab(nursery, Http11, tls=True)


async def serve(nursery, context):
    server = ScriptServer([[1.0, ok(b"{}")]], tls=context)
    await nursery.start(server.serve)
    return server


async def at_once(client, requests):
    """The replies to so many requests at the same time, each on a connection of its own."""
    replies = []

    async def ask():
        replies.append(await client.exchange(0, b"{}"))

    async with trio.open_nursery() as nursery:
        for _ in range(requests):
            nursery.start_soon(ask)
    return replies


def resumed(client):
    """Which of the connections resumed a session, in the order of how much they have served."""
    (pool,) = client.transport.pools.values()
    connections = sorted(pool._open, key=lambda connection: -connection.served)
    return [connection.tls.resumed for connection in connections]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_a_connection_after_the_first_answer_resumes_its_session(lab, nursery, clock, version):
    theirs, ours = server_context(), client_context()
    theirs.maximum_version = ours.minimum_version = version
    ours.maximum_version = version
    server = await serve(nursery, theirs)
    client = await lab.transport(server.url, tls=ours)
    await at_once(client, 1)
    replies = await at_once(client, 4)
    assert [(reply.fault, reply.body) for reply in replies] == [(None, b"{}")] * 4
    assert (server.connections, resumed(client)) == (4, [False, True, True, True])


async def test_the_connections_of_a_first_burst_have_nothing_to_resume(lab, nursery, clock):
    client = await lab.transport((await serve(nursery, server_context())).url)
    assert [reply.fault for reply in await at_once(client, 3)] == [None] * 3
    assert resumed(client) == [False] * 3


async def test_a_server_that_gives_no_tickets_is_greeted_anew_each_time(lab, nursery, clock):
    theirs = server_context()
    theirs.num_tickets = 0
    theirs.options |= ssl.OP_NO_TICKET
    client = await lab.transport((await serve(nursery, theirs)).url)
    for requests in (1, 2, 3):
        assert [reply.fault for reply in await at_once(client, requests)] == [None] * requests
    assert resumed(client) == [False] * 3


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_a_server_that_knows_the_session_no_more_is_none_that_fails(lab, nursery, clock, version):
    ours = client_context()
    ours.minimum_version = ours.maximum_version = version
    client = await lab.transport((await serve(nursery, Forgetful(*[AUTHORITY] * 3))).url, tls=ours)
    for requests in (1, 2, 3):
        replies = await at_once(client, requests)
        assert [(reply.fault, reply.body) for reply in replies] == [(None, b"{}")] * requests
    assert resumed(client) == [False] * 3


async def test_who_knows_the_session_no_more_is_verified_again(lab, nursery, clock):
    client = await lab.transport((await serve(nursery, Forgetful(AUTHORITY, STRANGER))).url)
    await at_once(client, 1)
    faults = [reply.fault for reply in await at_once(client, 2)]
    assert sorted(faults, key=str) == [None, Fault.TLS]


async def test_origins_have_sessions_of_their_own(lab, nursery, clock):
    servers = [await serve(nursery, server_context()) for _ in range(2)]
    client = await lab.transport(*[server.url for server in servers])
    for endpoint in (0, 1):
        assert (await client.exchange(endpoint, b"{}")).fault is None
    for pool in client.transport.pools.values():
        assert [connection.tls.resumed for connection in pool._open] == [False]
