"""HTTP/1.1 as far as the mock needs it: requests in, bytes of any kind out, over raw sockets.

One task serves one connection for its whole life; a request costs one `wait_readable`, one `recv` and one
`send`. The handler writes its answer itself, because what it writes need not be HTTP.
"""

import contextlib
import http
import socket
import struct
from collections import deque
from collections.abc import Awaitable, Callable

import httptools
import msgspec
import trio

MAX_HEAD = 64 * 1024
MAX_BODY = 4 * 1024 * 1024
_RECV = 64 * 1024
_LINGER_S = 1.0
_ABORT = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: close() sends RST
_RETRY_ACCEPT_S = 0.1
_REASONS = {status.value: status.phrase for status in http.HTTPStatus}


class Request(msgspec.Struct, frozen=True, gc=False):
    """A whole request; `arrived` is the trio time at which its last byte had been read."""

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
    headers: str = ""

    def head(self) -> bytes:
        """Return the status line and the headers, as they go before the body."""
        return (
            f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(self.body)}\r\n{self.headers}\r\n"
        ).encode("latin-1")

    def encode(self) -> bytes:
        """Return the whole answer."""
        return self.head() + self.body


def error(status: int, message: str, headers: str = "") -> Answer:
    """Return an answer whose body tells what is wrong."""
    return Answer(status, msgspec.json.encode({"error": message}), headers)


class _Reader:
    """Turns the bytes of one connection into `ready` requests, or a `refusal` after which nothing is read.

    Sizes are bounded by what has been fed since a request began, which also bounds the parser's own buffers.
    """

    def __init__(self) -> None:
        self.ready: deque[Request] = deque()
        self.refusal: Answer | None = None
        self.wants_continue = False
        self._parser = httptools.HttpRequestParser(self)
        self._fed = 0
        self._begin()

    def feed(self, data: bytes) -> None:
        self._fed += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request was read, and is answered as if it had not asked for another protocol
        except httptools.HttpParserError:
            self.refusal = error(400, "not an HTTP/1.1 request this server understands")
        if self._in_head and self._fed > MAX_HEAD:
            self.refusal = error(431, f"the request's head is larger than {MAX_HEAD} bytes")
        elif self._fed > MAX_HEAD + MAX_BODY:
            self.refusal = error(413, f"the request is larger than {MAX_BODY} bytes")

    def _begin(self) -> None:
        self._url, self._authorization, self._in_head = b"", b"", True
        self._body: list[bytes] = []

    # -- what httptools calls

    def on_message_begin(self) -> None:
        self._begin()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered == b"authorization":
            self._authorization = value
        elif lowered == b"expect":
            self.wants_continue = True

    def on_headers_complete(self) -> None:
        self._in_head = False

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._fed, self.wants_continue = 0, False
        self.ready.append(
            Request(
                method=self._parser.get_method().decode("latin-1"),
                path=self._url.partition(b"?")[0].decode("latin-1"),
                authorization=self._authorization,
                body=b"".join(self._body),
                arrived=trio.current_time(),
                keep_alive=self._parser.should_keep_alive() and not self._parser.should_upgrade(),
            )
        )


class Connection:
    """One client's connection, as a handler sees it. Its methods raise OSError when the peer has gone."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.open = True

    def __repr__(self) -> str:
        return f"<Connection {'open' if self.open else 'closed'}>"

    async def receive(self) -> bytes:
        """Return some bytes; none at all when the peer has closed."""
        while True:
            await trio.lowlevel.wait_readable(self._sock)
            with contextlib.suppress(BlockingIOError):
                return self._sock.recv(_RECV)

    async def send(self, data: bytes) -> None:
        """Send all of `data`; nothing on a connection that we have closed."""
        view = memoryview(data)
        while view and self.open:
            try:
                view = view[self._sock.send(view) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self._sock)

    async def wait_closed(self) -> None:
        """Wait until the peer closes, reading and forgetting what it sends."""
        while await self.receive():
            pass

    async def close_gently(self) -> None:
        """Close so that the peer can still read the answer, even while it is sending."""
        with trio.move_on_after(_LINGER_S), contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_WR)
            await self.wait_closed()
        self.close()

    def close(self) -> None:
        """Close the connection."""
        self.open = False
        self._sock.close()

    def abort(self) -> None:
        """Close the connection with a reset."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        self.close()


Handler = Callable[[Request, Connection], Awaitable[None]]
"""Answers one request by writing to the connection; may close it."""


async def listen(listener: socket.socket, handler: Handler) -> None:
    """Accept connections from a listening, non-blocking socket and serve them, until cancelled."""
    async with trio.open_nursery() as connections:
        while True:
            await trio.lowlevel.wait_readable(listener)
            try:
                while True:
                    sock, _ = listener.accept()
                    connections.start_soon(_converse, sock, handler)
            except BlockingIOError:
                pass
            except OSError:  # aborted before we came to it, or no file descriptor left
                await trio.sleep(_RETRY_ACCEPT_S)


async def _converse(sock: socket.socket, handler: Handler) -> None:
    with sock, contextlib.suppress(OSError):
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection, reader = Connection(sock), _Reader()
        while connection.open and (data := await connection.receive()):
            reader.feed(data)
            await _answer_all(reader, connection, handler)


async def _answer_all(reader: _Reader, connection: Connection, handler: Handler) -> None:
    while reader.ready and connection.open:
        request = reader.ready.popleft()
        await handler(request, connection)
        if not request.keep_alive:
            connection.close()
    if reader.refusal and connection.open:
        await connection.send(reader.refusal.encode())
        await connection.close_gently()
    elif reader.wants_continue and connection.open:
        reader.wants_continue = False
        await connection.send(b"HTTP/1.1 100 Continue\r\n\r\n")
