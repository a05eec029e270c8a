"""Who tells connections that something has come: one task polls the sockets of all of them in a batch.

A `trio.lowlevel.wait_readable` per answer costs 15 us and wakes a task of its own. Here a socket is
registered once, with an epoll object that Trio waits for like for any other file. What came is read first,
from all sockets of the batch; then it is handed on; then what that made people send goes out. Doing the same
to all of them before the next thing takes a fifth less time than to do all with each, and a server on this
machine is woken once and not each time.

A round through Trio costs about as much as a call, and another one where a timer ends its nap. So the
poller stays awake while there is something to do, or will be within the millisecond that is the finest Trio
can sleep for: it polls again, and wakes the timers that are due itself.
"""

import select
import socket
from collections.abc import Awaitable, Callable
from typing import Protocol

import trio

from simulator.clock import SharedClock
from simulator.timers import Timers

_AT_ONCE = 48
"""Sockets of a batch: enough to gain by it, and few enough that servers have work while we do ours."""

_AWAKE_S = 0.005
"""Then all else that Trio does has its turn: signals, progress, the monitor's ticks."""
_FINEST_S = 0.001

Spawn = Callable[[Callable[[], Awaitable[None]]], None]
"""Starts a task beside the poller's own."""


class Readable(Protocol):
    """What is told that there is something to read."""

    def readable(self) -> bool | None:
        """Read it without waiting; True when `deliver` is to be called, None when there was nothing."""

    def deliver(self) -> None:
        """Hand on what was read."""


class Poller:
    """Watches sockets for as long as `serve` runs: in a task for each, where the platform has no epoll.

    `real_time` tells whether Trio's clock is the machine's, which the kernel's stamps of what arrives are of,
    and not one that a test moves. `now` is Trio's clock, without the way through Trio.
    """

    def __init__(self) -> None:
        self.real_time = False
        self.now: Callable[[], float] = trio.current_time
        self._nursery: trio.Nursery

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch until cancelled."""
        clock = trio.lowlevel.current_clock()
        self.real_time, self.now = isinstance(clock, SharedClock), clock.current_time
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await self._serve()

    async def _serve(self) -> None:
        await trio.sleep_forever()

    def spawn(self, work: Callable[..., Awaitable[None]], *args: object) -> None:
        """Start a task that ends with `serve`; it must not raise."""
        self._nursery.start_soon(work, *args)

    def afterwards(self, work: Callable[[], None]) -> None:
        """Do `work` once all of the batch was handed on, if there is one, and otherwise at once."""
        work()

    def watch(self, sock: socket.socket, readable: Readable) -> None:
        """Tell `readable` of everything that comes, the end included, until `forget`."""
        self._nursery.start_soon(self._watch, sock, readable)

    async def _watch(self, sock: socket.socket, readable: Readable) -> None:
        while sock.fileno() >= 0:
            try:
                await trio.lowlevel.wait_readable(sock)
            except trio.ClosedResourceError:
                return
            if readable.readable():
                readable.deliver()

    def forget(self, sock: socket.socket) -> None:
        """Stop watching a socket that is about to be closed."""
        trio.lowlevel.notify_closing(sock)


class EpollPoller(Poller):
    """The fast one."""

    def __init__(self, timers: Timers) -> None:
        super().__init__()
        self._timers = timers
        self._epoll = select.epoll()
        self._readables: dict[int, Readable] = {}
        self._afterwards: list[Callable[[], None]] = []
        self._handing_on = False

    async def _serve(self) -> None:
        try:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                self._take_batch()
                if self.real_time:
                    self._stay_awake()
        finally:
            self._epoll.close()

    def _stay_awake(self) -> None:
        """Do what comes without a pause, for as long as no task of ours needs Trio to go on."""
        timers, now = self._timers, self.now()
        until = now + _AWAKE_S
        while now < until and not self._nursery.child_tasks:
            timers.wake_due()
            is_due_soon = timers.next_at - now < _FINEST_S
            if not self._take_batch(_FINEST_S if is_due_soon else 0) and not is_due_soon:
                break
            now = self.now()
        timers.nap_on()

    def _take_batch(self, patience_s: float = 0) -> bool:
        """Read from all that have something, hand it on, and send what follows; tells whether any had."""
        events = self._epoll.poll(patience_s, _AT_ONCE)
        readables, over = self._readables, []
        for fd, _ in events:
            readable = readables.get(fd)
            if readable is not None and readable.readable():
                over.append(readable)
        self._handing_on = True
        for readable in over:
            readable.deliver()
        self._handing_on = False
        afterwards, self._afterwards = self._afterwards, []
        for work in afterwards:
            work()
        return bool(events)

    def afterwards(self, work: Callable[[], None]) -> None:
        """Do `work` once all of the batch was handed on, if there is one, and otherwise at once."""
        if self._handing_on:
            self._afterwards.append(work)
        else:
            work()

    def watch(self, sock: socket.socket, readable: Readable) -> None:
        """Tell `readable` of everything that comes, the end included, until `forget`."""
        fd = sock.fileno()
        self._readables[fd] = readable
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLRDHUP)

    def forget(self, sock: socket.socket) -> None:
        """Stop watching a socket that is about to be closed."""
        super().forget(sock)
        self._readables.pop(sock.fileno(), None)  # closing it ends its registration


def make_poller(timers: Timers) -> Poller:
    """Return the fastest poller of this platform."""
    return EpollPoller(timers) if hasattr(select, "epoll") else Poller()
