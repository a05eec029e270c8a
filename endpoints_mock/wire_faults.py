"""How each fault is put on the wire: a table from its name to what it does to the right answer.

A fault may *alter* the answer, *put* it on the wire in its own way, or both.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import trio

from endpoints_mock.http import Answer, Connection, error
from simulator.dialects.base import CallIds
from simulator.dialects.openai import OpenAI

_TOO_LARGE = 1_250_000
_PIECE = 64 * 1024
_SLOW_PIECES = 1_000  # a large body goes in pieces rather than bytes, or the sleeps would take the time
_DIALECT = OpenAI()


class Right(msgspec.Struct, frozen=True, gc=False):
    """The right answer, before a fault gets hold of it; `ids` is None for a grader's."""

    ids: CallIds | None
    body: bytes


Alter = Callable[[Right], Answer]
Put = Callable[[Connection, Answer, float], Awaitable[None]]
"""(connection, answer, seconds that a slow body takes) -> nothing."""


# -- alterations


def _right(right: Right) -> Answer:
    return Answer(200, right.body)


def _status(status: int, message: str, headers: str = "") -> Alter:
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


async def put_plain(connection: Connection, answer: Answer, _slow_s: float) -> None:
    """Send the answer as it should be sent."""
    await connection.send(answer.encode())


async def _put_and_close(connection: Connection, answer: Answer, _slow_s: float) -> None:
    await connection.send(answer.encode())
    connection.close()


async def _reset(connection: Connection, _answer: Answer, _slow_s: float) -> None:
    connection.abort()


async def _truncated(connection: Connection, answer: Answer, _slow_s: float) -> None:
    await connection.send(answer.head() + answer.body[: len(answer.body) // 2])
    connection.close()


async def _malformed_http(connection: Connection, _answer: Answer, _slow_s: float) -> None:
    await connection.send(b"HTTPS/one OK then\r\n\x00\r\n\r\n")
    connection.close()


async def _streamed(connection: Connection, answer: Answer, _slow_s: float) -> None:
    # Chunked, so that only reading tells the size.
    await connection.send(
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    for start in range(0, len(answer.body), _PIECE):
        piece = answer.body[start : start + _PIECE]
        await connection.send(b"%x\r\n%b\r\n" % (len(piece), piece))
    await connection.send(b"0\r\n\r\n")


async def _hang(connection: Connection, _answer: Answer, _slow_s: float) -> None:
    await connection.wait_closed()
    connection.close()


async def _slow_body(connection: Connection, answer: Answer, slow_s: float) -> None:
    await connection.send(answer.head())
    size = -(-len(answer.body) // _SLOW_PIECES)
    pieces = [answer.body[start : start + size] for start in range(0, len(answer.body), size)]
    for piece in pieces:
        await trio.sleep(slow_s / len(pieces))
        await connection.send(piece)


# -- the table


class FaultKind(msgspec.Struct, frozen=True):
    """One way to misbehave. `silent` means that no answer is written, so it has no service time."""

    meaning: str
    alter: Alter = _right
    put: Put = put_plain
    tools_only: bool = False
    silent: bool = False


FAULTS: dict[str, FaultKind] = {
    "http_500": FaultKind("a 500", _status(500, "internal error")),
    "http_503": FaultKind("a 503", _status(503, "overloaded")),
    "http_429": FaultKind("a 429 with Retry-After", _status(429, "too many requests", "retry-after: 1\r\n")),
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
    "close": FaultKind("a right answer, then the connection is closed unannounced", put=_put_and_close),
    "slow_body": FaultKind("a right answer, byte by byte", put=_slow_body),
}
"""Every fault the mock can commit, by the name it has in settings and statistics."""
