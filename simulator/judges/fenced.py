"""The process in which a grader's source runs, behind a fence. Standard library only, so that it starts fast.

    fenced ──{"fence"}──▶ us
    us ──source──▶ run once ──{"id": 0}──▶ us
    us ──{"sample", "item"}──▶ grade(sample, item) ──{"id", "score"} or {"id", "error"}──▶ us

A frame is four bytes of length, the highest first, then JSON, or the source as it is. An answer with "over"
means that this process is not to be asked again. The source sees /dev/null for its standard input and
output, and no environment.
"""

import contextlib
import ctypes
import gc
import json
import math
import numbers
import os
import resource
import signal
import struct
import sys
import types
from collections.abc import Callable
from typing import Any, Final

from simulator.judges import audit, seccomp

_PR_SET_PDEATHSIG: Final = 1
_CAPABILITY_VERSION_3: Final = 0x20080522
_CAP_DAC_READ_SEARCH: Final = 1 << 2
_MOST_FILES: Final = 64
_LONGEST: Final = 300
_OUT_OF_MEMORY: Final = "it ran out of memory"


class _Refused(Exception):  # noqa: N818 it is no error of ours
    """The source gave no score; why, in one line."""


def main(memory_bytes: int) -> None:
    """Serve until the input ends."""
    read_fd, write_fd = _private_pipes()
    kernel = _raise_fence(memory_bytes)
    tried = audit.watch()
    _send(write_fd, {"fence": "kernel" if kernel else "python"})
    grade: Callable[[Any, Any], Any] | None = None

    def load(source: bytes) -> None:
        nonlocal grade
        grade = _load(source.decode())

    def judge(frame: bytes) -> float:
        assert grade is not None  # noqa: S101 where the source did not load, nobody calls it
        call = json.loads(frame)
        return _number(grade(call["sample"], call["item"]))

    for number, frame in enumerate(iter(lambda: _receive(read_fd), b"")):
        _send(write_fd, {"id": number, **_answer(judge if number else load, frame, tried)})


def _private_pipes() -> tuple[int, int]:
    """Move the two pipes from 0 and 1 to where print() and input() do not reach them."""
    pipes = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    os.close(null)
    return pipes


def _die_with_parent() -> None:
    """Have the kernel kill this process with the parent; one that died before has closed the input."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _raise_fence(memory_bytes: int) -> bool:
    for limit, most in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
        (resource.RLIMIT_MEMLOCK, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(OSError, ValueError):  # where the system has no such limit
            resource.setrlimit(limit, (least, least))
    if sys.platform == "linux":
        _drop_capabilities()
        _die_with_parent()  # after that: a change of powers would clear it
    return seccomp.install()


def _drop_capabilities() -> None:
    """Keep of root's powers the one to read files: without the others it cannot look into other processes."""
    libc = ctypes.CDLL(None)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    # Effective, permitted, inheritable: the low halves of all three, then the high ones.
    had = ctypes.create_string_buffer(struct.calcsize("=6I"))
    if libc.capget(header, had) == 0:
        kept = struct.unpack("=6I", had.raw)[1] & _CAP_DAC_READ_SEARCH
        libc.capset(header, struct.pack("=6I", kept, kept, 0, 0, 0, 0))


def _load(source: str) -> Callable[[Any, Any], Any]:
    module = types.ModuleType("grader")
    sys.modules["grader"] = module  # dataclasses look there for the module of a class
    exec(compile(source, "grader", "exec", dont_inherit=True), module.__dict__)  # noqa: S102 what we are for
    grade = module.__dict__.get("grade")
    if not callable(grade):
        raise _Refused("it defines no `grade` that can be called")
    return grade  # type: ignore[no-any-return]


def _number(value: Any) -> float:
    if not isinstance(value, numbers.Real):
        raise _Refused(f"`grade` returned {_a(type(value).__name__)}, which is no number")
    try:
        number = float(value)
    except OverflowError:
        raise _Refused("`grade` returned a number too large for a float") from None
    if not math.isfinite(number):
        raise _Refused(f"`grade` returned {number}, which is no finite number")
    return number


def _a(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} {name}" if name != "NoneType" else "None"


def _answer(do: Callable[[bytes], float | None], frame: bytes, tried: list[str]) -> dict[str, Any]:
    """Return the answer, whatever the source does: it may raise anything, and from anywhere."""
    try:
        answer = _outcome(do, frame)
    except BaseException:
        answer = {"error": "it raised something that cannot be shown"}
    return {"error": f"it tried to {tried[0]}", "over": True} if tried else answer


def _outcome(do: Callable[[bytes], float | None], frame: bytes) -> dict[str, Any]:
    try:
        return {"score": do(frame)}
    except _Refused as refused:
        return {"error": str(refused)}
    except MemoryError:
        return {"error": _OUT_OF_MEMORY, "over": True}
    except BaseException as error:
        return {"error": _shown(error)}


def _shown(error: BaseException) -> str:
    line = _line_in_source(error)
    where = f" at line {line} of the source" if line else ""
    name = type(error).__name__
    if isinstance(error, SyntaxError):
        message, where = str(error.msg), f" at line {error.lineno} of the source" if error.lineno else ""
    else:
        message = str(error)
    return f"it raised {name}{where}: {message[:_LONGEST]}"[:_LONGEST].rstrip(": ")


def _line_in_source(error: BaseException) -> int:
    line, step = 0, error.__traceback__
    while step is not None:
        if step.tb_frame.f_code.co_filename == "grader":
            line = step.tb_lineno
        step = step.tb_next
    return line


def _receive(fd: int) -> bytes:
    """Return the next frame; b"" at the end of the input."""
    head = _exactly(fd, 4)
    return _exactly(fd, struct.unpack(">I", head)[0]) if len(head) == 4 else b""


def _exactly(fd: int, size: int) -> bytes:
    parts = []
    while size > 0 and (part := os.read(fd, min(size, 1 << 20))):
        parts.append(part)
        size -= len(part)
    return b"".join(parts) if size == 0 else b""


def _send(fd: int, answer: dict[str, Any]) -> None:
    data = json.dumps(answer).encode()
    data = struct.pack(">I", len(data)) + data
    while data:
        data = data[os.write(fd, data) :]


gc.freeze()  # nothing of this module is the source's garbage
