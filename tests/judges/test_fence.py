"""The kernel's fence around a Python grader: what gets round the audit hook is stopped by it."""

import os
import platform
import re
from pathlib import Path

import pytest

from simulator.judges import seccomp
from simulator.judges.python import PythonJudge
from simulator.judges.syscalls import ABSENT, DENIED
from tests.judges.hostile import (
    RUNTIME,
    SMALL,
    judged,
    judged_twice,
    kernel_only,
    raw,
)


@kernel_only
@pytest.mark.parametrize("attempt", ["import socket; socket.socketpair()", "import os; os.mkfifo('made')"])
async def test_what_no_hook_sees_is_stopped_by_the_kernel(attempt, tmp_path):
    judgement = await judged_twice(attempt.replace("made", f"{tmp_path}/made"))
    assert (judgement.error, judgement.details.partition(" at ")[0]) == (RUNTIME, "it raised PermissionError")
    assert not list(tmp_path.iterdir())


@kernel_only
async def test_the_kernel_fences_here():
    async with PythonJudge("", SMALL) as judge:
        assert judge.fence == "kernel"


RAW_REFUSED = [
    "'socket', 2, 1, 0",
    "'socketpair', 1, 1, 0, at(bytes(8))",
    "'connect', 0, 0, 0",
    "'kill', call('getppid'), 9",
    "'tkill', call('getppid'), 9",
    "'pidfd_open', call('getppid'), 0",
    "'clone', 17, 0, 0, 0, 0",
    "'execve', at(b'/bin/true'), 0, 0",
    "'ptrace', 16, call('getppid'), 0, 0",
    "'openat', -100, at(MADE), 0o101, 0o600",
    "'openat', -100, at(THERE), 2, 0",
    "'openat', -100, at(THERE), 0o1000, 0",
    "'unlinkat', -100, at(THERE), 0",
    "'renameat', -100, at(THERE), -100, at(MADE)",
    "'truncate', at(THERE), 0",
    "'mkdirat', -100, at(MADE), 0o700",
    "'mknodat', -100, at(MADE), 0o10600, 0",
    "'fchmodat', -100, at(THERE), 0",
    "'prlimit64', 0, 7, at(bytes(16)), 0",
    "'prctl', 1, 0, 0, 0, 0",
    "'ioctl', 0, 0x5412, at(b'a')",
    "'fcntl', 0, 1024, 0",
    "'setuid', 65534",
    "'io_uring_setup', 8, at(bytes(200))",
    "'bpf', 0, 0, 0",
]


@kernel_only
@pytest.mark.parametrize("arguments", RAW_REFUSED)
async def test_the_kernel_refuses_what_gets_round_the_hook(arguments, tmp_path):
    (tmp_path / "there").write_text("as it was")
    paths = f"MADE, THERE = {str(tmp_path / 'made').encode()!r}, {str(tmp_path / 'there').encode()!r}"
    judgement = await judged(raw(f"{paths}\nreturn call({arguments})"))
    assert (judgement.score, judgement.details) == (-1, "")  # EPERM
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "as it was"


@kernel_only
@pytest.mark.parametrize("arguments", ["'clone3', 0, 0", "'openat2', -100, 0, 0, 0", "1000"])
async def test_calls_that_cannot_be_looked_into_are_absent(arguments):
    assert (await judged(raw(f"return call({arguments})"))).score == -38  # ENOSYS


@kernel_only
@pytest.mark.parametrize("allowed", ["'getppid'", "'openat', -100, at(b'/etc/passwd'), 0, 0"])
async def test_the_raw_calls_work_where_they_are_allowed(allowed):
    score = (await judged(raw(f"return call({allowed})"))).score
    assert score is not None
    assert score > 0


@pytest.mark.skipif(platform.machine() != "x86_64", reason="there is no x32 elsewhere")
async def test_the_other_numbering_of_calls_is_deadly():
    assert (await judged(raw("return call(0x40000000 + 39)"))).details == "its process died of SIGSYS"


@kernel_only
async def test_another_process_is_not_read_round_the_hook():
    body = "path = f'/proc/{call(\"getppid\")}/environ'.encode()\nreturn call('openat', -100, at(path), 0, 0)"
    score = (await judged(raw(body))).score
    assert score is not None
    assert score < 0 or os.geteuid() != 0  # an ordinary user's processes may look at each other


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_every_jump_of_the_filter_stays_inside(machine):
    steps = seccomp.program(machine)
    assert len(steps) < 4096
    for index, (code, if_true, if_false, _) in enumerate(steps):
        if code & 7 == 5:
            assert max(index + 1 + if_true, index + 1 + if_false) < len(steps)
            assert max(if_true, if_false) < 256
    assert steps[-1][0] == 6


@pytest.mark.skipif(
    not Path("/usr/include/asm-generic/unistd.h").exists()
    or not Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h").exists(),
    reason="needs the kernel's headers",
)
def test_the_numbers_are_the_kernels():
    def numbers(path):
        text = Path(path).read_text()
        return {name: int(n) for name, n in re.findall(r"#define\s+__NR(?:3264)?_(\w+)\s+(\d+)", text)}

    ours = {**DENIED, **ABSENT, **{name: rule[0] for name, rule in seccomp._BY_ARGUMENT.items()}}
    x86, generic = map(
        numbers, ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm-generic/unistd.h")
    )
    assert {name: (x86[name], generic.get(name)) for name in ours} == ours
