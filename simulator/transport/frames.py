"""What a server says about an HTTP/2 connection as a whole, read off its frames on their way to httpcore."""

_HEADER_BYTES = 9
_SETTINGS, _GOAWAY = 0x4, 0x7
_ACK = 0x1
_MAX_CONCURRENT_STREAMS = 0x3
_MAX_FRAME_BYTES = 16_384  # what we let a server send

MOST_STREAMS = 100
"""How many streams httpcore opens on a connection at most."""


class Frames:
    """Passes a server's frames on, all but the announcement of an orderly end.

    httpcore takes such a GOAWAY for the end of every call on the connection, although the server is about
    to answer them; nginx sends one every 1,000 requests. `ending` tells that it came; `streams`, how many
    calls the connection takes at a time.
    """

    def __init__(self, streams: int = MOST_STREAMS) -> None:
        """Take `streams` for what the server will say."""
        self._held = b""
        self.ending, self.streams = False, streams

    def feed(self, data: bytes) -> bytes:
        """Return what is to be passed on of what came, without the beginning of a frame.

        ValueError where it is no HTTP/2.
        """
        data = self._held + data
        passed: list[bytes] = []
        at = 0
        while len(data) - at >= _HEADER_BYTES:
            end = at + _HEADER_BYTES + int.from_bytes(data[at : at + 3], "big")
            if end - at > _HEADER_BYTES + _MAX_FRAME_BYTES:
                raise ValueError("a frame that is too long")  # h2 would wait for all of it first
            if len(data) < end:
                break
            if not self._keep_back(data[at + 3], data[at + 4], data[at + _HEADER_BYTES : end]):
                passed.append(data[at:end])
            at = end
        self._held = data[at:]
        return b"".join(passed)

    def _keep_back(self, kind: int, flags: int, payload: bytes) -> bool:
        if kind == _SETTINGS and not flags & _ACK:
            self._take_settings(payload)
        if kind != _GOAWAY or any(payload[4:8]):  # an error code: the connection is broken
            return False
        self.ending = True
        return True

    def _take_settings(self, payload: bytes) -> None:
        said = {
            int.from_bytes(payload[at : at + 2], "big"): int.from_bytes(payload[at + 2 : at + 6], "big")
            for at in range(0, len(payload) - 5, 6)
        }
        # To httpcore, a server that says nothing allows a single stream.
        self.streams = max(1, min(said.get(_MAX_CONCURRENT_STREAMS, 1), MOST_STREAMS))
