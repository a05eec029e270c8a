"""A small HTTP/2 server over TLS, on the h2 package, that answers as told."""

import ssl
import struct
from collections.abc import Awaitable, Callable

import h2.config
import h2.connection
import h2.events
import h2.settings
import trio

from tests.transport.lab import server_context

GOAWAY = 0x7


class Stream:
    """A request, and the means to answer it or not."""

    def __init__(self, connection: "_Connection", number: int, headers: dict[str, str]) -> None:
        self._connection, self.number, self.headers = connection, number, headers
        self.body = b""

    async def head(self, status: int = 200, *, end: bool = False, **headers: str) -> None:
        pairs = [(":status", str(status)), *((k.replace("_", "-"), v) for k, v in headers.items())]
        self._connection.h2.send_headers(self.number, pairs, end_stream=end)
        await self._connection.flush()

    async def data(self, data: bytes, *, end: bool = False) -> None:
        """Send as much as the client's windows let through at once."""
        room = self._connection.h2.local_flow_control_window(self.number)
        for start in range(0, min(len(data), room), 16_384):
            self._connection.h2.send_data(self.number, data[start : min(start + 16_384, room)])
            await self._connection.flush()
        if end:
            self._connection.h2.end_stream(self.number)
            await self._connection.flush()

    async def ok(self, body: bytes = b"") -> None:
        await self.head(content_length=str(len(body)))
        await self.data(body, end=True)

    async def reset(self) -> None:
        self._connection.h2.reset_stream(self.number, error_code=2)
        await self._connection.flush()

    async def goaway(self, last: int, error: int = 0) -> None:
        """Announce the end; h2 itself would then let us send no more."""
        await self.raw(struct.pack(">I", 8)[1:] + bytes([GOAWAY, 0]) + struct.pack(">III", 0, last, error))

    async def raw(self, data: bytes) -> None:
        await self._connection.flush(data)

    async def close(self) -> None:
        await trio.aclose_forcefully(self._connection.stream)


class Http2Server:
    """Serves at `https://127.0.0.1:port/`; `answer` is called with each request, in a task of its own.

    `streams` is how many at a time it allows on a connection; None says nothing of it.
    """

    def __init__(
        self,
        answer: Callable[[Stream], Awaitable[None]],
        *,
        streams: int | None = 100,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self.answer, self.streams = answer, streams
        self._tls = context or server_context()
        self._tls.set_alpn_protocols(["h2"])
        self.connections = self.open = self.port = 0
        self.requests: list[Stream] = []

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/"

    async def serve(self, task_status=trio.TASK_STATUS_IGNORED) -> None:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listener.socket.getsockname()[1]
        await trio.serve_listeners(self._talk, [listener], task_status=task_status)

    async def _talk(self, tcp: trio.SocketStream) -> None:
        self.connections, self.open = self.connections + 1, self.open + 1
        stream = trio.SSLStream(tcp, self._tls, server_side=True, https_compatible=True)
        try:
            async with trio.open_nursery() as nursery:
                await _Connection(self, stream, nursery).converse()
                nursery.cancel_scope.cancel()
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the peer has gone, or the answer was to close
        finally:
            self.open -= 1
            await trio.aclose_forcefully(tcp)


class _Connection:
    def __init__(self, server: Http2Server, stream: trio.SSLStream, nursery: trio.Nursery) -> None:
        self._server, self.stream, self._nursery = server, stream, nursery
        self._sending = trio.Lock()
        self._requests: dict[int, Stream] = {}
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=False, header_encoding="utf-8")
        )
        if server.streams is None:
            del self.h2.local_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS]
        else:
            self.h2.local_settings = h2.settings.Settings(
                client=False,
                initial_values={h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: server.streams},
            )

    async def flush(self, more: bytes = b"") -> None:
        async with self._sending:
            await self.stream.send_all(self.h2.data_to_send() + more)

    async def converse(self) -> None:
        self.h2.initiate_connection()
        await self.flush()
        while data := await self.stream.receive_some():
            for event in self.h2.receive_data(data):
                self._take(event)
            await self.flush()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._requests[event.stream_id] = Stream(self, event.stream_id, dict(event.headers))
        elif isinstance(event, h2.events.DataReceived):
            self._requests[event.stream_id].body += event.data
            self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            request = self._requests.pop(event.stream_id)
            self._server.requests.append(request)
            self._nursery.start_soon(self._server.answer, request)
