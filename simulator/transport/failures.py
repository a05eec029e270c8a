"""What a socket call raised, as a fault of the closed list."""

import errno
import socket
import ssl

from simulator.faults import Fault

_BY_ERRNO: dict[int, Fault] = {
    errno.ECONNREFUSED: Fault.CONNECT_REFUSED,
    errno.ETIMEDOUT: Fault.CONNECT_TIMEOUT,
    errno.ECONNRESET: Fault.RESET,
    errno.EPIPE: Fault.RESET,
    errno.ECONNABORTED: Fault.RESET,
    **dict.fromkeys(
        (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EADDRNOTAVAIL), Fault.NO_SOCKET
    ),
}

_BY_EXCEPTION: tuple[tuple[type[BaseException], Fault], ...] = (
    (ssl.SSLError, Fault.TLS),
    (ssl.CertificateError, Fault.TLS),
    (socket.gaierror, Fault.DNS),
    (UnicodeError, Fault.DNS),  # a label that IDNA cannot encode
)


def fault_of_exception(error: BaseException) -> Fault:
    """Return the fault for what a socket call raised; CONNECT_FAILED where nothing fits better."""
    for kind, fault in _BY_EXCEPTION:
        if isinstance(error, kind):
            return fault
    if isinstance(error, OSError) and error.errno is not None:
        return _BY_ERRNO.get(error.errno, Fault.CONNECT_FAILED)
    return Fault.CONNECT_FAILED
