"""A seccomp filter that takes from a process every way to change what is not its own. Linux, x86_64, aarch64.

Standard library only. Layout of the filter: the architecture, the numbers that are no call of it, then rule
after rule: "is it this call? then ...". What no rule names is allowed, reading files among it.

Source: Linux, Documentation/userspace-api/seccomp_filter.rst and include/uapi/linux/{filter,seccomp,audit}.h.
"""

import ctypes
import errno
import platform
import struct
import sys
from collections.abc import Sequence
from typing import Final

from simulator.judges.syscalls import ABSENT, DENIED, FIRST_UNKNOWN, Numbers

_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL_PROCESS, _ERRNO, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_NUMBER, _ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
_X32_BIT = 0x40000000

_MACHINES: Final = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""AUDIT_ARCH_*, and the column in the tables of numbers."""

WRITE_FLAGS: Final = 0o3 | 0o100 | 0o1000 | 0o20000000
"""O_WRONLY and O_RDWR, O_CREAT, O_TRUNC (which also empties what is opened to be read), O_TMPFILE."""

_CLONE_THREAD = 0x00010000
_FCNTL = (0, 1, 2, 3, 4, 1030, 1032)  # F_DUPFD F_GETFD F_SETFD F_GETFL F_SETFL F_DUPFD_CLOEXEC F_GETPIPE_SZ
# TCGETS TCGETS2 TIOCGWINSZ FIONREAD FIONBIO FIO(N)CLEX
_IOCTL = (0x5401, 0x802C542A, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)
_PR_SET_PDEATHSIG = 1

Instruction = tuple[int, int, int, int]
"""Code, how far to jump if true, how far if false, operand."""


def _load(offset: int) -> Instruction:
    return _LOAD, 0, 0, offset


def _argument(index: int, *, high: bool = False) -> Instruction:
    return _load(16 + 8 * index + (4 if high else 0))  # both machines are little-endian


def _give(value: int) -> Instruction:
    return _RETURN, 0, 0, value


_DENY, _ABSENT = _give(_ERRNO | errno.EPERM), _give(_ERRNO | errno.ENOSYS)
_PERMIT, _KILL = _give(_ALLOW), _give(_KILL_PROCESS)


def _when(number: int, then: Sequence[Instruction]) -> list[Instruction]:
    """Return: if it is this call, `then`, which ends in a return; otherwise what follows."""
    return [(_JUMP_EQUAL, 0, len(then), number), *then]


def _deny_bits(argument: int, bits: int) -> list[Instruction]:
    return [_argument(argument), (_JUMP_ANY_BIT, 0, 1, bits), _DENY, _PERMIT]


def _need_bits(argument: int, bits: int) -> list[Instruction]:
    return [_argument(argument), (_JUMP_ANY_BIT, 1, 0, bits), _DENY, _PERMIT]


def _permit_only(argument: int, values: Sequence[int]) -> list[Instruction]:
    tests = [step for value in values for step in ((_JUMP_EQUAL, 0, 1, value), _PERMIT)]
    return [_argument(argument), *tests, _DENY]


def _deny_value(argument: int, value: int) -> list[Instruction]:
    return [_argument(argument), (_JUMP_EQUAL, 0, 1, value), _DENY, _PERMIT]


def _need_null(argument: int) -> list[Instruction]:
    is_zero = (_JUMP_EQUAL, 1, 0, 0)
    return [_argument(argument), is_zero, _DENY, _argument(argument, high=True), is_zero, _DENY, _PERMIT]


_BY_ARGUMENT: Final[dict[str, tuple[Numbers, list[Instruction]]]] = {
    "open": ((2, None), _deny_bits(1, WRITE_FLAGS)),
    "openat": ((257, 56), _deny_bits(2, WRITE_FLAGS)),
    "clone": ((56, 220), _need_bits(0, _CLONE_THREAD)),
    "prlimit64": ((302, 261), _need_null(2)),
    "fcntl": ((72, 25), _permit_only(1, _FCNTL)),  # no leases, locks, nor signals to the owner of a file
    "ioctl": ((16, 29), _permit_only(1, _IOCTL)),  # no typing into terminals, no flags of files
    "prctl": ((157, 167), _deny_value(0, _PR_SET_PDEATHSIG)),  # it dies with its parent
}


def program(machine: str) -> list[Instruction]:
    """Return the filter for a machine as `platform.machine()` names it; KeyError for one without tables."""
    architecture, column = _MACHINES[machine]
    rules = [
        *((numbers, [_DENY]) for numbers in DENIED.values()),
        *((numbers, [_ABSENT]) for numbers in ABSENT.values()),
        *_BY_ARGUMENT.values(),
    ]
    head: list[Instruction] = [
        _load(_ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        _KILL,
        _load(_NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32_BIT),
        _KILL,
        (_JUMP_AT_LEAST, 0, 1, FIRST_UNKNOWN),
        _ABSENT,
    ]
    body = [
        step
        for numbers, then in rules
        if (number := numbers[column]) is not None
        for step in _when(number, then)
    ]
    return [*head, *body, _PERMIT]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def install() -> bool:
    """Put the filter on this process for good, before it has threads; return whether the kernel took it."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in _MACHINES or sys.maxsize < 2**32:
        return False
    steps = program(machine)
    code = b"".join(struct.pack("<HBBI", *step) for step in steps)
    prctl = ctypes.CDLL(None).prctl
    prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
    filter_ = _Program(len(steps), code)
    if prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(filter_), 0, 0) == 0)
