"""The engine watches itself: how late its own ticks come, and how much CPU it takes."""

import time

import trio

from simulator.measure.histogram import Histogram
from simulator.measure.trust import GeneratorSample

_TICK_S = 0.02


class Monitor:
    """Ticks in a task of its own; `sample` tells what it saw since it was made."""

    def __init__(self) -> None:
        self._lag = Histogram()
        self._cpu_began, self._began = time.process_time(), trio.current_time()

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
        )
