"""HttpxBridge and HTTP/2: many calls on a connection, and what becomes of them when one or all end."""

import pytest
import trio

from simulator.faults import Fault
from simulator.testing import ok
from simulator.transport.base import exchange
from simulator.transport.httpx_bridge import HttpxBridge
from tests.transport.http2_server import Http2Server
from tests.transport.lab import Lab

MEGABYTE = 1_000_000


class Http2Lab(Lab):
    """HttpxBridge against servers that speak HTTP/2."""

    def __init__(self, nursery):
        super().__init__(nursery, HttpxBridge, tls=True)

    async def serve(self, *answers, **options):
        """Start a server; one answer per request as they come, the last one for all that follow."""
        nth = iter(range(MEGABYTE))

        async def answer(stream):
            await answers[min(next(nth), len(answers) - 1)](stream)

        server = Http2Server(answer, **options)
        await self._nursery.start(server.serve)
        return server


@pytest.fixture
def lab(nursery):
    return Http2Lab(nursery)


async def answered(stream):
    await stream.ok(b"fine")


async def after_a_second(stream):
    await trio.sleep(1.0)
    await stream.ok(b"fine")


async def never(stream):
    await trio.sleep_forever()


async def at_once(transport, count):
    """Make calls at the same time; returns their replies in the order of the calls."""
    replies = {}

    async def one(number):
        replies[number] = await transport.exchange(0, b"%d" % number)

    async with trio.open_nursery() as nursery:
        for number in range(count):
            nursery.start_soon(one, number)
    return [replies[number] for number in range(count)]


# -- answers


async def test_a_reply_has_status_body_and_stamps(lab, clock):
    async def slow(stream):
        await trio.sleep(2.0)
        await stream.head(201)
        await trio.sleep(1.0)
        await stream.data(b"made", end=True)

    server = await lab.serve(slow)
    reply = await (await lab.transport(f"{server.url}a?b=c", headers=[("Authorization", "key")])).exchange(
        0, b"{}"
    )
    assert (reply.status, reply.body, reply.fault, reply.reused) == (201, b"made", None, False)
    assert (reply.first_byte - reply.sent, reply.done - reply.sent) == pytest.approx((2.0, 3.0))
    (request,) = server.requests
    assert request.body == b"{}"
    assert request.headers == {
        ":method": "POST",
        ":authority": f"127.0.0.1:{server.port}",
        ":scheme": "https",
        ":path": "/a?b=c",
        "user-agent": "rft-preflight",
        "accept": "application/json",
        "content-type": "application/json",
        "authorization": "key",
        "content-length": "2",
    }


async def test_a_large_request_arrives_whole(lab, clock):
    server = await lab.serve(answered)
    body = bytes(range(256)) * 4000
    assert (await (await lab.transport(server.url)).exchange(0, body)).body == b"fine"
    assert server.requests[0].body == body


async def test_calls_at_the_same_time_share_a_connection(lab, clock):
    server = await lab.serve(after_a_second)
    transport = await lab.transport(server.url)
    replies = await at_once(transport, 50)
    assert {(reply.body, reply.fault) for reply in replies} == {(b"fine", None)}
    assert max(reply.done - reply.sent for reply in replies) == pytest.approx(1.0)
    assert server.connections == 1
    assert (await transport.exchange(0, b"{}")).reused


@pytest.mark.parametrize(("streams", "connections"), [(100, 2), (20, 6), (1, 120), (None, 120)], ids=str)
async def test_more_calls_than_a_connection_takes_open_further_ones(lab, clock, streams, connections):
    server = await lab.serve(after_a_second, streams=streams)
    transport = await lab.transport(server.url)
    await transport.exchange(0, b"{}")
    replies = await at_once(transport, 120)
    assert max(reply.done - reply.sent for reply in replies) == pytest.approx(1.0, abs=0.1)
    assert server.connections == connections


async def test_a_server_that_may_speak_either_speaks_http_1_1(nursery, clock):
    lab = Lab(nursery, HttpxBridge, tls=True)
    server = await lab.serve([[1.0, ok(b"old")]])
    replies = await at_once(await lab.transport(server.url), 10)
    assert {(reply.body, reply.resent) for reply in replies} == {(b"old", False)}
    assert max(reply.done - reply.sent for reply in replies) == pytest.approx(1.0)
    assert server.connections == 10


# -- ends of a stream


async def reset(stream):
    await stream.reset()


async def reset_inside(stream):
    await stream.head()
    await stream.data(b"fi")
    await trio.sleep(0.5)
    await stream.reset()


async def too_large_as_said(stream):
    await stream.head(404, content_length="1000001")
    await never(stream)


async def too_large(stream):
    await stream.head(404)
    await stream.data(b"x" * 1_100_000)
    await never(stream)


@pytest.mark.parametrize(
    ("answer", "fault", "status"),
    [
        (reset, Fault.RESET, 0),
        (reset_inside, Fault.TRUNCATED, 200),
        (too_large_as_said, Fault.TOO_LARGE, 404),
        (too_large, Fault.TOO_LARGE, 404),
        (never, Fault.TIMEOUT, 0),
    ],
)
async def test_the_end_of_one_stream_is_not_that_of_others(lab, clock, answer, fault, status):
    async def mixed(stream):
        await (answer if stream.body == b"1" else after_a_second)(stream)

    server = await lab.serve(mixed)
    transport = await lab.transport(server.url, time_limit_s=5.0)
    replies = await at_once(transport, 3)
    assert (replies[1].fault, replies[1].status, replies[1].body) == (fault, status, b"")
    assert [(reply.body, reply.fault) for reply in (replies[0], replies[2])] == [(b"fine", None)] * 2
    assert server.connections == 1
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert server.open == 0, "a connection with a stream given up takes no further call"
    assert (await transport.exchange(0, b"0")).body == b"fine"


