"""The engine watches itself: how late its own ticks come, and what it had of the processor."""

import os
import threading
import time
from pathlib import Path

import trio

from simulator.measure.histogram import Histogram
from simulator.measure.trust import Cores, GeneratorSample

_TICK_S = 0.02


class Monitor:
    """Ticks in a task of its own; `sample` tells what it saw since it was made."""

    def __init__(self) -> None:
        self._lag = Histogram()
        self._began, self._cpu_began = trio.current_time(), time.process_time()
        self._waited_began, self._cores_began = _waited_s(), _cores()

    async def watch(self) -> None:
        """Tick for ever."""
        while True:
            due = trio.current_time() + _TICK_S
            await trio.sleep_until(due)
            self._lag.record_lag(trio.current_time() - due, _TICK_S)

    def sample(self) -> GeneratorSample:
        """Return the readings so far."""
        return GeneratorSample(
            cpu_s=time.process_time() - self._cpu_began,
            wall_s=trio.current_time() - self._began,
            lag=self._lag,
            waited_s=_since(self._waited_began, _waited_s()),
            cores=_cores_since(self._cores_began, _cores()),
        )


def _since(before: float | None, now: float | None) -> float | None:
    return None if now is None or before is None else now - before


def _cores_since(before: Cores | None, now: Cores | None) -> Cores | None:
    if now is None or before is None or now.number != before.number:
        return None
    return Cores(now.number, now.spare_s - before.spare_s)


def _waited_s() -> float | None:
    """Return how long this thread was ready to run and did not, since it was born; None where nobody knows.

    Source: the kernel's Documentation/scheduler/sched-stats.rst, `/proc/PID/schedstat`, the second figure.
    """
    try:
        said = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text(encoding="ascii")
        return int(said.split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


_SPARE = (4, 5, 6, 7)  # idle, iowait, irq, softirq: no program ran


def _cores() -> Cores | None:
    """Return the cores this process may use, and what they had to spare so far; None where nobody knows.

    The network's part of the kernel works in interrupts, for the generator as for everyone, and is no program
    either. Time that a hypervisor gave to others is not spare. Source: the kernel's
    Documentation/filesystems/proc.rst, `/proc/stat`.
    """
    try:
        mine = {f"cpu{number}" for number in os.sched_getaffinity(0)}
        lines = [line.split() for line in Path("/proc/stat").read_text(encoding="ascii").splitlines()]
        told = [line for line in lines if line and line[0] in mine]
        ticks = sum(int(line[column]) for line in told for column in _SPARE)
        ran = any(int(figure) for line in told for figure in line[1:])
        return Cores(len(mine), ticks / os.sysconf("SC_CLK_TCK")) if len(told) == len(mine) and ran else None
    except (AttributeError, OSError, ValueError, IndexError):
        return None
