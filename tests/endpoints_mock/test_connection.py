"""What the order of events on a connection, and between connections, must not change."""

import pytest
import trio
import trio.testing

import endpoints_mock.connection
from endpoints_mock.domain import Domain
from tests.endpoints_mock.conftest import Answered, read_all, request, tool_call

OUTPUT = "x" * 16_000_000
LARGE = Domain("large", {"echo": lambda *_: OUTPUT, "small": lambda *_: ""}, {})
CALL = request("POST", "/tools/echo", tool_call(), close=False)


async def test_a_long_line_of_requests_is_answered_in_order(running):
    arguments = [f'{{"n":{number}}}' for number in range(1_500)]
    line = [request("POST", "/tools/echo", tool_call("echo", text), close=False) for text in arguments]
    async with running() as client:
        answered = await client.send(b"".join([*line, request("GET", "/stats")]))
    outputs = [part.partition(b"}")[0] for part in answered.raw.split(b'{\\"n\\":')[1:]]
    assert outputs == [b"%d" % number for number in range(1_500)]


async def test_a_request_that_comes_early_waits_for_the_answer_before(running, jumping_clock):
    async with running(service_ms=["1000"]) as client:
        stream = await client.connect()
        await stream.send_all(CALL)
        await trio.sleep(0.5)
        await stream.send_all(request("POST", "/tools/echo", tool_call()))
        assert (await read_all(stream)).count(b"HTTP/1.1 200 OK") == 2
        echo = (await client.stats())["endpoints"]["echo"]
    assert (echo["answers"], echo["in_flight_max"]) == (2, 1)


async def reluctant(client):
    """Connect with so little room that a large answer cannot be got rid of until it is read."""
    sock = trio.socket.socket()
    sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 4_096)
    await sock.connect(("127.0.0.1", client.port))
    return trio.SocketStream(sock)


async def test_one_who_does_not_read_holds_up_nobody_else_and_gets_all_in_the_end(running, jumping_clock):
    async with running(LARGE) as client, await reluctant(client) as slow:
        await slow.send_all(request("POST", "/tools/echo", tool_call()))
        assert (await client.call("small")).status == 200
        assert (await client.stats())["endpoints"]["echo"]["in_flight"] == 1
        assert Answered(await read_all(slow)).json["output"] == OUTPUT
        assert (await client.stats())["endpoints"]["echo"]["answers"] == 1


@pytest.mark.parametrize("texts", [{}, {"faults": ["echo:slow_body=100%"]}])
async def test_one_who_leaves_during_the_answer_gives_the_worker_back(running, jumping_clock, texts):
    async with running(LARGE, workers=["echo=1"], **texts) as client:
        stream = await reluctant(client)
        await stream.send_all(CALL)
        await stream.receive_some(1)
        await stream.aclose()
        await trio.sleep(2)
        echo = (await client.stats())["endpoints"]["echo"]
        assert (echo["in_flight"], echo["answers"]) == (0, 0)


async def test_one_who_leaves_while_served_gives_the_worker_back(running, jumping_clock):
    async with running(service_ms=["echo=1000"], workers=["echo=1"]) as client:
        stream = await client.connect()
        await stream.send_all(CALL)
        await trio.sleep(0.5)
        await stream.aclose()
        assert (await client.call()).status == 200
        assert (await client.stats())["endpoints"]["echo"]["in_flight"] == 0


async def test_the_end_of_the_server_is_the_end_of_its_connections(running):
    async with running() as client:
        streams = [await client.connect() for _ in range(3)]
        client._opened.clear()
        await streams[0].send_all(CALL)
        await streams[0].receive_some()
    for stream in streams:
        async with stream:
            assert await read_all(stream) == b""


# -- whose time it was


@pytest.fixture
def lying(monkeypatch):
    """Return a function that has all further requests lie in the kernel for so many seconds."""

    def lie(seconds):
        monkeypatch.setattr(endpoints_mock.connection, "lain_s", lambda _ancillary: seconds)

    return lie


async def test_time_in_the_kernel_is_service_time_and_the_mocks_own_lag(running, jumping_clock, lying):
    async with running() as client:
        await trio.sleep(10)
        lying(0.3)
        await client.call()
        lying(0.0)
        echo = (await client.stats())["endpoints"]["echo"]
    assert echo["service_ms"]["p50"] == pytest.approx(300, rel=0.1)
    assert echo["lag_ms"]["p50"] == pytest.approx(300, rel=0.1)


async def test_an_injected_time_counts_from_the_arrival_not_from_the_reading(running, jumping_clock, lying):
    async with running(service_ms=["echo=1000"]) as client:
        await trio.sleep(10)
        lying(0.3)
        began = trio.current_time()
        await client.call()
        assert trio.current_time() - began == pytest.approx(0.7, abs=0.1)
        lying(0.0)
        assert (await client.stats())["endpoints"]["echo"]["service_ms"]["p50"] == pytest.approx(
            1000, rel=0.1
        )


async def test_without_the_kernels_help_a_request_came_when_it_was_seen(running, jumping_clock, lying):
    lying(None)
    async with running(service_ms=["echo=200"]) as client:
        await trio.sleep(10)
        await client.call()
        echo = (await client.stats())["endpoints"]["echo"]
    assert echo["service_ms"]["p50"] == pytest.approx(200, rel=0.1)


async def test_a_late_answer_is_recorded_as_late_and_the_lag_says_whose_fault_it_was(running, mock_clock):
    mock_clock.autojump_threshold = 0.005

    def busy(_arguments, _trace_id):
        mock_clock.jump(3.0)
        return "done"

    domain = Domain("busy", {"echo": lambda _arguments, _trace_id: "", "busy": busy}, {})
    async with running(domain, service_ms=["echo=1000"]) as client:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.call)
            await trio.sleep(0.5)
            await client.call("busy")
        stats = (await client.stats())["endpoints"]
    assert stats["echo"]["service_ms"]["max"] == pytest.approx(3_500, rel=0.02)
    assert stats["echo"]["lag_ms"]["max"] == pytest.approx(2_500, rel=0.02)
    assert stats["busy"]["lag_ms"]["max"] == pytest.approx(3_000, rel=0.02)


@pytest.mark.slow
async def test_what_was_meant_to_take_long_is_no_lag(running, jumping_clock):
    texts = {"service_ms": ["echo=1000"], "workers": ["echo=1"], "faults": ["echo:slow_body=100%"]}
    async with running(**texts) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(client.call)
        echo = (await client.stats())["endpoints"]["echo"]
    assert set(echo["lag_ms"]) == {"p50", "p99", "max"}
    assert echo["service_ms"]["max"] == pytest.approx(4_000, rel=0.05)
    assert echo["lag_ms"]["max"] < 100
