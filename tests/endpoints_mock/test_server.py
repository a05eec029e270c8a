import contextlib

import msgspec
import pytest
import trio

from endpoints_mock.domain import Domain
from endpoints_mock.domains.echo import echo_domain
from endpoints_mock.domains.recorded import recorded_domain
from endpoints_mock.server import Site, serve
from endpoints_mock.settings import build_settings
from simulator.errors import InputError
from tests.endpoints_mock.conftest import read_all, request, tool_call


async def test_tool_call_is_answered_as_the_contract_says(running):
    async with running() as client:
        answered = await client.call(arguments='{"query":"x"}')
    assert answered.status == 200
    assert answered.json == {
        "type": "function_call_output",
        "id": "fc_1",
        "call_id": "call_1",
        "output": '{"query":"x"}',
    }


async def test_grader_call_is_answered_with_a_score(running):
    async with running() as client:
        assert (await client.grade("anything", {})).json == {"score": 1.0}


@pytest.mark.parametrize("arguments", ["not json", "[1]", " ", "[" * 100_000])
async def test_bad_arguments_are_a_soft_error(running, arguments):
    async with running() as client:
        answered = await client.call(arguments=arguments)
    assert answered.status == 200
    assert answered.json["output"].startswith("Error: ")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, tool_call("other")])
async def test_unreadable_call_is_a_400_and_counted(running, body):
    async with running() as client:
        answered = await client.post("/tools/echo", body)
        stats = await client.stats()
    assert answered.status == 400
    assert "error" in answered.json
    assert stats["endpoints"]["echo"]["unreadable"] == 1
    assert stats["endpoints"]["echo"]["requests"] == 0


async def test_a_grader_that_cannot_use_the_item_answers_400(running):
    def picky(_answer, _item, _trace_id):
        raise ValueError("no reference")

    async with running(Domain("picky", {}, {"grade": picky})) as client:
        assert (await client.grade("1", {})).status == 400
        assert (await client.grade("1", [])).status == 400


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/nowhere", 404), ("GET", "/tools/echo", 405), ("POST", "/stats", 405), ("GET", "/log", 404)],
)
async def test_what_is_not_served(running, method, path, status):
    async with running() as client:
        answered = await client.send(request(method, path))
        assert answered.status == status
        assert "error" in answered.json


async def test_token_is_asked_for_everywhere(running):
    async with running(token="s3cret") as client:
        for method, path in (("POST", "/tools/echo"), ("GET", "/stats"), ("GET", "/nowhere")):
            assert (await client.send(request(method, path, tool_call()))).status == 401
        wrong = await client.post("/tools/echo", tool_call(), authorization="Bearer s3cre")
        right = await client.post("/tools/echo", tool_call(), authorization="Bearer s3cret")
        stats = (await client.get("/stats", authorization="Bearer s3cret")).json
    assert wrong.status == 401
    assert b"s3cret" not in wrong.raw
    assert right.status == 200
    assert stats["refused"] == {"401": 4}


async def test_connection_is_kept_and_pipelined_requests_are_answered_in_order(running):
    async with running() as client:
        stream = await client.connect()
        first = tool_call(arguments='{"n":1}')
        last = tool_call(arguments='{"n":2}')
        await stream.send_all(
            request("POST", "/tools/echo", first, close=False) + request("POST", "/tools/echo", last)
        )
        raw = await read_all(stream)
    assert raw.count(b"HTTP/1.1 200 OK") == 2
    assert raw.index(rb"{\"n\":1}") < raw.index(rb"{\"n\":2}")


async def test_request_may_arrive_byte_by_byte(running):
    async with running() as client:
        stream = await client.connect()
        for byte in request("POST", "/tools/echo", tool_call()):
            await stream.send_all(bytes([byte]))
        assert (await read_all(stream)).startswith(b"HTTP/1.1 200 ")


async def test_a_wish_for_another_protocol_is_ignored(running):
    async with running() as client:
        answered = await client.send(b"GET /stats HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    assert answered.json["domain"] == "echo"


async def test_expect_continue_is_encouraged(running):
    async with running() as client:
        stream = await client.connect()
        body = tool_call()
        head = request("POST", "/tools/echo", body, expect="100-continue")[: -len(body)]
        await stream.send_all(head)
        assert await stream.receive_some() == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send_all(body)
        assert (await read_all(stream)).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
        (b"CONNECT elsewhere:443 HTTP/1.1\r\n\r\n", 404),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000, 431),
        (request("POST", "/tools/echo", b"x" * 5_000_000), 413),
    ],
)
async def test_hostile_requests_get_an_error_and_nothing_on_the_console(running, capfd, raw, status):
    async with running() as client:
        stream = await client.connect()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_send_what_is_taken, stream, raw)
            answered = await stream.receive_some()
            nursery.cancel_scope.cancel()
        assert int(answered.split(b" ", 2)[1]) == status
        assert (await client.stats())["domain"] == "echo"
    assert capfd.readouterr() == ("", "")


