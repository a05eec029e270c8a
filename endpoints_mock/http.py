"""HTTP/1.1 as far as the mock needs it: bytes into requests, answers into bytes."""

import http
from collections import deque

import httptools
import msgspec

from endpoints_mock.script import End, Script

MAX_HEAD = 64 * 1024
MAX_BODY = 4 * 1024 * 1024
_CONTINUE: Script = (b"HTTP/1.1 100 Continue\r\n\r\n",)
_BEGINNINGS = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/json\r\n".encode()
    for status in http.HTTPStatus
}


class Request(msgspec.Struct, frozen=True, gc=False):
    """A whole request; `arrived` is the trio time at which its last byte could have been read."""

    method: str
    path: str
    authorization: bytes
    body: bytes
    arrived: float
    keep_alive: bool


class Answer(msgspec.Struct, frozen=True, gc=False):
    """A JSON answer; `headers` are further ones, each line ending in CRLF."""

    status: int
    body: bytes
    headers: bytes = b""

    def head(self) -> bytes:
        """Return the status line and the headers, as they go before the body."""
        return b"%bcontent-length: %d\r\n%b\r\n" % (_BEGINNINGS[self.status], len(self.body), self.headers)

    def encode(self) -> bytes:
        """Return the whole answer."""
        return self.head() + self.body


def error(status: int, message: str, headers: bytes = b"") -> Answer:
    """Return an answer whose body tells what is wrong."""
    return Answer(status, msgspec.json.encode({"error": message}), headers)


class Reader:
    """Turns the bytes of one connection into requests, and scripts for what else there is to say.

    `ready` holds both, in the order in which they are to be dealt with. What cannot be read is refused by a
    script that ends the connection. Sizes are bounded by what has been fed since a request began, which also
    bounds the parser's own buffers.
    """

    __slots__ = (
        "_arrived", "_authorization", "_body", "_fed", "_in_head", "_parser", "_url", "_wants_continue",
        "ready",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ready: deque[Request | Script] = deque()
        self._parser = httptools.HttpRequestParser(self)
        self._fed, self._arrived, self._wants_continue = 0, 0.0, False
        self.on_message_begin()

    def feed(self, data: memoryview, arrived: float) -> None:
        """Read on; `arrived` is the trio time at which the last of these bytes came."""
        self._fed += len(data)
        self._arrived = arrived
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request was read, and is answered as if it had not asked for another protocol
        except httptools.HttpParserError:
            self._refuse(400, "not an HTTP/1.1 request this server understands")
        if self._in_head and self._fed > MAX_HEAD:
            self._refuse(431, f"the request's head is larger than {MAX_HEAD} bytes")
        elif self._fed > MAX_HEAD + MAX_BODY:
            self._refuse(413, f"the request is larger than {MAX_BODY} bytes")
        elif self._wants_continue and not self._in_head:
            self._wants_continue = False
            self.ready.append(_CONTINUE)

    def _refuse(self, status: int, message: str) -> None:
        self.ready.append((error(status, message).encode(), End.LINGER))

    # -- what httptools calls

    def on_message_begin(self) -> None:
        """Forget the request before."""
        self._url, self._authorization, self._in_head = b"", b"", True
        self._body: list[bytes] = []

    def on_url(self, url: bytes) -> None:
        """Take a part of the target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one of the few headers that matter."""
        lowered = name.lower()
        if lowered == b"authorization":
            self._authorization = value
        elif lowered == b"expect":
            self._wants_continue = True

    def on_headers_complete(self) -> None:
        """Leave the head."""
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Add the request to those that are ready."""
        self._fed, self._wants_continue = 0, False
        parser = self._parser
        self.ready.append(
            Request(
                parser.get_method().decode("latin-1"),
                self._url.partition(b"?")[0].decode("latin-1"),
                self._authorization,
                b"".join(self._body),
                self._arrived,
                parser.should_keep_alive() and not parser.should_upgrade(),
            )
        )
