r"""The fakes that the tests use, and that anyone may who writes a dialect, a policy or a transport.

    ScriptServer    a TCP server that does on the wire what it is told, and remembers what it was sent
    replay          plays a rollout without clock or sockets, in time that costs nothing

A script is a sequence of steps, played once a request has been read:

    [ok(b'{"score":1}')]                  a plain answer
    [10.0, ok(b"{}")]                     ten seconds late
    [b"HTTP/1.1 200 OK\r\n", RESET]         half a head, then a reset
    [Drip(ok(b"{}")), CLOSE]              byte by byte, then the end of the connection
"""

import heapq
import itertools
import ssl
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from enum import Enum
from typing import Any, Literal

import msgspec
import trio

from simulator.faults import Fault
from simulator.model import Outcome, Reply, Transcript
from simulator.plan.call import Call, Send, Wait
from simulator.plan.rollout import Calls, Rollout


class End(Enum):
    """A step that is no bytes."""

    CLOSE = "close the connection in an orderly way"
    RESET = "reset the connection"
    HANG = "do nothing more, and keep the connection"


CLOSE, RESET, HANG = End.CLOSE, End.RESET, End.HANG


class Drip(msgspec.Struct, frozen=True):
    """Bytes to be sent one at a time."""

    data: bytes


Step = bytes | float | Drip | End
"""Bytes are sent; a number is a wait in seconds."""

Script = Sequence[Step]