async def _send_what_is_taken(stream, raw):
    with contextlib.suppress(trio.BrokenResourceError):
        await stream.send_all(raw)


async def test_a_client_that_goes_away_harms_nobody(running, jumping_clock):
    async with running(service_ms=["1000"]) as client:
        stream = await client.connect()
        await stream.send_all(request("POST", "/tools/echo", tool_call()))
        await stream.aclose()
        assert (await client.call()).status == 200


async def test_log_tells_what_came_and_is_bounded(running):
    async with running(log_requests=True, faults=["echo:http_503=100%"]) as client:
        await client.call(arguments='{"a":1}', trace_id="trace_7", call_id="call_9")
        await client.call(arguments="x" * 10_000)
        await client.grade("12%", {}, trace_id="trace_7")
        log = (await client.get("/log")).json
    assert log["dropped"] == 0
    assert log["entries"][0] == {
        "endpoint": "echo",
        "trace_id": "trace_7",
        "call_id": "call_9",
        "name": "echo",
        "arguments": '{"a":1}',
        "status": 503,
    }
    assert len(log["entries"][1]["arguments"]) == 4_096
    assert (log["entries"][2]["endpoint"], log["entries"][2]["arguments"]) == ("grade", "12%")


async def test_stats_hold_the_servers_own_times(running, jumping_clock):
    async with running(service_ms=["echo=250"]) as client:
        for _ in range(4):
            await client.call()
        echo = (await client.stats())["endpoints"]["echo"]
    assert (echo["requests"], echo["answers"], echo["in_flight"], echo["in_flight_max"]) == (4, 4, 0, 1)
    assert set(echo["service_ms"]) == {"p50", "p90", "p95", "p99", "p999", "max", "mean"}
    assert echo["service_ms"]["p50"] == pytest.approx(250, rel=0.02)


async def test_settings_for_an_endpoint_that_is_not_there_are_refused():
    with pytest.raises(InputError, match="has no endpoint `serach`; it has echo, tools, grade"):
        Site(echo_domain(), build_settings(workers=["serach=2"]))


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [("192.0.2.1", 0, "cannot listen on 192.0.2.1 port 0"), ("127.0.0.1", 99999, "there is no port 99999")],
)
async def test_an_address_that_cannot_be_had_is_one_clear_line(host, port, message):
    with pytest.raises(InputError, match=message):
        await serve(echo_domain(), build_settings(), host=host, port=port)


def test_the_token_stays_out_of_the_repr():
    assert "s3cret" not in repr(build_settings(token="s3cret"))


def test_stats_are_json_even_before_the_first_call():
    site = Site(echo_domain(), build_settings())
    assert msgspec.json.decode(site._stats().body)["endpoints"]["echo"]["service_ms"]["p99"] == 0.0


RECORDED = recorded_domain(
    [("find", '{"a":1,"b":2}', "found"), ("find", '{"b":2,"a":1}', "later"), ("find", "", "all of them")],
    [("blue", 0.75), ("no score", None), ("blue", 0.1)],
)


@pytest.mark.parametrize(
    ("domain", "name", "arguments", "status", "output"),
    [
        (echo_domain(), "whatever", '{"a":1}', 200, '{"a":1}'),
        (echo_domain(), "echo", "", 200, "{}"),
        (RECORDED, "find", '{"b": 2, "a": 1}', 200, "found"),
        (RECORDED, "find", "", 200, "all of them"),
        (RECORDED, "find", '{"a": 2}', 200, "Error: this call was not recorded"),
        (msgspec.structs.replace(echo_domain(), any_tool=None), "whatever", "{}", 400, None),
    ],
)
async def test_one_url_serves_all_tools(running, domain, name, arguments, status, output):
    async with running(domain) as client:
        answered = await client.post("/tools", tool_call(name, arguments=arguments))
    assert (answered.status, answered.json.get("output")) == (status, output)


async def test_recorded_answers_are_scored_as_they_were(running):
    async with running(RECORDED) as client:
        scores = [(await client.grade(answer, {})).json["score"] for answer in ("blue", "no score", "other")]
    assert scores == [0.75, 0.0, 0.0]
