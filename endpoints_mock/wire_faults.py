"""How each fault is put on the wire: a table from its name to what it does to the right answer.

A fault may *alter* the answer, *put* it on the wire in its own way, or both.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from endpoints_mock.http import Answer, error
from endpoints_mock.script import End, Script
from simulator.dialects.base import CallIds
from simulator.dialects.openai import OpenAI

_TOO_LARGE = 1_250_000
_PIECE = 64 * 1024
_SLOW_PIECES = 1_000  # a large body goes in pieces rather than bytes, or the pauses would take the time
_DIALECT = OpenAI()


class Right(msgspec.Struct, frozen=True, gc=False):
    """The right answer, before a fault gets hold of it; `ids` is None for a grader's."""

    ids: CallIds | None
    body: bytes


Alter = Callable[[Right], Answer]
Put = Callable[[Answer, float], Script]
"""(answer, seconds that a slow body takes) -> what is put on the wire."""


# -- alterations


def _right(right: Right) -> Answer:
    return Answer(200, right.body)


def _status(status: int, message: str, headers: bytes = b"") -> Alter:
    answer = error(status, message, headers)
    return lambda _: answer


def _soft_error(right: Right) -> Answer:
    if right.ids is None:
        return Answer(200, b'{"error":"the answer could not be graded"}')
    return Answer(200, _DIALECT.tool_answer(right.ids, "Error: the service could not handle this call"))


def _half(right: Right) -> Answer:
    return Answer(200, right.body[: len(right.body) // 2])


def _without(*fields: str) -> Alter:
    def alter(right: Right) -> Answer:
        answer: dict[str, Any] = msgspec.json.decode(right.body)
        return Answer(200, msgspec.json.encode({k: v for k, v in answer.items() if k not in fields}))

    return alter


def _too_large(right: Right) -> Answer:
    padding = "x" * _TOO_LARGE
    if right.ids is None:
        return Answer(200, msgspec.json.encode({"score": 1.0, "note": padding}))
    return Answer(200, _DIALECT.tool_answer(right.ids, padding))


def _wrong_ids(right: Right) -> Answer:
    answer: dict[str, Any] = msgspec.json.decode(right.body)
    return Answer(200, msgspec.json.encode(answer | {"id": "fc_of_another", "call_id": "call_of_another"}))


# -- ways onto the wire


def _plain(answer: Answer, _slow_s: float) -> Script:
    return (answer.encode(),)


def _and_close(answer: Answer, _slow_s: float) -> Script:
    return answer.encode(), End.CLOSE


def _reset(_answer: Answer, _slow_s: float) -> Script:
    return (End.RESET,)


def _truncated(answer: Answer, _slow_s: float) -> Script:
    return answer.head() + answer.body[: len(answer.body) // 2], End.CLOSE


def _malformed_http(_answer: Answer, _slow_s: float) -> Script:
    return b"HTTPS/one OK then\r\n\x00\r\n\r\n", End.CLOSE


def _streamed(answer: Answer, _slow_s: float) -> Script:
    # Chunked, so that only reading tells the size.
    yield b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    for start in range(0, len(answer.body), _PIECE):
        piece = answer.body[start : start + _PIECE]
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def _hang(_answer: Answer, _slow_s: float) -> Script:
    return (End.HANG,)


def _slow_body(answer: Answer, slow_s: float) -> Script:
    yield answer.head()
    size = -(-len(answer.body) // _SLOW_PIECES)
    pieces = [answer.body[start : start + size] for start in range(0, len(answer.body), size)]
    for piece in pieces:
        yield slow_s / len(pieces)
        yield piece


# -- the table


class FaultKind(msgspec.Struct, frozen=True):
    """One way to misbehave. `silent` means that no answer is written, so it has no service time."""

    meaning: str
    alter: Alter = _right
    put: Put = _plain
    tools_only: bool = False
    silent: bool = False


FAULTS: dict[str, FaultKind] = {
    "http_500": FaultKind("a 500", _status(500, "internal error")),
    "http_503": FaultKind("a 503", _status(503, "overloaded")),
    "http_429": FaultKind("a 429 with Retry-After", _status(429, "too many requests", b"retry-after: 1\r\n")),
    "http_404": FaultKind("a 404", _status(404, "not found")),
    "soft_error": FaultKind("200, but what it says is an error", _soft_error),
    "malformed_json": FaultKind("200, with half of the JSON", _half),
    "no_output": FaultKind("200, JSON without output or score", _without("output", "score")),
    "wrong_ids": FaultKind("200, with the ids of another call", _wrong_ids, tools_only=True),
    "missing_type": FaultKind("200, without type", _without("type"), tools_only=True),
    "too_large": FaultKind("200, with more than 1 MB, streamed", _too_large, _streamed),
    "reset": FaultKind("the connection is reset, no answer", put=_reset, silent=True),
    "truncated": FaultKind("the connection ends inside the answer", put=_truncated),
    "malformed_http": FaultKind("something that is not HTTP", put=_malformed_http),
    "hang": FaultKind("no answer until the caller closes", put=_hang, silent=True),
    "close": FaultKind("a right answer, then the connection is closed unannounced", put=_and_close),
    "slow_body": FaultKind("a right answer, byte by byte", put=_slow_body),
}
"""Every fault the mock can commit, by the name it has in settings and statistics."""
