"""Bytes in and out of a socket, plain or TLS, with one await per wait and nothing else.

Raw sockets and `wait_readable` instead of Trio's streams, so that a small request is one send and one wait.
"""

import contextlib
import errno
import os
import socket
import ssl
from collections.abc import Callable
from typing import Any, Protocol

import trio

_RECEIVE_BYTES = 65_536

Address = tuple[int, tuple[Any, ...]]
"""A socket family and an address of it."""


class Wire(Protocol):
    """A connected byte stream. OSError when it breaks, trio.ClosedResourceError when we closed it."""

    async def send(self, data: bytes) -> None:
        """Send all of `data`."""

    async def receive(self) -> bytes:
        """Return what has come, waiting for some; b"" at the end of the stream."""

    def is_stale(self) -> bool:
        """Tell whether the peer has closed an idle connection, or spoken out of turn."""

    def close(self) -> None:
        """Close at once and wake whoever waits; idempotent."""


class PlainWire:
    """TCP."""

    __slots__ = ("_socket",)

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    async def send(self, data: bytes) -> None:
        """Send all of `data`; usually one system call and no wait."""
        rest = memoryview(data)
        while True:
            with contextlib.suppress(BlockingIOError):
                rest = rest[self._socket.send(rest) :]
            if not rest:
                return
            await trio.lowlevel.wait_writable(self._socket)

    async def receive(self) -> bytes:
        """Return what has come, waiting for some; b"" at the end of the stream."""
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            with contextlib.suppress(BlockingIOError):
                return self._socket.recv(_RECEIVE_BYTES)

    def is_stale(self) -> bool:
        """Tell whether anything, the end included, waits to be read."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def close(self) -> None:
        """Close at once and wake whoever waits; idempotent."""
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()


class TlsWire:
    """TLS over a plain wire, through memory buffers."""

    __slots__ = ("_incoming", "_outgoing", "_plain", "_tls")

    def __init__(self, plain: PlainWire, context: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    async def handshake(self) -> None:
        """Agree on keys and verify the certificate; ssl.SSLError when that fails."""
        await self._pump(self._tls.do_handshake)

    async def send(self, data: bytes) -> None:
        """Send all of `data`."""
        rest = memoryview(data)
        while rest:
            rest = rest[await self._pump(self._tls.write, rest) :]

    async def receive(self) -> bytes:
        """Return what has come, waiting for some; b"" at the end of the stream, clean or not."""
        try:
            received: bytes = await self._pump(self._tls.read, _RECEIVE_BYTES)
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""
        return received

    async def _pump(self, operation: Callable[..., Any], *args: Any) -> Any:
        while True:
            try:
                result = operation(*args)
            except ssl.SSLWantReadError:
                await self._flush()
                received = await self._plain.receive()
                if received:
                    self._incoming.write(received)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await self._flush()  # the alert tells the peer why
                raise
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if self._outgoing.pending:
            await self._plain.send(self._outgoing.read())

    def is_stale(self) -> bool:
        """Tell whether the peer closed; session tickets that wait to be read make it look so, at no harm."""
        return self._plain.is_stale()

    def close(self) -> None:
        """Close at once and wake whoever waits; idempotent."""
        self._plain.close()


async def connect(addresses: tuple[Address, ...]) -> PlainWire:
    """Connect to the first address that accepts; OSError of the last one when none does."""
    failure: OSError = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for family, address in addresses:
        try:
            return PlainWire(await _connect(family, address))
        except OSError as error:
            failure = error
    raise failure


async def _connect(family: int, address: tuple[Any, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = sock.connect_ex(address)
        if code == errno.EINPROGRESS:
            await trio.lowlevel.wait_writable(sock)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except BaseException:
        sock.close()
        raise
    if code:
        sock.close()
        raise OSError(code, os.strerror(code))
    return sock
