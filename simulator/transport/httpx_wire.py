"""The wire beneath httpcore: connecting, TLS and bytes, on Trio's streams, with a watcher that sees all.

What the system raises comes through as it is, so that a fault can be told from it.
"""

import contextlib
import ssl
from collections.abc import Iterable
from typing import Protocol

import httpcore
import trio


class Watcher(Protocol):
    """Whom the wire of one connection tells what happens on it.

    `tcp` is its socket, `failure` why it could not be opened.
    """

    tcp: trio.SocketStream | None
    failure: Exception | None

    def secured(self, protocol: str | None) -> None:
        """Take in that TLS is up, and what was agreed to be spoken on it."""

    def take_in(self, data: bytes) -> bytes:
        """Return what httpcore may see of what came; b"" is the end."""


class Backend(httpcore.AsyncNetworkBackend):
    """Opens TCP connections, in fact only one, for its watcher."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore's; the call has its own limit
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect; OSError or UnicodeError as the system has it. Who waited for this one shares its fate."""
        del timeout, local_address, socket_options
        if self._watcher.failure is not None:
            raise self._watcher.failure.with_traceback(None)
        try:
            self._watcher.tcp = await trio.open_tcp_stream(host, port)
        except (OSError, UnicodeError) as error:
            self._watcher.failure = _last_of(error)
            raise self._watcher.failure from None
        return _Stream(_Unfailing(self._watcher.tcp), self._watcher)


class _Unfailing(trio.abc.Stream):
    """A socket on which sending never fails: who reads will see what became of the connection.

    A server may answer, and close, before it has read all; and TLS, once sending failed, would read no more.
    """

    def __init__(self, tcp: trio.SocketStream) -> None:
        self._tcp = tcp

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await self._tcp.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._tcp.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._tcp.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._tcp.aclose()


class _Stream(httpcore.AsyncNetworkStream):
    """A stream as httpcore sees it, plain or TLS; what it receives is shown to its watcher."""

    def __init__(self, stream: trio.abc.Stream, watcher: Watcher) -> None:
        self._stream, self._watcher = stream, watcher

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 httpcore's
        """Return what has come, b"" at the end; OSError when the connection breaks."""
        del timeout
        while True:
            try:
                data = bytes(await self._stream.receive_some(max_bytes))
            except trio.BrokenResourceError as error:
                raise _system_error(error) from None
            seen = self._watcher.take_in(data)
            if seen or not data:
                return seen

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 httpcore's
        """Send all of `buffer`."""
        del timeout
        if buffer:
            await self._stream.send_all(buffer)

    async def aclose(self) -> None:
        """Close at once."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 httpcore's
    ) -> httpcore.AsyncNetworkStream:
        """Agree on keys and verify the certificate; ssl.SSLError when that fails."""
        del timeout
        stream = trio.SSLStream(
            self._stream, ssl_context, server_hostname=server_hostname, https_compatible=True
        )
        try:
            await stream.do_handshake()
        except trio.BrokenResourceError as error:
            self._watcher.failure = _system_error(error)
            await trio.aclose_forcefully(stream)
            raise self._watcher.failure from None
        except BaseException:
            await trio.aclose_forcefully(stream)
            raise
        self._watcher.secured(stream.selected_alpn_protocol())
        return _Stream(stream, self._watcher)

    def get_extra_info(self, info: str) -> object:
        """Return the TLS object; whether an idle connection is readable is looked at elsewhere."""
        return self._stream if info == "ssl_object" and isinstance(self._stream, trio.SSLStream) else None


def _last_of(error: OSError | UnicodeError) -> OSError | UnicodeError:
    """Return the last failure of Trio's attempts at several addresses."""
    group = error.__cause__
    if isinstance(group, ExceptionGroup) and isinstance(last := group.exceptions[-1], OSError):
        return last
    return error


def _system_error(error: BaseException) -> OSError:
    """Return what the system or TLS raised beneath one of Trio's exceptions."""
    beneath: BaseException | None = error
    while beneath is not None and not isinstance(beneath, OSError):
        beneath = beneath.__cause__
    return beneath or ConnectionResetError()