class RawRequest(msgspec.Struct, frozen=True):
    """A request as it came: `connection` counts from 0, `body` is what was read before the script began."""

    connection: int
    head: bytes
    body: bytes

    @property
    def target(self) -> str:
        """Return the path with its query, as sent."""
        return self.head.split(b" ")[1].decode("latin-1")

    @property
    def headers(self) -> list[tuple[str, str]]:
        """Return the headers, names in lower case."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]

    def json(self) -> Any:
        """Return the decoded body."""
        return msgspec.json.decode(self.body)


def http(status: int, body: bytes, *headers: str) -> bytes:
    """Return the bytes of an answer with a content-length."""
    lines = [f"HTTP/1.1 {status} .", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def ok(body: bytes) -> bytes:
    """Return the bytes of a plain 200."""
    return http(200, body)


class ScriptServer:
    """A server on 127.0.0.1 that plays a script for each request; start it with `async with serving(...)`.

    `script` is one script per request, in the order they come, the last one for all that follow, or a
    function of the request. `read` says how much of a request is read before the script begins: `nothing`
    makes one script of a connection. A connection is kept unless the script ends it.
    """

    def __init__(
        self,
        script: Sequence[Script] | Callable[[RawRequest], Script],
        *,
        read: Literal["all", "head", "nothing"] = "all",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._script, self._read, self._tls = script, read, tls
        self.requests: list[RawRequest] = []
        self.connections = self.open = self.bytes_sent = 0
        self.port = 0

    @property
    def url(self) -> str:
        """Return the URL of its root."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}/"

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve for ever."""
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        async with trio.open_nursery() as nursery:
            await nursery.start(trio.serve_listeners, self._talk, [listener])
            task_status.started()

    async def _talk(self, tcp: trio.SocketStream) -> None:
        number, self.connections, self.open = self.connections, self.connections + 1, self.open + 1
        try:
            stream: trio.abc.Stream = tcp
            if self._tls is not None:
                stream = trio.SSLStream(tcp, self._tls, server_side=True, https_compatible=True)
                await stream.do_handshake()
            await self._converse(number, stream, tcp)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the peer has gone, or the script closed
        finally:
            self.open -= 1
            await trio.aclose_forcefully(tcp)

    async def _converse(self, number: int, stream: trio.abc.Stream, tcp: trio.SocketStream) -> None:
        unread = b""
        while True:
            request, unread = await _read_request(number, stream, unread, self._read)
            if request is None:
                return
            self.requests.append(request)
            for step in self._script_for(request):
                await self._play(step, stream, tcp)
            if self._read != "all":
                return

    def _script_for(self, request: RawRequest) -> Script:
        if callable(self._script):
            return self._script(request)
        return self._script[min(len(self.requests), len(self._script)) - 1]

    async def _play(self, step: Step, stream: trio.abc.Stream, tcp: trio.SocketStream) -> None:
        if isinstance(step, bytes):
            await self._send(step, stream, _CHUNK)
        elif isinstance(step, Drip):
            await self._send(step.data, stream, 1)
        elif step is CLOSE:
            await stream.aclose()
        elif step is RESET:
            tcp.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_LINGER, struct.pack("ii", 1, 0))
            tcp.socket.close()
            raise trio.ClosedResourceError
        elif step is HANG:
            await _until_peer_leaves(stream)
        else:
            assert not isinstance(step, End)  # noqa: S101 all three were handled
            await trio.sleep(step)

    async def _send(self, data: bytes, stream: trio.abc.Stream, at_once: int) -> None:
        for start in range(0, len(data), at_once):
            part = data[start : start + at_once]
            await stream.send_all(part)
            self.bytes_sent += len(part)

    def __repr__(self) -> str:
        return f"<ScriptServer {self.url} requests={len(self.requests)} open={self.open}>"


_CHUNK = 16_384


@asynccontextmanager
async def serving(*servers: ScriptServer) -> AsyncIterator[None]:
    """Run servers for the length of an `async with`."""
    async with trio.open_nursery() as nursery:
        for server in servers:
            await nursery.start(server.serve)
        yield
        nursery.cancel_scope.cancel()


async def _until_peer_leaves(stream: trio.abc.Stream) -> None:
    while await stream.receive_some():
        pass
    raise trio.ClosedResourceError


async def _read_request(
    connection: int, stream: trio.abc.Stream, unread: bytes, much: Literal["all", "head", "nothing"]
) -> tuple[RawRequest | None, bytes]:
    """Return the next request, None at the end of the stream, and what followed it."""
    if much == "nothing":
        return RawRequest(connection, b"", b""), b""
    while b"\r\n\r\n" not in unread:
        data = await stream.receive_some()
        if not data:
            return None, b""
        unread += data
    head, _, unread = unread.partition(b"\r\n\r\n")
    if much == "head":
        return RawRequest(connection, head, unread), b""
    length = int(dict(RawRequest(connection, head, b"").headers).get("content-length", 0))
    while len(unread) < length:
        data = await stream.receive_some()
        if not data:
            return None, b""
        unread += data
    return RawRequest(connection, head, unread[:length]), unread[length:]


# -- rollouts without a clock ----------------------------------------------------------------------------


def reply_to(
    send: Send, status: int = 200, body: bytes = b"", *, seconds: float = 0.0, fault: Fault | None = None
) -> Reply:
    """Return a reply that took `seconds`, to a request that left when it was due."""
    done = send.due + seconds
    first_byte = done if fault is None else None
    return Reply(send.due, done, 0 if fault else status, body, first_byte, fault)


def replay(rollout: Rollout, answer: Callable[[Send], Reply]) -> Transcript:
    """Play a rollout to its end; `answer`, asked in the order of time, stands for transport and server."""
    given: Any = None
    try:
        while True:
            given = respond(rollout.send(given), answer)
    except StopIteration as stop:
        transcript: Transcript = stop.value
        return transcript


def respond(step: Send | Wait | Calls, answer: Callable[[Send], Reply]) -> Reply | tuple[Outcome, ...] | None:
    """Return what a driver gives back for a step of a rollout."""
    if isinstance(step, Send):
        return answer(step)
    return replay_calls(step, answer) if isinstance(step, Calls) else None


def replay_calls(action: Calls, answer: Callable[[Send], Reply]) -> tuple[Outcome, ...]:
    """Play the calls of a turn, as many at once as it allows, and return their outcomes in order."""
    waiting = deque(enumerate(action.calls))
    running: dict[int, Call] = {}
    outcomes: dict[int, Outcome] = {}
    order = itertools.count()
    events: list[tuple[float, int, int, Send | Reply | None]] = []

    def begin(due: float) -> None:
        position, start = waiting.popleft()
        running[position] = start(due)
        heapq.heappush(events, (due, next(order), position, None))

    for _ in range(min(action.at_once, len(waiting))):
        begin(action.due)
    while events:
        _, _, position, event = heapq.heappop(events)
        if isinstance(event, Send):
            reply = answer(event)
            heapq.heappush(events, (reply.done, next(order), position, reply))
            continue
        try:
            step = running[position].send(event)
        except StopIteration as stop:
            outcomes[position] = stop.value
            if waiting:
                begin(outcomes[position].done)
            continue
        if isinstance(step, Send):
            heapq.heappush(events, (step.due, next(order), position, step))
        else:
            heapq.heappush(events, (step.due, next(order), position, None))
    return tuple(outcomes[position] for position in range(len(action.calls)))
