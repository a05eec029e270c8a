"""What the processes of a run say to one another, a line of JSON each, over a Unix socket.

worker ── Hello · Ready · Progress ──▶ leader
worker ◀── Begin · Stop ────────────── leader
"""

import math
from collections.abc import AsyncGenerator

import msgspec
import trio

from simulator.engine.lead import Pulse

SOCKET = "lead"
"""The leader's socket in the folder that an order names."""


class Hello(msgspec.Struct, tag=True):
    """A worker says which shard it plays."""

    shard: int


class Ready(msgspec.Struct, tag=True):
    """A worker waits for the next phase to begin."""


class Progress(msgspec.Struct, tag=True):
    """A worker says how far it is."""

    pulse: Pulse


class Begin(msgspec.Struct, tag=True):
    """The next phase begins at `at`, on the clock that all processes share."""

    at: float


class Stop(msgspec.Struct, tag=True):
    """The run is to end early."""

    grace_s: float


Message = Hello | Ready | Progress | Begin | Stop

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode


class Line:
    """A line to another process: what is said waits for `speak` to send it, and `heard` yields what comes."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._outbox, self._to_say = trio.open_memory_channel[Message](math.inf)

    def say(self, message: Message) -> None:
        """Send a message as soon as may be."""
        self._outbox.send_nowait(message)

    async def speak(self) -> None:
        """Send what is said, for as long as somebody listens."""
        try:
            async for message in self._to_say:
                await self._stream.send_all(_encode(message) + b"\n")
        except trio.BrokenResourceError:
            return

    async def heard(self) -> AsyncGenerator[Message, None]:
        """Yield what comes until the other end is gone; msgspec.DecodeError where it is no message."""
        unread = b""
        try:
            async for data in self._stream:
                *lines, unread = (unread + data).split(b"\n")
                for line in lines:
                    yield _decode(line)
        except trio.BrokenResourceError:
            return
