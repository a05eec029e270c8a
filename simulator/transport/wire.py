"""Connecting, and TLS: the parts of a connection's life that wait; what follows them is `connection`."""

import contextlib
import errno
import os
import socket
import ssl
from typing import Any

import trio

from simulator.arrival import stamp_arrivals

RECEIVE_BYTES = 65_536

Address = tuple[int, tuple[Any, ...]]
"""A socket family and an address of it."""


class Tls:
    """TLS over memory BIOs: bytes of the socket in, bytes of the application out, and the reverse.

    `session` is one of an earlier connection to the same host: where the server agrees, the handshake is
    shorter by the certificate's verification.
    """

    __slots__ = ("_incoming", "_object", "_outgoing", "ended")

    def __init__(self, context: ssl.SSLContext, host: str, session: ssl.SSLSession | None = None) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host, session=session)
        self.ended = False

    @property
    def session(self) -> ssl.SSLSession | None:
        """Return what a later connection may resume; a TLS 1.3 server sends it after the handshake."""
        return self._object.session

    @property
    def resumed(self) -> bool | None:
        """Tell whether the handshake resumed an earlier session; None before it."""
        return self._object.session_reused

    @property
    def version(self) -> str:
        """Return the protocol agreed on, such as `TLSv1.3`; "" before the handshake."""
        return self._object.version() or ""

    @property
    def valid_until(self) -> float | None:
        """Return when the peer's certificate expires, in seconds since 1970; None where it showed none."""
        certificate = self._object.getpeercert()
        return ssl.cert_time_to_seconds(str(certificate["notAfter"])) if certificate else None

    async def handshake(self, sock: socket.socket) -> None:
        """Agree on keys and verify the certificate; ssl.SSLError when that fails, OSError when it breaks."""
        while True:
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                await _send_all(sock, self._outgoing.read())
                self._take_in(await _receive(sock))
            except ssl.SSLError:
                with contextlib.suppress(OSError):
                    await _send_all(sock, self._outgoing.read())  # the alert tells the peer why
                raise
            else:
                await _send_all(sock, self._outgoing.read())
                return

    def encrypt(self, data: bytes) -> bytes:
        """Return what to send for `data`."""
        self._object.write(data)
        return self._outgoing.read()

    def decrypt(self, received: bytes) -> bytes:
        """Return what the socket's bytes, b"" for its end, bring for the application; ssl.SSLError.

        `ended` is set once nothing more can come, by a clean end or another.
        """
        self._take_in(received)
        chunks: list[bytes] = []
        try:
            while not chunks or self._incoming.pending or self._object.pending():
                chunk = self._object.read(RECEIVE_BYTES)
                if not chunk:
                    self.ended = True
                    break
                chunks.append(chunk)
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.ended = True
        return b"".join(chunks)

    def answer_owed(self) -> bytes:
        """Return what TLS itself wants to send in answer to what came: a key update, an alert; mostly b""."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def _take_in(self, received: bytes) -> None:
        if received:
            self._incoming.write(received)
        else:
            self._incoming.write_eof()


async def connect(addresses: tuple[Address, ...]) -> socket.socket:
    """Connect to the first address that accepts; OSError of the last one when none does."""
    failure: OSError = OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    for family, address in addresses:
        try:
            return await _connect(family, address)
        except OSError as error:
            failure = error
    raise failure


async def _connect(family: int, address: tuple[Any, ...]) -> socket.socket:
    sock, connected = begin_to_connect(family, address)
    try:
        if not connected:
            await trio.lowlevel.wait_writable(sock)
            _check(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    except BaseException:
        sock.close()
        raise
    return sock


def begin_to_connect(family: int, address: tuple[Any, ...]) -> tuple[socket.socket, bool]:
    """Return a socket on its way to `address`, and whether it is already there; OSError when it cannot go.

    To an address of this machine the kernel connects at once, although it says that it has only begun.
    """
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        stamp_arrivals(sock)
        code = sock.connect_ex(address)
        if code != errno.EINPROGRESS:
            _check(code)
    except BaseException:
        sock.close()
        raise
    return sock, code == 0 or _is_connected(sock)


def _check(code: int) -> None:
    if code:
        raise OSError(code, os.strerror(code))


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


async def send_rest(sock: socket.socket, rest: memoryview) -> None:
    """Send what did not fit at once; whatever ends the connection meanwhile is for its reader to say."""
    with contextlib.suppress(OSError, trio.ClosedResourceError):
        await _send_all(sock, rest)


async def _send_all(sock: socket.socket, data: bytes | memoryview) -> None:
    rest = memoryview(data)
    while rest:
        with contextlib.suppress(BlockingIOError):
            rest = rest[sock.send(rest) :]
            continue
        await trio.lowlevel.wait_writable(sock)


async def _receive(sock: socket.socket) -> bytes:
    while True:
        await trio.lowlevel.wait_readable(sock)
        with contextlib.suppress(BlockingIOError):
            return sock.recv(RECEIVE_BYTES)
