"""The parser of answers: each case whole, byte by byte, and with trailing bytes. No socket, no clock."""

import itertools

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.faults import Fault
from simulator.transport.answer import MAX_HEAD_BYTES, Answer

LIMIT = 100
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"

COMPLETE = {
    "content-length": (OK + b"content-length: 5\r\n\r\nhello", 200, b"hello", True),
    "empty": (OK + b"content-length: 0\r\n\r\n", 200, b"", True),
    "of the limit": (OK + b"content-length: 100\r\n\r\n" + b"x" * LIMIT, 200, b"x" * LIMIT, True),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", 304, b"", True),
    "500": (b"HTTP/1.1 500 Oops\r\ncontent-length: 3\r\n\r\nbad", 500, b"bad", True),
    "no reason": (b"HTTP/1.1 200 \r\ncontent-length: 1\r\n\r\n1", 200, b"1", True),
    "chunks": (CHUNKED + b"3\r\nabc\r\n2;a=b\r\nde\r\n0\r\n\r\n", 200, b"abcde", True),
    "trailers": (CHUNKED + b"1\r\na\r\n0\r\nx-sum: 1\r\n\r\n", 200, b"a", True),
    "close": (OK + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi", 200, b"hi", False),
    "http 1.0": (b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi", False),
    "http 1.0 kept": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nhi", 200, b"hi", True,
    ),
    "100 first": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"content-length: 2\r\n\r\nhi", 200, b"hi", True),
    "103 with a length first": (
        b"HTTP/1.1 103 Early Hints\r\ncontent-length: 999\r\n\r\n" + OK + b"content-length: 2\r\n\r\nhi",
        200, b"hi", True,
    ),
}  # fmt: skip

UNTIL_CLOSE = {
    "no length": (OK + b"\r\nhello", b"hello"),
    "no length, no body": (OK + b"\r\n", b""),
    "no length, keep-alive": (OK + b"connection: keep-alive\r\n\r\nhello", b"hello"),
    "http 1.0": (b"HTTP/1.0 200 OK\r\n\r\nhello", b"hello"),
    "a coding that is no framing": (OK + b"transfer-encoding: identity\r\n\r\nhello", b"hello"),
    "after an interim answer with a length": (
        b"HTTP/1.1 103 Early Hints\r\ncontent-length: 3\r\n\r\n" + OK + b"\r\nhello",
        b"hello",
    ),
}

