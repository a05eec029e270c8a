"""One HTTP/1.1 answer in the making: bytes in, status and body out. No socket, no clock."""

from enum import Enum

import httptools

from simulator.faults import Fault

MAX_HEAD_BYTES = 65_536
"""Interim answers included; what is longer is no answer but an attack, or no HTTP."""


_WORST_FRAMING = 8  # what chunks of a byte each, or trailers without end, may add to a body


class Answer:
    """Collects the answer to one request; a connection makes a new one for each.

    `feed` and `feed_eof` return the fault that ends the answer, or None; then look at `complete`.
    """

    __slots__ = (
        "_chunks",
        "_fed",
        "_head_complete",
        "_length",
        "_max_bytes",
        "_parser",
        "_size",
        "_too_large",
        "complete",
        "keep_alive",
        "status",
    )

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._fed = self._size = 0
        self._length = _Length.UNTIL_CLOSE
        self._head_complete = self._too_large = False
        self.status = 0
        self.complete = self.keep_alive = False

    @property
    def begun(self) -> bool:
        """Tell whether any byte has come."""
        return self._fed > 0

    @property
    def body(self) -> bytes:
        """Return the body as far as it has come."""
        return self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)

    def feed(self, data: bytes) -> Fault | None:
        """Take in what the socket gave."""
        self._fed += len(data)
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
        if self._fed > MAX_HEAD_BYTES + most and not self.complete:
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

    # -- called by httptools

    def on_message_begin(self) -> None:  # noqa: D102
        if self.complete:  # the beginning of an answer that nobody asked for
            self.keep_alive = False

    def on_header(self, name: bytes, value: bytes) -> None:  # noqa: D102
        if self.complete:
            return
        name = name.lower()
        if name == b"content-length":
            self._length = _Length.KNOWN
            # llhttp has checked that these are digits, and few enough for 64 bits.
            self._too_large = int(value) > self._max_bytes
        elif name == b"transfer-encoding" and value.lower().endswith(b"chunked"):
            self._length = _Length.KNOWN

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
    KNOWN = "a content-length, or chunks"
    UNTIL_CLOSE = "the body ends with the connection"
