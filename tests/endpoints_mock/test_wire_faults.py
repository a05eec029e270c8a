import msgspec
import pytest
import trio

from endpoints_mock.wire_faults import FAULTS
from simulator.dialects.base import CallIds
from simulator.dialects.openai import OpenAI
from simulator.faults import Fault, Violation
from tests.endpoints_mock.conftest import read_all, request, tool_call

READINGS = {
    "http_500": (500, Fault.HTTP_5XX, ()),
    "http_503": (503, Fault.HTTP_5XX, ()),
    "http_429": (429, Fault.HTTP_4XX, ()),
    "http_404": (404, Fault.HTTP_4XX, ()),
    "soft_error": (200, None, ()),
    "malformed_json": (200, Fault.MALFORMED_ANSWER, ()),
    "no_output": (200, Fault.MALFORMED_ANSWER, ()),
    "wrong_ids": (200, None, (Violation.WRONG_ID, Violation.WRONG_CALL_ID)),
    "missing_type": (200, None, (Violation.MISSING_TYPE,)),
    "close": (200, None, ()),
    "slow_body": (200, None, ()),
}
ON_THE_WIRE = {"reset", "truncated", "malformed_http", "too_large", "hang"}


def test_every_fault_is_tested_here():
    assert set(READINGS) | ON_THE_WIRE == set(FAULTS)


@pytest.mark.parametrize("kind", READINGS)
async def test_the_trainers_side_reads_the_fault(running, jumping_clock, kind):
    status, fault, violations = READINGS[kind]
    async with running(faults=[f"echo:{kind}=100%"]) as client:
        answered = await client.call()
        stats = await client.stats()
    reading = OpenAI().read_tool_answer(CallIds("fc_1", "call_1"), answered.status, answered.body)
    assert (answered.status, reading.fault, reading.violations) == (status, fault, violations)
    assert reading.soft_error is (kind == "soft_error")
    assert stats["endpoints"]["echo"]["faults"] == {kind: 1}
    assert stats["endpoints"]["echo"]["answers"] == 1


@pytest.mark.parametrize("kind", [kind for kind in READINGS if not FAULTS[kind].tools_only])
async def test_a_grader_can_have_it_too(running, jumping_clock, kind):
    async with running(faults=[f"grade:{kind}=100%"]) as client:
        answered = await client.grade("1", {})
    reading = OpenAI().read_grader_answer(answered.status, answered.body)
    assert (reading.score is None) == (kind not in {"close", "slow_body"})


async def test_429_says_when_to_come_back(running):
    async with running(faults=["echo:http_429=100%"]) as client:
        assert "retry-after: 1" in (await client.call()).head


async def test_reset_ends_the_connection_without_a_byte(running):
    async with running(faults=["echo:reset=100%"]) as client:
        stream = await client.connect()
        await stream.send_all(request("POST", "/tools/echo", tool_call()))
        with pytest.raises(trio.BrokenResourceError) as caught:
            await stream.receive_some()
        assert isinstance(caught.value.__cause__, ConnectionResetError)
        assert (await client.stats())["endpoints"]["echo"]["answers"] == 0


async def test_truncated_sends_less_than_it_promises(running):
    async with running(faults=["echo:truncated=100%"]) as client:
        answered = await client.call()
    promised = int(answered.head.partition("content-length: ")[2].partition("\r\n")[0])
    assert 0 < len(answered.body) < promised


async def test_malformed_http_is_no_http(running):
    async with running(faults=["echo:malformed_http=100%"]) as client:
        assert not (await client.call()).raw.startswith(b"HTTP/1.")


@pytest.mark.parametrize("path", ["echo", "grade"])
async def test_too_large_is_streamed_without_saying_how_much(running, path):
    async with running(faults=[f"{path}:too_large=100%"]) as client:
        answered = await (client.call() if path == "echo" else client.grade("1", {}))
    assert "transfer-encoding: chunked" in answered.head
    assert "content-length" not in answered.head
    assert len(answered.body) > 1_000_000
    assert answered.body.endswith(b"0\r\n\r\n")


async def test_hang_lasts_until_the_caller_closes(running, jumping_clock):
    async with running(faults=["echo:hang=100%"], workers=["echo=1"]) as client:
        stream = await client.connect()
        await stream.send_all(request("POST", "/tools/echo", tool_call()))
        with trio.move_on_after(600) as waiting:
            await stream.receive_some()
        assert waiting.cancelled_caught
        assert (await client.stats())["endpoints"]["echo"]["in_flight"] == 1
        await stream.aclose()
        await trio.testing.wait_all_tasks_blocked()
        assert (await client.stats())["endpoints"]["echo"]["in_flight"] == 0


async def test_close_comes_unannounced(running):
    async with running(faults=["echo:close=100%"]) as client:
        stream = await client.connect()
        await stream.send_all(request("POST", "/tools/echo", tool_call(), close=False))
        raw = await read_all(stream)
    assert b"connection: close" not in raw.lower()
    assert msgspec.json.decode(raw.partition(b"\r\n\r\n")[2])["output"] == '{"a":1}'


async def test_slow_body_takes_its_time_and_comes_in_pieces(running, jumping_clock):
    async with running(faults=["echo:slow_body=100%"]) as client:
        stream = await client.connect()
        await stream.send_all(request("POST", "/tools/echo", tool_call()))
        began = trio.current_time()
        head = await stream.receive_some()
        assert head.endswith(b"\r\n\r\n")
        assert len(await stream.receive_some()) == 1
        await read_all(stream)
        assert trio.current_time() - began == pytest.approx(1.0)
