"""A clock that jumps, a server in the test's own loop, and a client that sees every byte."""

from collections.abc import Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import msgspec
import pytest
import trio
import trio.testing

from endpoints_mock.domains.echo import echo_domain
from endpoints_mock.server import Listening, serve
from endpoints_mock.settings import MockSettings, build_settings


@pytest.fixture
def jumping_clock() -> trio.testing.MockClock:
    """Jump over every wait; the threshold leaves the kernel time to carry bytes between sockets."""
    return trio.testing.MockClock(autojump_threshold=0.005)


class Answered(msgspec.Struct, frozen=True):
    """What came back until the server closed: the raw bytes, and their parts where they are HTTP."""

    raw: bytes

    @property
    def status(self) -> int:
        return int(self.raw.split(b" ", 2)[1])

    @property
    def head(self) -> str:
        return self.raw.partition(b"\r\n\r\n")[0].decode().lower()

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """Talks to one server; every request has a connection of its own, closed after the answer."""

    def __init__(self, listening: Listening) -> None:
        self.port, self.url = listening.port, listening.url
        self._opened: list[trio.SocketStream] = []

    async def connect(self) -> trio.SocketStream:
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        self._opened.append(stream)
        return stream

    async def aclose(self) -> None:
        for stream in self._opened:
            await stream.aclose()

    async def send(self, raw: bytes) -> Answered:
        stream = await self.connect()
        async with stream:
            await stream.send_all(raw)
            return Answered(await read_all(stream))

    async def get(self, path: str, **headers: str) -> Answered:
        return await self.send(request("GET", path, **headers))

    async def post(self, path: str, body: bytes, **headers: str) -> Answered:
        return await self.send(request("POST", path, body, **headers))

    async def call(self, name: str = "echo", arguments: str = '{"a":1}', **ids: str) -> Answered:
        return await self.post(f"/tools/{name}", tool_call(name, arguments, **ids))

    async def grade(self, answer: str, item: Any, trace_id: str = "trace_1") -> Answered:
        body = {"sample": {"choices": [], "output_text": answer}, "item": item, "trace_id": trace_id}
        return await self.post("/grade", msgspec.json.encode(body))

    async def stats(self) -> Any:
        return (await self.get("/stats")).json


async def read_all(stream: trio.SocketStream) -> bytes:
    parts = []
    while part := await stream.receive_some(65536):
        parts.append(part)
    return b"".join(parts)


def request(method: str, path: str, body: bytes = b"", *, close: bool = True, **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: test", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines += ["connection: close"] if close else []
    return "\r\n".join([*lines, "", ""]).encode() + body


def tool_call(
    name: str = "echo", arguments: str = '{"a":1}', *, trace_id: str = "trace_1", call_id: str = "call_1"
) -> bytes:
    """Written by hand, not by our dialect, so that the two can disagree."""
    return msgspec.json.encode(
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": call_id,
            "name": name,
            "arguments": arguments,
            "trace_id": trace_id,
            "item": {"messages": [{"role": "user", "content": "hello"}]},
        }
    )


@asynccontextmanager
async def _running(settings: MockSettings, domain: Any) -> Any:
    async with trio.open_nursery() as nursery:
        client = Client(await nursery.start(partial(serve, domain, settings)))
        yield client
        await client.aclose()
        nursery.cancel_scope.cancel()


@pytest.fixture
def running() -> Callable[..., Any]:
    """Return a context manager that serves `echo` (or another domain) with the given settings."""
    return lambda domain=None, **texts: _running(build_settings(**texts), domain or echo_domain())
