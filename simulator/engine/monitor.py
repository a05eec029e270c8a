"""The engine watches itself: how late its own ticks come, and what it had of the processor."""

import threading
import time
from pathlib import Path

import trio

from simulator.measure.histogram import Histogram
from simulator.measure.trust import GeneratorSample

_TICK_S = 0.02


class Monitor:
    """Ticks in a task of its own; `sample` tells what it saw since it was made."""

    def __init__(self) -> None:
        self._lag = Histogram()
        self._began, self._cpu_began = trio.current_time(), time.process_time()
        self._waited_began = _waited_s()

    async def watch(self) -> None:
        """Tick for ever."""
        while True:
            due = trio.current_time() + _TICK_S
            await trio.sleep_until(due)
            self._lag.record_lag(trio.current_time() - due, _TICK_S)

    def sample(self) -> GeneratorSample:
        """Return the readings so far."""
        now, before = _waited_s(), self._waited_began
        return GeneratorSample(
            cpu_s=time.process_time() - self._cpu_began,
            wall_s=trio.current_time() - self._began,
            lag=self._lag,
            waited_s=None if now is None or before is None else now - before,
        )


def _waited_s() -> float | None:
    """Return how long this thread was ready to run and did not, since it was born; None where nobody knows.

    Source: the kernel's Documentation/scheduler/sched-stats.rst, `/proc/PID/schedstat`, the second figure.
    """
    try:
        said = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat").read_text(encoding="ascii")
        return int(said.split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None
