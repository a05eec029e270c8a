"""When bytes arrived: not when this program got round to reading them.

While a process is busy, or the machine gives the processor to somebody else, what came lies in the kernel. On
Linux the kernel tells since when; elsewhere nobody does.

Source: the kernel's Documentation/networking/timestamping.rst, SO_TIMESTAMPNS.
"""

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Sequence

_SO_TIMESTAMPNS = 35  # Linux; Python has no name for it
_TIMESPEC = struct.Struct("@ll")
ANCILLARY = socket.CMSG_SPACE(_TIMESPEC.size)
"""How much room `recvmsg` needs for what `lain_s` reads."""

Ancillary = Sequence[tuple[int, int, bytes]]


def stamp_arrivals(sock: socket.socket) -> None:
    """Have the kernel stamp what arrives on a connection, or on all that a listener accepts, if it can."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)


def lain_s(ancillary: Ancillary) -> float | None:
    """Return for how many seconds the last byte received has lain in the kernel; None when it does not tell.

    Never negative; but wrong, by the size of the step, where the system's clock was set meanwhile.
    """
    if not ancillary:
        return None
    seconds, nanoseconds = _TIMESPEC.unpack(ancillary[0][2])  # nothing else was asked for
    lain: float = time.time() - seconds - nanoseconds / 1e9
    return lain if lain > 0 else 0.0
