"""What socket calls raise, and what it is called."""

import errno
import os
import socket
import ssl

import pytest

from simulator.faults import Fault
from simulator.transport.failures import fault_of_exception


@pytest.mark.parametrize(
    ("number", "fault"),
    [
        (errno.EMFILE, Fault.NO_SOCKET),
        (errno.ENFILE, Fault.NO_SOCKET),
        (errno.ENOBUFS, Fault.NO_SOCKET),
        (errno.ENOMEM, Fault.NO_SOCKET),
        (errno.EADDRNOTAVAIL, Fault.NO_SOCKET),
        (errno.ECONNREFUSED, Fault.CONNECT_REFUSED),
        (errno.ETIMEDOUT, Fault.CONNECT_TIMEOUT),
        (errno.ECONNRESET, Fault.RESET),
        (errno.EPIPE, Fault.RESET),
        (errno.ECONNABORTED, Fault.RESET),
        (errno.ENETUNREACH, Fault.CONNECT_FAILED),
        (errno.EHOSTUNREACH, Fault.CONNECT_FAILED),
        (errno.EACCES, Fault.CONNECT_FAILED),
    ],
    ids=lambda value: errno.errorcode.get(value, ""),
)
def test_an_error_number_has_its_fault(number, fault):
    assert fault_of_exception(OSError(number, os.strerror(number))) is fault


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (ssl.SSLError(1, "handshake failure"), Fault.TLS),
        (ssl.SSLCertVerificationError("of another host"), Fault.TLS),
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), Fault.DNS),
        (UnicodeError("label too long"), Fault.DNS),
        (OSError("without a number"), Fault.CONNECT_FAILED),
    ],
    ids=repr,
)
def test_an_exception_has_its_fault(error, fault):
    assert fault_of_exception(error) is fault
