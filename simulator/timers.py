"""Wake-ups for thousands of waiters from one task.

A `trio.sleep` per caller costs 60 us and more once thousands sleep, because each brings a cancel scope and a
deadline of its own. Here all of them share one heap and one nap: the serving task sleeps until the earliest
entry, wakes what is due, and naps again.
"""

import heapq
import itertools
import math
from collections.abc import Callable
from typing import Any

import trio

_FEW = 1000  # called-off entries that are not worth a clean-up


class Timer:
    """A wake-up at `when`, seconds on Trio's clock; `wake` is None once it happened or was called off."""

    __slots__ = ("wake", "when")

    def __init__(self, when: float, wake: Callable[[], None]) -> None:
        self.when = when
        self.wake: Callable[[], None] | None = wake


class Timers:
    """The heap of wake-ups; `serve` must run in a task for any of them to happen."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._nap: trio.CancelScope | None = None
        self._called_off = 0

    def call_at(self, when: float, wake: Callable[[], None]) -> Timer:
        """Call `wake` at `when` on Trio's clock, or as soon after as the loop allows; it must not raise."""
        timer = Timer(when, wake)
        heapq.heappush(self._heap, (when, next(self._order), timer))
        if self._nap is not None and when < self._nap.deadline:
            self._nap.deadline = when
        return timer

    def cancel(self, timer: Timer) -> None:
        """Call a wake-up off; harmless when it has happened.

        Its entry stays in the heap until such entries are the larger part of it: limits of ten minutes that
        are called off thousands of times a second would otherwise fill the memory.
        """
        if timer.wake is None:
            return
        timer.wake = None
        self._called_off += 1
        if self._called_off > max(_FEW, len(self._heap) // 2):
            self._heap = [entry for entry in self._heap if entry[2].wake is not None]
            heapq.heapify(self._heap)
            self._called_off = 0

    async def sleep_until(self, when: float) -> None:
        """Sleep until `when` on Trio's clock; always a checkpoint."""
        if when <= trio.current_time():
            await trio.lowlevel.checkpoint()
            return
        task = trio.lowlevel.current_task()
        timer = self.call_at(when, lambda: trio.lowlevel.reschedule(task))

        def abort(_raise_cancel: Any) -> trio.lowlevel.Abort:
            self.cancel(timer)
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Wake what is due, for ever."""
        task_status.started()
        while True:
            self.wake_due()
            with trio.CancelScope(deadline=self.next_at) as self._nap:
                await trio.sleep_forever()

    @property
    def next_at(self) -> float:
        """Return when the next wake-up is due, or was to have been; infinity when there is none."""
        return self._heap[0][0] if self._heap else math.inf

    def wake_due(self) -> None:
        """Wake what is due; for whoever is awake anyway, and then has `nap_on` called."""
        now = trio.current_time()
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            if timer.wake is None:
                self._called_off -= 1
            else:
                wake, timer.wake = timer.wake, None
                wake()

    def nap_on(self) -> None:
        """Nap until the next wake-up that is left: to end a nap for nothing costs as much as two calls."""
        if self._nap is not None:
            self._nap.deadline = self.next_at

    def __repr__(self) -> str:
        return f"<Timers pending={len(self._heap) - self._called_off}>"
