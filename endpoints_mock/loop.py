"""What is to happen when: sockets that become ready, times that come, and one task that waits for both.

A task for each of thousands of connections would cost more, in waking it up, than all that it does: here
nobody waits but the loop, and the rest are callbacks.
"""

import heapq
import itertools
import math
import selectors
import socket
from collections.abc import Callable

import trio

Callback = Callable[[], None]


class Agenda:
    """Callbacks and the times they are due, in seconds on Trio's clock."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callback]] = []
        self._order = itertools.count()

    def call_at(self, when: float, call: Callback) -> None:
        """Have `call` called at `when`, never from within this method; those of one time in their order."""
        heapq.heappush(self._heap, (when, next(self._order), call))

    def call_due(self) -> None:
        """Call what is due by now, and what becomes due meanwhile."""
        heap = self._heap
        while heap and heap[0][0] <= trio.current_time():
            heapq.heappop(heap)[2]()

    @property
    def next_at(self) -> float:
        """Return when the next callback is due; infinity when there is none."""
        return self._heap[0][0] if self._heap else math.inf

    def __repr__(self) -> str:
        return f"<Agenda pending={len(self._heap)}>"


class Loop:
    """Calls back when a socket is ready, and what is on the agenda.

    A socket has one callback at a time, either for reading or for writing; it stays until it is replaced or
    forgotten. Only callbacks may change it, or the agenda, once the loop runs: it does not look meanwhile.

    `polled_at` is when the sockets now being served were found to be ready.
    """

    def __init__(self, agenda: Agenda) -> None:
        self.agenda = agenda
        self._selector = selectors.DefaultSelector()
        self._changed: set[int] = set()  # the sockets whose callbacks have changed since the last poll
        self.polled_at = -math.inf

    def on_readable(self, sock: socket.socket, call: Callback) -> None:
        """Call whenever there is something to read, or the peer has gone."""
        self._watch(sock, selectors.EVENT_READ, call)

    def on_writable(self, sock: socket.socket, call: Callback) -> None:
        """Call whenever there is room to write."""
        self._watch(sock, selectors.EVENT_WRITE, call)

    def forget(self, sock: socket.socket) -> None:
        """Call no more; must come before the socket is closed, and is harmless twice."""
        if sock in self._selector.get_map():
            self._changed.add(self._selector.unregister(sock).fd)

    async def run(self) -> None:
        """Call back until cancelled."""
        while True:
            await self._wait()
            self._poll()

    def __enter__(self) -> "Loop":
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()

    def _watch(self, sock: socket.socket, event: int, call: Callback) -> None:
        known = sock in self._selector.get_map()
        key = (self._selector.modify if known else self._selector.register)(sock, event, call)
        self._changed.add(key.fd)

    async def _wait(self) -> None:
        with trio.CancelScope(deadline=self.agenda.next_at):
            await trio.lowlevel.wait_readable(self._selector.fileno())

    def _poll(self) -> None:
        ready = self._selector.select(0)
        self.polled_at = trio.current_time()
        self._changed.clear()
        self.agenda.call_due()
        for key, _ in ready:
            if key.fd not in self._changed:  # or else it is reported again, if it still matters
                key.data()
            # Not after all of them: an answer is not to wait until a burst of requests has been read.
            self.agenda.call_due()