MALFORMED = {
    "words": b"hello world\r\n",
    "a request": b"GET / HTTP/1.1\r\n\r\n",
    "another version": b"HTTP/2 200\r\n\r\n",
    "no number": b"HTTP/1.1 OK\r\n\r\n",
    "no digits": OK + b"content-length: x\r\n\r\n",
    "no length": OK + b"content-length: \r\n\r\n",
    "below zero": OK + b"content-length: -1\r\n\r\n",
    "beyond 64 bits": OK + b"content-length: 99999999999999999999999\r\n\r\n",
    "two lengths": OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\n",
    "length and chunks": OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
    "no chunk": CHUNKED + b"zz\r\n",
    "upgrade": b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n",
    "a head without end": OK + b"x: y\r\n" * (MAX_HEAD_BYTES // 6),
    "interim answers without end": b"HTTP/1.1 100 Continue\r\n\r\n" * (MAX_HEAD_BYTES // 25 + 1),
    "null": OK + b"x: a\0b\r\n\r\n",
}

TOO_LARGE = {
    "content-length": OK + b"content-length: 101\r\n\r\n",
    "content-length and more": OK + b"content-length: 101\r\nx: y\r\n\r\n",
    "chunks": CHUNKED + b"65\r\n" + b"x" * 101,
    "many chunks": CHUNKED + b"20\r\n" + b"x" * 32 + b"\r\n20\r\n" + b"x" * 32 + b"\r\n25\r\n" + b"x" * 37,
    "until close": OK + b"\r\n" + b"x" * 101,
}


def feed(parts):
    """Feed as a connection does: no more once the answer is complete or lost."""
    answer, fault = Answer(LIMIT), None
    for part in parts:
        fault = answer.feed(part)
        if fault is not None or answer.complete:
            break
    return answer, fault


def bytewise(data):
    return [data[at : at + 1] for at in range(len(data))]


ENDLESS_FRAMING = {
    "trailers": CHUNKED + b"1\r\na\r\n0\r\n" + b"x: y\r\n" * 20_000,
    "a trailer": CHUNKED + b"1\r\na\r\n0\r\nx: " + b"y" * 120_000,
    "a chunk's extension": CHUNKED + b"1;" + b"x" * 120_000,
    "interim answers and then trailers": b"HTTP/1.1 100 Continue\r\n\r\n" * 2000
    + CHUNKED
    + b"0\r\n"
    + b"x: y\r\n" * 20_000,
}


@pytest.mark.parametrize("data", ENDLESS_FRAMING.values(), ids=ENDLESS_FRAMING)
@pytest.mark.parametrize("size", [1, 1000])
def test_framing_without_end_is_given_up_on(data, size):
    fed = itertools.count()
    parts = (data[at : at + size] for at in range(0, len(data), size) if next(fed) >= 0)
    answer, fault = feed(parts)
    assert (fault, answer.complete) == (Fault.MALFORMED_HTTP, False)
    assert next(fed) * size <= MAX_HEAD_BYTES + 10 * LIMIT + size


@pytest.mark.parametrize("body", [1, LIMIT - 1, LIMIT])
def test_a_body_within_the_limit_may_come_in_chunks_of_a_byte(body):
    answer, fault = feed(bytewise(CHUNKED + b"1\r\nx\r\n" * body + b"0\r\n\r\n"))
    assert (fault, answer.complete, len(answer.body)) == (None, True, body)


def test_a_body_over_the_limit_in_chunks_of_a_byte_is_too_large():
    answer, fault = feed(bytewise(CHUNKED + b"1\r\nx\r\n" * (LIMIT + 1)))
    assert (fault, answer.complete) == (Fault.TOO_LARGE, False)


@pytest.mark.parametrize("cut", [lambda data: [data], bytewise], ids=["whole", "byte by byte"])
class TestEachCase:
    @pytest.mark.parametrize(("data", "status", "body", "keep"), COMPLETE.values(), ids=COMPLETE)
    def test_complete(self, data, status, body, keep, cut):
        answer, fault = feed(cut(data))
        assert (fault, answer.complete) == (None, True)
        assert (answer.status, answer.body, answer.keep_alive) == (status, body, keep)

    @pytest.mark.parametrize("data", [case[0] for case in COMPLETE.values()], ids=COMPLETE)
    def test_cut_short(self, data, cut):
        answer, fault = feed(cut(data[:-1]))
        assert (fault, answer.complete) == (None, False)
        assert answer.feed_eof() is Fault.TRUNCATED

    @pytest.mark.parametrize(("data", "body"), UNTIL_CLOSE.values(), ids=UNTIL_CLOSE)
    def test_until_the_connection_closes(self, data, body, cut):
        answer, fault = feed(cut(data))
        assert (fault, answer.complete) == (None, False)
        assert answer.feed_eof() is None
        assert (answer.complete, answer.body, answer.keep_alive) == (True, body, False)

    @pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
    def test_malformed(self, data, cut):
        answer, fault = feed(cut(data))
        assert (fault, answer.complete) == (Fault.MALFORMED_HTTP, False)

    @pytest.mark.parametrize("data", TOO_LARGE.values(), ids=TOO_LARGE)
    def test_too_large(self, data, cut):
        answer, fault = feed(cut(data))
        assert (fault, answer.status) == (Fault.TOO_LARGE, 200)


@pytest.mark.parametrize(
    "more",
    [
        b"!",
        b"H",
        b"HTTP/1.1 2",
        OK + b"content-length: 1\r\n\r\nx",
        b"\0",
        OK + b"content-length: 999\r\n\r\n",
    ],
)
@pytest.mark.parametrize(("data", "status", "body", "keep"), COMPLETE.values(), ids=COMPLETE)
def test_bytes_after_an_answer_cost_the_connection_and_not_the_answer(data, status, body, keep, more):
    answer, fault = feed([data + more])
    assert (fault, answer.complete, answer.status, answer.body) == (None, True, status, body)
    assert answer.keep_alive is False


@pytest.mark.parametrize(("data", "status", "body", "keep"), COMPLETE.values(), ids=COMPLETE)
def test_an_empty_line_after_an_answer_is_forgiven(data, status, body, keep):
    answer, fault = feed([data + b"\r\n"])
    assert (fault, answer.complete, answer.status, answer.body) == (None, True, status, body)


def test_the_end_before_any_byte_is_a_reset_and_not_an_answer():
    answer = Answer(LIMIT)
    assert (answer.feed_eof(), answer.begun) == (Fault.RESET, False)


ANY_CASE = st.sampled_from([case[0] for case in (*COMPLETE.values(), *UNTIL_CLOSE.values())])


@given(ANY_CASE, st.lists(st.integers(0, 300)))
def test_it_does_not_matter_where_the_network_cuts(data, cuts):
    places = sorted({0, len(data), *(cut % len(data) for cut in cuts)})
    answer, fault = feed([data[a:b] for a, b in itertools.pairwise(places)])
    whole, _ = feed([data])
    assert fault is None
    assert (answer.complete, answer.status, answer.body) == (whole.complete, whole.status, whole.body)
    assert answer.keep_alive == whole.keep_alive


_PIECES = st.sampled_from(
    [
        *(OK, b"HTTP/1.1 100 .\r\n", b"HTTP/1.0 500 .\r\n", b"upgrade: x", b"connection: ", b"close", b": "),
        *(
            b"content-length: ",
            b"transfer-encoding: chunked",
            b"\r\n",
            b"0",
            b"5",
            b"5\r\nhello",
            b"\0",
            b"-1",
        ),
    ]
)


@given(st.lists(st.binary(max_size=20) | _PIECES, max_size=20))
@example([OK + b"content-length: 1\r\n\r\nx", b"y"])
def test_no_bytes_make_it_raise(parts):
    answer, fault = feed(parts)
    assert fault in {None, Fault.MALFORMED_HTTP, Fault.TOO_LARGE}
    if fault is None and not answer.complete:
        assert answer.feed_eof() in {None, Fault.RESET, Fault.TRUNCATED}
    assert len(answer.body) <= LIMIT
    assert not (answer.complete and answer.status < 200)
