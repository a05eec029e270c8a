"""What every transport must do, over real sockets against a server that misbehaves as told.

A transport's own test file subclasses `TransportContract` and says, with a fixture `lab`, how to make one.
"""

# ruff: noqa: ARG002 the clock is asked for its effect alone

import socket

import pytest
import trio

from simulator.faults import Fault
from simulator.testing import CLOSE, HANG, RESET, Drip, http, ok

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
MEGABYTE = 1_000_000


class TransportContract:
    """The cases."""

    async def once(self, lab, script, body=b"{}", *, read="all", **limits):
        """One exchange with a server that plays `script`; returns the reply and the server."""
        server = await lab.serve([script], read=read)
        reply = await (await lab.transport(server.url, **limits)).exchange(0, body)
        return reply, server

    # -- answers that are fine

    async def test_a_reply_has_status_body_and_stamps(self, lab, clock):
        reply, server = await self.once(lab, [2.0, ok(b'{"output":"x"}')], b'{"q":1}')
        assert (reply.status, reply.body, reply.fault, reply.reused) == (200, b'{"output":"x"}', None, False)
        assert reply.done - reply.sent == pytest.approx(2.0)
        assert reply.first_byte == pytest.approx(reply.done)
        (request,) = server.requests
        assert (request.head.split()[:3], request.body) == ([b"POST", b"/", b"HTTP/1.1"], b'{"q":1}')

    @pytest.mark.parametrize("status", [200, 201, 204, 301, 400, 404, 413, 429, 500, 503, 599])
    async def test_every_status_comes_back_as_it_is(self, lab, clock, status):
        body = b"" if status == 204 else b"why"
        reply, _ = await self.once(lab, [http(status, body)])
        assert (reply.status, reply.body, reply.fault) == (status, body, None)

    async def test_a_slow_body_is_waited_for(self, lab, clock):
        reply, _ = await self.once(lab, [1.0, HEAD + b"01234", 30.0, b"56789"])
        assert (reply.body, reply.fault) == (b"0123456789", None)
        assert reply.first_byte - reply.sent == pytest.approx(1.0)
        assert reply.done - reply.sent == pytest.approx(31.0)

    async def test_an_answer_that_comes_byte_by_byte(self, lab, clock):
        reply, _ = await self.once(lab, [Drip(ok(b'{"score":1}'))])
        assert (reply.status, reply.body, reply.fault) == (200, b'{"score":1}', None)

    async def test_chunks_are_put_together(self, lab, clock):
        reply, _ = await self.once(lab, [CHUNKED + b"3\r\nabc\r\n", b"4;x=y\r\ndefg\r\n0\r\nt: v\r\n\r\n"])
        assert (reply.body, reply.fault) == (b"abcdefg", None)

    async def test_a_body_may_end_with_the_connection(self, lab, clock):
        reply, _ = await self.once(lab, [b"HTTP/1.1 200 OK\r\n\r\nall ", b"of it", CLOSE])
        assert (reply.body, reply.fault) == (b"all of it", None)

    async def test_an_http_1_0_answer(self, lab, clock):
        reply, _ = await self.once(lab, [b"HTTP/1.0 200 OK\r\n\r\nold", CLOSE])
        assert (reply.status, reply.body, reply.fault) == (200, b"old", None)

    async def test_interim_answers_are_passed_over(self, lab, clock):
        interim = b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        reply, _ = await self.once(lab, [interim, 1.0, ok(b"final")])
        assert (reply.status, reply.body, reply.fault) == (200, b"final", None)

    async def test_a_large_request_arrives_whole(self, lab, clock):
        body = bytes(range(256)) * 4000
        reply, server = await self.once(lab, [ok(b"")], body)
        assert (reply.status, server.requests[0].body == body) == (200, True)

    @pytest.mark.parametrize("size", [MEGABYTE, 30 * MEGABYTE], ids=["in the kernel", "more than fits there"])
    async def test_an_answer_before_the_request_was_read_is_read(self, lab, clock, size):
        reply, _ = await self.once(lab, [http(413, b"too much"), 0.5, CLOSE], b"x" * size, read="head")
        assert (reply.status, reply.fault) == (413, None)
        assert reply.body == b"too much"

    # -- connections that break

    @pytest.mark.parametrize("end", [RESET, CLOSE])
    async def test_the_end_before_the_head_is_a_reset(self, lab, clock, end):
        reply, _ = await self.once(lab, [end])
        assert (reply.status, reply.first_byte, reply.fault) == (0, None, Fault.RESET)

    @pytest.mark.parametrize("end", [RESET, CLOSE])
    @pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 200 OK\r\ncontent-le", HEAD, HEAD + b"0123"])
    async def test_the_end_inside_the_answer_is_truncation(self, lab, clock, end, begun):
        # The pause lets the bytes arrive before a reset would overtake them.
        reply, _ = await self.once(lab, [begun, 0.5, end])
        assert (reply.fault, reply.body) == (Fault.TRUNCATED, b"")
        assert reply.first_byte is not None

    @pytest.mark.parametrize("end", [RESET, CLOSE])
    async def test_the_end_between_chunks_is_truncation(self, lab, clock, end):
        reply, _ = await self.once(lab, [CHUNKED + b"3\r\nabc\r\n", 0.5, end])
        assert reply.fault is Fault.TRUNCATED

    @pytest.mark.parametrize("end", [RESET, CLOSE])
    async def test_the_end_after_the_answer_is_nobodys_fault(self, lab, clock, end):
        reply, _ = await self.once(lab, [ok(b"fine"), 0.5, end])
        assert (reply.body, reply.fault) == (b"fine", None)

    @pytest.mark.parametrize(
        "nonsense",
        [
            b"hello\r\n",
            b"HTTP/2 200\r\n\r\n",
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"HTTP/1.1 abc\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: ten\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
            CHUNKED + b"zz\r\n",
        ],
    )
    async def test_what_is_no_http_is_malformed(self, lab, clock, nonsense):
        reply, _ = await self.once(lab, [nonsense, HANG])
        assert reply.fault is Fault.MALFORMED_HTTP

    async def test_a_head_without_end_is_given_up_on(self, lab, clock):
        reply, server = await self.once(lab, [b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 10_000_000])
        assert reply.fault is Fault.MALFORMED_HTTP
        assert server.bytes_sent < 30_000_000

    @pytest.mark.parametrize(
        "endless",
        [CHUNKED + b"0\r\n" + b"x: y\r\n" * 10_000_000, CHUNKED + b"1;" + b"x" * 60_000_000],
        ids=["trailers", "a chunk's extension"],
    )
    async def test_framing_without_end_is_given_up_on(self, lab, clock, endless):
        reply, server = await self.once(lab, [endless])
        assert (reply.fault, reply.body) == (Fault.MALFORMED_HTTP, b"")
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert server.open == 0
        assert server.bytes_sent < 40_000_000

    async def test_a_body_of_the_limit_in_chunks_of_a_byte_is_taken(self, lab, clock):
        reply, _ = await self.once(lab, [CHUNKED + b"1\r\nx\r\n" * MEGABYTE + b"0\r\n\r\n"])
        assert (len(reply.body), reply.fault) == (MEGABYTE, None)

    # -- limits

    async def test_no_answer_within_the_time_limit(self, lab, clock):
        reply, server = await self.once(lab, [HANG], time_limit_s=600.0)
        assert (reply.fault, reply.status, reply.first_byte) == (Fault.TIMEOUT, 0, None)
        assert reply.done - reply.sent == pytest.approx(600.0)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert server.open == 0

    async def test_the_time_limit_holds_inside_the_body_however_lively_it_is(self, lab, clock):
        script = [HEAD, *[step for digit in b"01234567" for step in (10.0, bytes([digit]))], HANG]
        reply, _ = await self.once(lab, script, time_limit_s=45.0)
        assert (reply.fault, reply.body) == (Fault.TIMEOUT, b"")
        assert reply.done - reply.sent == pytest.approx(45.0)
        assert reply.first_byte == pytest.approx(reply.sent)

    async def test_the_time_limit_holds_for_a_server_that_does_not_read(self, lab, clock):
        reply, _ = await self.once(lab, [700.0], b"x" * 30_000_000, read="nothing", time_limit_s=600.0)
        assert reply.fault is Fault.TIMEOUT
        assert reply.done - reply.sent == pytest.approx(600.0)

    async def test_an_answer_just_before_the_limit_counts(self, lab, clock):
        reply, _ = await self.once(lab, [599.0, ok(b"late")], time_limit_s=600.0)
        assert (reply.body, reply.fault) == (b"late", None)

    async def test_the_limit_of_one_call_does_not_end_the_next(self, lab, clock):
        server = await lab.serve([[400.0, ok(b"1")], [400.0, ok(b"2")]])
        transport = await lab.transport(server.url, time_limit_s=600.0)
        first, second = await transport.exchange(0, b"{}"), await transport.exchange(0, b"{}")
        assert (first.body, second.body, second.reused) == (b"1", b"2", True)

    async def test_an_answer_of_exactly_the_limit_is_taken(self, lab, clock):
        reply, _ = await self.once(lab, [ok(b"x" * MEGABYTE)])
        assert (len(reply.body), reply.fault) == (MEGABYTE, None)

    @pytest.mark.parametrize(
        "beginning",
        [
            b"HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n",
            CHUNKED + b"2faf080\r\n",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ],
        ids=["content-length", "chunks", "until-close"],
    )
    async def test_reading_stops_at_the_limit_and_the_server_sees_it(self, lab, clock, beginning):
        reply, server = await self.once(lab, [beginning + b"x" * 50_000_000])
        assert (reply.fault, reply.status, reply.body) == (Fault.TOO_LARGE, 200, b"")
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert server.open == 0
        assert server.bytes_sent < 25_000_000, "what the kernels' buffers hold may leave the server, not all"

    @pytest.mark.parametrize("status", [404, 503])
    async def test_an_answer_over_the_limit_tells_its_status_wherever_its_head_is_cut(
        self, lab, clock, status
    ):
        begins = b"HTTP/1.1 %d .\r\ncontent-length: 2000000\r\nx: y" % status
        reply, _ = await self.once(lab, [begins, 0.5, b"\r\nz: y\r\n", 0.5, b"\r\n", b"x" * 2_000_000])
        assert (reply.fault, reply.status, reply.body) == (Fault.TOO_LARGE, status, b"")

    async def test_one_byte_over_the_limit_by_its_content_length_needs_no_body(self, lab, clock):
        reply, _ = await self.once(lab, [b"HTTP/1.1 200 OK\r\ncontent-length: 1000001\r\n\r\n", HANG])
        assert reply.fault is Fault.TOO_LARGE
        assert reply.done == pytest.approx(reply.sent)

    # -- no connection at all

    async def test_nobody_listens(self, lab, clock):
        with socket.socket() as bound:  # bound and not listening: nobody else can take the port meanwhile
            bound.bind(("127.0.0.1", 0))
            scheme = "https" if lab.tls else "http"
            url = f"{scheme}://127.0.0.1:{bound.getsockname()[1]}/"
            reply = await (await lab.transport(url)).exchange(0, b"{}")
        assert (reply.fault, reply.status, reply.first_byte) == (Fault.CONNECT_REFUSED, 0, None)
        assert reply.done >= reply.sent

    async def test_a_name_that_cannot_be_resolved(self, lab, clock):
        # A label of 64 characters is no name: this needs neither a resolver nor a network.
        transport = await lab.transport(f"http://{'x' * 64}.invalid/")
        for _ in range(2):
            reply = await transport.exchange(0, b"{}")
            assert (reply.fault, reply.first_byte) == (Fault.DNS, None)

    # -- keeping connections

    async def test_a_connection_is_used_again(self, lab, clock):
        server = await lab.serve([[ok(b"1")]])
        transport = await lab.transport(server.url)
        replies = [await transport.exchange(0, b"{}") for _ in range(3)]
        assert [reply.reused for reply in replies] == [False, True, True]
        assert (server.connections, len(server.requests)) == (1, 3)

    async def test_calls_at_the_same_time_have_connections_of_their_own(self, lab, clock):
        server = await lab.serve([[1.0, ok(b"1")]])
        transport = await lab.transport(server.url)
        replies = []

        async def one():
            replies.append(await transport.exchange(0, b"{}"))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(one)
        assert server.connections == 20
        assert {reply.fault for reply in replies} == {None}
        assert max(reply.done - reply.sent for reply in replies) == pytest.approx(1.0)

    async def test_endpoints_of_one_origin_share_its_connections(self, lab, clock):
        server = await lab.serve(lambda request: [ok(request.target.encode())])
        transport = await lab.transport(f"{server.url}search", f"{server.url}cat")
        bodies = [(await transport.exchange(endpoint, b"{}")).body for endpoint in (0, 1, 0)]
        assert bodies == [b"/search", b"/cat", b"/search"]
        assert server.connections == 1

    @pytest.mark.parametrize("end", [RESET, CLOSE])
    @pytest.mark.parametrize("idle_s", [0.1, 30.0])
    async def test_a_connection_that_the_peer_closed_between_calls_is_no_fault(self, lab, clock, end, idle_s):
        def script(request):
            return [ok(b"first"), 0.01, end] if request.connection == 0 else [ok(b"second")]

        server = await lab.serve(script)
        transport = await lab.transport(server.url)
        await transport.exchange(0, b"1")
        await trio.sleep(idle_s)
        reply = await transport.exchange(0, b"2")
        assert (reply.body, reply.fault, reply.reused, reply.resent) == (b"second", None, False, False)
        assert [request.body for request in server.requests] == [b"1", b"2"]

    async def ends_when_used_again(self, lab, *scripts, idle_s):
        """Make a call, idle, and make another that `scripts` tell of; returns its reply, when and the server.

        The request's own bytes tell how often it came: `2` once if it was not sent again.
        """
        server = await lab.serve([[ok(b"first")], *scripts])
        transport = await lab.transport(server.url)
        await transport.exchange(0, b"1")
        await trio.sleep(idle_s)
        began = trio.current_time()
        return await transport.exchange(0, b"2"), began, server

    @pytest.mark.parametrize("end", [RESET, CLOSE])
    @pytest.mark.parametrize("after_s", [0.0, 0.2])
    async def test_an_idle_connection_that_ends_as_it_is_used_again_is_no_fault_and_said(
        self, lab, clock, end, after_s
    ):
        scripts = [after_s, end], [3.0, ok(b"second")]
        reply, began, server = await self.ends_when_used_again(lab, *scripts, idle_s=1.5)
        assert (reply.body, reply.fault, reply.resent, reply.reused) == (b"second", None, True, False)
        assert [(r.connection, r.body) for r in server.requests] == [(0, b"1"), (0, b"2"), (1, b"2")]
        assert reply.sent - began == pytest.approx(after_s), "the time of the first try is not the endpoint's"
        assert reply.done - reply.sent == pytest.approx(3.0)

    @pytest.mark.parametrize("end", [RESET, CLOSE])
    @pytest.mark.parametrize(
        ("idle_s", "after_s"), [(0.0, 0.0), (0.9, 0.0), (30.0, 0.3), (0.9, 0.3)], ids=str
    )
    async def test_a_connection_that_was_hardly_idle_or_ends_later_is_a_fault(
        self, lab, clock, end, idle_s, after_s
    ):
        scripts = [after_s, end], [ok(b"second")]
        reply, began, server = await self.ends_when_used_again(lab, *scripts, idle_s=idle_s)
        assert (reply.body, reply.fault, reply.resent, reply.reused) == (b"", Fault.RESET, False, True)
        assert [request.body for request in server.requests] == [b"1", b"2"]
        assert (reply.sent, reply.done) == (pytest.approx(began), pytest.approx(began + after_s))

    @pytest.mark.parametrize("end", [RESET, CLOSE])
    async def test_a_request_is_sent_again_once_and_not_twice(self, lab, clock, end):
        reply, _, server = await self.ends_when_used_again(lab, [end], [end], [ok(b"third")], idle_s=1.5)
        assert (reply.fault, reply.resent) == (Fault.RESET, True)
        assert [request.body for request in server.requests] == [b"1", b"2", b"2"]

    async def test_a_fresh_connection_that_closes_is_a_fault_and_not_tried_again(self, lab, clock):
        server = await lab.serve([[CLOSE]])
        reply = await (await lab.transport(server.url)).exchange(0, b"1")
        assert (reply.fault, reply.resent) == (Fault.RESET, False)
        assert len(server.requests) == 1

    async def test_a_kept_connection_that_breaks_inside_its_answer_is_a_fault(self, lab, clock):
        server = await lab.serve([[ok(b"first")], [HEAD, 0.5, CLOSE], [ok(b"third")]])
        transport = await lab.transport(server.url)
        await transport.exchange(0, b"1")
        assert (await transport.exchange(0, b"2")).fault is Fault.TRUNCATED
        assert (await transport.exchange(0, b"3")).body == b"third"

    @pytest.mark.parametrize(
        "answer",
        [http(200, b"bye", "connection: close"), b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nbye"],
        ids=["connection-close", "http-1.0"],
    )
    async def test_a_connection_that_is_not_to_be_kept_is_not_used_again(self, lab, clock, answer):
        server = await lab.serve([[answer]])
        transport = await lab.transport(server.url)
        for _ in range(2):
            reply = await transport.exchange(0, b"{}")
            assert (reply.body, reply.fault, reply.reused) == (b"bye", None, False)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert (server.connections, server.open) == (2, 0)

    @pytest.mark.parametrize("more", [b"!", b"HTTP/1.1 2", ok(b"an answer to nothing")])
    async def test_what_follows_an_answer_is_not_taken_for_the_next(self, lab, clock, more):
        server = await lab.serve([[ok(b"first") + more], [ok(b"second")]])
        transport = await lab.transport(server.url)
        replies = [await transport.exchange(0, b"{}") for _ in range(2)]
        assert [(reply.body, reply.fault) for reply in replies] == [(b"first", None), (b"second", None)]
        assert server.connections == 2

    async def test_after_a_fault_the_next_call_has_a_fresh_connection(self, lab, clock):
        server = await lab.serve([[HEAD + b"0", HANG], [ok(b"well")]])
        transport = await lab.transport(server.url, time_limit_s=5.0)
        assert (await transport.exchange(0, b"{}")).fault is Fault.TIMEOUT
        reply = await transport.exchange(0, b"{}")
        assert (reply.body, reply.reused) == (b"well", False)

    async def test_closing_the_transport_closes_its_idle_connections(self, lab, clock):
        server = await lab.serve([[ok(b"")]])
        transport = await lab.transport(server.url)
        await transport.exchange(0, b"{}")
        assert server.open == 1
        await transport.close()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert server.open == 0

    # -- cancellation

    @pytest.mark.parametrize("begun", [[], [HEAD + b"0123"]], ids=["before the answer", "inside the answer"])
    async def test_a_cancelled_call_leaves_nothing_behind(self, lab, clock, begun):
        server = await lab.serve([[*begun, HANG], [ok(b"next")]])
        transport = await lab.transport(server.url)
        with trio.move_on_after(3.0) as scope:
            await transport.exchange(0, b"{}")
        assert scope.cancelled_caught
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert server.open == 0
        reply = await transport.exchange(0, b"{}")
        assert (reply.body, reply.fault, reply.reused) == (b"next", None, False)

    # -- the request on the wire

    async def test_each_header_is_on_the_wire_exactly_once(self, lab, clock):
        _, server = await self.once(lab, [ok(b"")], b'{"a":1}', headers=[("Authorization", "Bearer t0ken")])
        (request,) = server.requests
        headers = dict(request.headers)
        assert len(headers) == len(request.headers)
        assert headers["host"] == f"127.0.0.1:{server.port}"
        assert headers["content-type"] == "application/json"
        assert headers["content-length"] == "7"
        assert headers["authorization"] == "Bearer t0ken"

    async def test_the_jobs_headers_take_the_place_of_ours(self, lab, clock):
        given = [
            ("Content-Type", "application/json; charset=utf-8"),
            ("HOST", "tools.example"),
            ("User-Agent", "job"),
            ("accept", "*/*"),
        ]
        _, server = await self.once(lab, [ok(b"")], headers=given)
        headers = server.requests[0].headers
        assert [pair for pair in headers if pair[0] != "content-length"] == [
            (name.lower(), value) for name, value in given
        ]

    async def test_the_jobs_headers_cannot_break_the_framing(self, lab, clock):
        given = [("Content-Length", "1"), ("Transfer-Encoding", "chunked"), ("Connection", "close")]
        _, server = await self.once(lab, [ok(b"")], b"{}", headers=given)
        headers = dict(server.requests[0].headers)
        assert headers["content-length"] == "2"
        assert "transfer-encoding" not in headers
        assert headers.get("connection", "keep-alive") == "keep-alive"

    @pytest.mark.parametrize(
        ("path", "target"),
        [
            ("", "/"),
            ("a/b", "/a/b"),
            ("?code=x&y=1", "/?code=x&y=1"),
            ("a%20b/%C3%A9?q=%2F+1", "/a%20b/%C3%A9?q=%2F+1"),
            ("a b", "/a%20b"),
            ("café?q=ü", "/caf%C3%A9?q=%C3%BC"),
            ("it's(1)!;p=,~@:", "/it's(1)!;p=,~@:"),
        ],
    )
    async def test_path_and_query_are_sent_percent_encoded(self, lab, clock, path, target):
        server = await lab.serve([[ok(b"")]])
        reply = await (await lab.transport(server.url + path)).exchange(0, b"{}")
        assert reply.status == 200
        assert server.requests[0].target == target

    async def test_no_repr_shows_a_secret(self, lab, clock):
        server = await lab.serve([[ok(b"")]])
        transport = await lab.transport(
            f"{server.url}?code=s3cret", headers=[("authorization", "Bearer s3cret")]
        )
        reply = await transport.exchange(0, b"{}")
        for shown in self.everything_in(transport, reply):
            assert "s3cret" not in repr(shown)

    def everything_in(self, transport, reply):
        """Return the objects whose repr a log or a traceback may show."""
        return [transport, reply]
