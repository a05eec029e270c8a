"""One clock for all processes of a run."""

import time

import trio


class SharedClock(trio.abc.Clock):
    """The machine's monotonic clock as it is, where Trio's own adds an offset that differs per process.

    So a moment that one process names is the same moment in all of them. Pass it to `trio.run`.
    """

    def start_clock(self) -> None:
        """Do nothing: the clock runs."""

    current_time = staticmethod(time.perf_counter)  # bare, because it is asked several times a call

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return how long to sleep until `deadline`, in seconds."""
        return deadline - time.perf_counter()
