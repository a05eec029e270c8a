"""Sources of graders that try what a grader may not."""

import ctypes
import platform
import re
import sys
from pathlib import Path

import pytest

from simulator.judges.python import Limits, PythonJudge
from simulator.judges.seccomp import _BY_ARGUMENT
from simulator.judges.syscalls import ABSENT, DENIED

NAMES = {"sample": {"output_text": "blue", "output_json": {"colour": "blue"}}, "item": {"reference": "blue"}}

NUMBERS = {
    name: numbers[0 if platform.machine() == "x86_64" else 1]
    for name, numbers in {
        **DENIED,
        **ABSENT,
        **{name: numbers for name, (numbers, _) in _BY_ARGUMENT.items()},
        "getppid": (110, 173),
    }.items()
}


def grading(body: str, *, first: str = "") -> str:
    """Return a source whose `grade` has this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"{first}\ndef grade(sample, item):\n{lines}\n"


def raw(calls: str) -> str:
    """Return a grader that calls the C library at its address, where no audit hook looks.

    The address is worked out here, since the fence leaves no plain way to ask. In `calls`, `call` makes
    a system call and gives its result or the negative error number; `at` gives the address of bytes.
    """
    libc = next(line for line in Path("/proc/self/maps").read_text().splitlines() if _is_libc(line))
    address = ctypes.cast(ctypes.CDLL(None).syscall, ctypes.c_void_p).value
    offset = address - int(libc.partition("-")[0], 16)
    first = f"""
import ctypes, re
NUMBERS = {NUMBERS}
def call(name, *arguments):
    maps = open("/proc/self/maps").read().splitlines()
    libc = next(line for line in maps if re.search({_LIBC!r}, line))
    address = int(libc.partition("-")[0], 16) + {offset}
    numbers = (NUMBERS.get(name, name), *arguments)
    function = ctypes.CFUNCTYPE(ctypes.c_long, *[ctypes.c_long] * len(numbers), use_errno=True)(address)
    result = function(*numbers)
    return -ctypes.get_errno() if result == -1 else result
kept = []
def at(value):
    kept.append(ctypes.create_string_buffer(value))
    return int.from_bytes(bytes(memoryview(ctypes.pointer(kept[-1]))), "little")
"""
    return grading(calls, first=first)


_LIBC = r"/(?:libc[.-].*so|ld-musl)"


def _is_libc(line: str) -> bool:
    return re.search(_LIBC, line) is not None


SMALL = Limits(memory_bytes=300_000_000)
HASTY = Limits(seconds=0.4, memory_bytes=300_000_000)
RUNTIME, SERVER = "python_grader_runtime_error", "python_grader_server_error"
BAD = {**NAMES, "item": {"bad": True}}
FENCED_BY_KERNEL = sys.platform == "linux" and platform.machine() in {"x86_64", "aarch64"}

kernel_only = pytest.mark.skipif(not FENCED_BY_KERNEL, reason="the filter is for Linux on these machines")


async def judged(source, names=NAMES, limits=SMALL):
    async with PythonJudge(source, limits) as judge:
        return await judge.judge(names)


async def judged_twice(body, first="", limits=SMALL):
    """Grade a sample that goes wrong, and then one that does not, by the same judge."""
    async with PythonJudge(
        grading(f"if item.get('bad'):\n  {body}\nreturn 0.25", first=first), limits
    ) as judge:
        bad = await judge.judge(BAD)
        good = await judge.judge(NAMES)
    assert (good.score, good.error, good.details) == (0.25, None, "")
    return bad