async def test_an_answer_of_exactly_the_limit_is_taken(lab, clock):
    async def whole(stream):
        await stream.ok(b"x" * MEGABYTE)

    server = await lab.serve(whole)
    reply = await (await lab.transport(server.url)).exchange(0, b"{}")
    assert (len(reply.body), reply.fault) == (MEGABYTE, None)


async def test_a_call_that_is_called_off_leaves_the_others_alone(lab, clock):
    async def mixed(stream):
        await (never if stream.body == b"off" else after_a_second)(stream)

    server = await lab.serve(mixed)
    transport = await lab.transport(server.url)
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.5):
            nursery.start_soon(at_once, transport, 2)
            await transport.exchange(0, b"off")
    assert server.connections == 1
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert server.open == 0


# -- ends of a connection


async def ending(stream):
    await stream.goaway(stream.number)
    await trio.sleep(1.0)
    await stream.ok(b"fine")


async def test_a_connection_whose_end_is_announced_answers_what_it_has(lab, clock):
    server = await lab.serve(answered, ending, after_a_second)
    transport = await lab.transport(server.url)
    await transport.exchange(0, b"{}")
    replies = await at_once(transport, 2)
    replies.append(await transport.exchange(0, b"{}"))
    assert {(reply.body, reply.fault, reply.resent) for reply in replies} == {(b"fine", None, False)}
    assert server.connections == 2


async def ends_unanswered(stream):
    await stream.goaway(0)
    await stream.close()


async def test_what_an_ending_connection_did_not_answer_goes_out_again(lab, clock):
    server = await lab.serve(ends_unanswered, after_a_second)
    reply = await (await lab.transport(server.url)).exchange(0, b"{}")
    assert (reply.body, reply.fault, reply.resent, reply.reused) == (b"fine", None, True, False)
    assert reply.done - reply.sent == pytest.approx(1.0)
    assert len(server.requests) == 2


async def test_it_goes_out_again_once_and_not_twice(lab, clock):
    server = await lab.serve(ends_unanswered)
    reply = await (await lab.transport(server.url)).exchange(0, b"{}")
    assert (reply.fault, reply.resent, len(server.requests)) == (Fault.RESET, True, 2)


async def broken(stream):
    await stream.goaway(stream.number, error=2)
    await never(stream)


async def broken_inside(stream):
    await stream.head()
    await stream.data(b"fi")
    await trio.sleep(0.5)
    await broken(stream)


async def closed(stream):
    await stream.close()


async def no_http(stream):
    await stream.raw(b"HTTP/1.1 200 OK\r\n\r\n" * 3)
    await never(stream)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (broken, Fault.RESET),
        (broken_inside, Fault.TRUNCATED),
        (closed, Fault.RESET),
        (no_http, Fault.MALFORMED_HTTP),
    ],
)
async def test_the_end_of_a_connection_is_the_fault_of_its_calls(lab, clock, answer, fault):
    server = await lab.serve(answer, answered)
    transport = await lab.transport(server.url)
    reply = await transport.exchange(0, b"{}")
    assert (reply.fault, reply.body, reply.resent) == (fault, b"", False)
    assert (await transport.exchange(0, b"{}")).body == b"fine"
    assert server.connections == 2


async def answered_and_closed(stream):
    await answered(stream)
    await trio.sleep(0.01)
    await stream.close()


@pytest.mark.parametrize("idle_s", [0.1, 30.0])
async def test_a_connection_that_the_peer_closed_between_calls_is_no_fault(lab, clock, idle_s):
    server = await lab.serve(answered_and_closed)
    transport = await lab.transport(server.url)
    await transport.exchange(0, b"{}")
    await trio.sleep(idle_s)
    reply = await transport.exchange(0, b"{}")
    assert (reply.body, reply.fault, reply.reused, reply.resent) == (b"fine", None, False, False)


@pytest.mark.parametrize(("idle_s", "resent"), [(0.5, False), (1.5, True)])
async def test_an_idle_connection_that_ends_as_it_is_used_again(lab, clock, idle_s, resent):
    server = await lab.serve(answered, closed, answered)
    transport = await lab.transport(server.url)
    await transport.exchange(0, b"{}")
    await trio.sleep(idle_s)
    reply = await transport.exchange(0, b"{}")
    assert (reply.fault, reply.resent) == (None if resent else Fault.RESET, resent)


async def test_an_idle_connection_is_closed_in_the_end(lab, clock):
    server = await lab.serve(answered)
    transport = await lab.transport(server.url)
    await transport.exchange(0, b"{}")
    await trio.sleep(59.0)
    assert (await transport.exchange(0, b"{}")).reused
    await trio.sleep(61.0)
    assert not (await transport.exchange(0, b"{}")).reused
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert (server.connections, server.open) == (2, 1)


async def test_the_end_of_the_transport_closes_what_is_open_and_delivers_nothing(lab, clock):
    server = await lab.serve(answered, never)
    client = await lab.transport(server.url)
    await client.exchange(0, b"{}")
    replies = []
    client.transport.send(0, b"{}", replies.append)
    await trio.sleep(1.0)
    await client.close()
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert (server.open, replies) == (0, [])


async def test_a_reply_is_delivered_after_send_has_returned(lab, clock):
    server = await lab.serve(answered)
    client = await lab.transport(server.url)
    assert (await exchange(client.transport, 0, b"{}")).body == b"fine"
