"""The machine: which core does what, how many files may be open, and what to call it in a report."""

import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CORES = sorted(os.sched_getaffinity(0))
CLIENT_CORE, TARGET_CORE = _CORES[0], _CORES[-1]
"""The client has one core to itself; target and bench share the other, and the bench mostly sleeps."""

_FILES_WANTED = 65_536  # 10,000 connections at either end, and room for log files and wake-up pipes
_TCP_ESTABLISHED = "01"


def only_one_core() -> bool:
    """Tell whether client and target have to share a core."""
    return CLIENT_CORE == TARGET_CORE


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """Run the body on one core; a process started in it stays there, with all its threads."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def allow_many_files() -> int:
    """Raise the limit on open files for us and all children, as far as allowed; return what it is then."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for wanted in (max(hard, _FILES_WANTED), hard):
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def description() -> str:
    """Return CPU, cores, kernel and Python on one line."""
    cores = f"{len(_CORES)} core{'s' if len(_CORES) > 1 else ''}"
    return f"{_cpu_model()}, {cores}, Linux {platform.release()}, Python {platform.python_version()}"


def peak_memory_mb(pid: int) -> float:
    """Return the most memory that it and its living descendants held, each at its own peak; 0 once gone."""
    # Not wait4's ru_maxrss: that starts from what the parent held when it forked.
    kb = 0
    for member in _family(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{member}/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    kb += int(line.split()[1])
    return kb * 1024 / 1e6


def memory_kb(pid: int) -> float:
    """Return the memory that process and descendants hold now, in KB; OSError once one is gone."""
    pages = (int(Path(f"/proc/{member}/statm").read_text().split()[1]) for member in _family(pid))
    return sum(pages) * resource.getpagesize() / 1024


def cpu_s(pid: int) -> float:
    """Return the CPU time that a process's living threads have had, in seconds; OSError once it is gone."""
    # To the nanosecond. The times in `stat` count ticks, and miss who sleeps whenever the clock ticks.
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9


def open_files(pid: int) -> int:
    """Return how many files, sockets included, it and its descendants have open; OSError once one is gone."""
    return sum(1 for member in _family(pid) for _ in Path(f"/proc/{member}/fd").iterdir())


def connections_to(port: int) -> int:
    """Return how many established TCP connections of this machine lead to the port."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    remote = f":{port:04X}"
    fields = (line.split() for line in lines)
    return sum(field[2].endswith(remote) and field[3] == _TCP_ESTABLISHED for field in fields)


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from _family(int(child))


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()
