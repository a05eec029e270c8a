"""One HTTP/1.1 answer in the making: bytes in, status and body out. No socket, no clock."""

from enum import Enum

import httptools

from simulator.faults import Fault

MAX_HEAD_BYTES = 65_536
"""Interim answers included; what is longer is no answer but an attack, or no HTTP."""


_WORST_FRAMING = 8  # what chunks of a byte each, or trailers without end, may add to a body


class Answer:
    """Collects the answer to one request; a connection makes a new one for each.

    `feed` and `feed_eof` return the fault that ends the answer, or None; then look at `complete`. `fed` is
    the number of bytes so far.
    """

    __slots__ = (
        "_chunks",
        "_head_complete",
        "_length",
        "_max_bytes",
        "_parser",
        "_size",
        "_too_large",
        "complete",
        "fed",
        "keep_alive",
        "status",
    )

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self.fed = self._size = 0
        self._length = _Length.UNTIL_CLOSE
        self._head_complete = self._too_large = False
        self.status = 0
        self.complete = self.keep_alive = False

    @property
    def sized(self) -> bool:
        """Tell whether a content-length alone said where the body ends."""
        return self._length is _Length.CONTENT_LENGTH

    @property
    def begun(self) -> bool:
        """Tell whether any byte has come."""
        return self.fed > 0

    @property
    def body(self) -> bytes:
        """Return the body as far as it has come."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def feed(self, data: bytes) -> Fault | None:
        """Take in what the socket gave."""
        self.fed += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # Bytes after a complete answer cost the connection, not the answer.
            self.keep_alive = False
            if not self.complete:
                return Fault.MALFORMED_HTTP
        if self._too_large and self._head_complete:
            return Fault.TOO_LARGE
        most = _WORST_FRAMING * self._max_bytes if self._head_complete else 0
        if self.fed > MAX_HEAD_BYTES + most and not self.complete:
            return Fault.MALFORMED_HTTP
        return None

    def feed_eof(self) -> Fault | None:
        """Take in that the peer closed: the end of an answer without a length, or of one cut short."""
        if not self.begun:
            return Fault.RESET
        if self._head_complete and self._length is _Length.UNTIL_CLOSE:
            self.complete, self.keep_alive = True, False
            return None
        return Fault.TRUNCATED

    def release(self) -> None:
        """Let go of the parser, which knows this answer: nobody is to look for such a circle."""
        del self._parser

    # -- called by httptools

    def on_message_begin(self) -> None:  # noqa: D102
        if self.complete:  # the beginning of an answer that nobody asked for
            self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        if self.complete:
            return
        name = name.lower()
        if name == b"content-length":
            self._length = _Length.CONTENT_LENGTH
            # llhttp has checked that these are digits, and few enough for 64 bits.
            self._too_large = int(value) > self._max_bytes
        elif name == b"transfer-encoding" and value.lower().endswith(b"chunked"):
            self._length = _Length.CHUNKS

    def on_headers_complete(self) -> None:  # noqa: D102
        if self.complete:
            self.keep_alive = False
            return
        self.status = self._parser.get_status_code()
        self._head_complete = self.status >= 200
        if not self._head_complete:  # what an interim answer says of its length is not said of the answer
            self._length, self._too_large = _Length.UNTIL_CLOSE, False

    def on_body(self, data: bytes) -> None:  # noqa: D102
        if self.complete:
            return
        self._size += len(data)
        if self._size > self._max_bytes:
            self._too_large = True
        else:
            self._chunks.append(data)

    def on_message_complete(self) -> None:  # noqa: D102
        if self._head_complete and not self.complete:  # otherwise it was an interim answer, such as 100
            self.complete = True
            self.keep_alive = self._parser.should_keep_alive()


class _Length(Enum):
    CONTENT_LENGTH = "as the content-length says"
    CHUNKS = "the last chunk ends the body"
    UNTIL_CLOSE = "the body ends with the connection"


class KnownHeads:
    """Remembers how heads were understood, so that a head that comes again need not be parsed again.

    What a head means depends on its bytes alone, and a server's heads differ by little more than the second
    of their date. Only plain cases are kept: a final status, a content-length, a connection that stays open.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[bytes, tuple[int, int]] = {}  # the status, and the size of head and body

    def take_apart(self, data: bytes) -> tuple[int, bytes] | None:
        """Return status and body where `data` is exactly one answer whose head is known."""
        end = data.find(b"\r\n\r\n") + 4
        status, size = self._known.get(data[:end], _UNKNOWN)
        return (status, data[end:]) if len(data) == size else None

    def learn(self, data: bytes, answer: Answer) -> None:
        """Remember the head of `data`, the last that made `answer` complete, where it was the first too."""
        end = data.find(b"\r\n\r\n") + 4
        alone = answer.fed == len(data) == end + len(answer.body)
        if alone and answer.sized and answer.keep_alive:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            self._known[data[:end]] = (answer.status, len(data))


_UNKNOWN = (0, -1)
_MOST_KNOWN = 256
