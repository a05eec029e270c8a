"""Several processes play one run: each its own groups, all from the same moments on.

leading process                                   worker processes, started by trio-parallel
play_in_processes ── Order ────────────────────▶ work(order), which calls worker.serve
_attend           ◀── see `engine.messages` ──▶ _Superior
◀── what was played ────────── its return value
"""

import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from functools import partial
from multiprocessing import resource_tracker
from pathlib import Path

import msgspec
import trio
import trio_parallel

from simulator.engine.lead import Lead, Seat
from simulator.engine.messages import SOCKET, Begin, Hello, Line, Progress, Ready, Stop
from simulator.engine.pacing import SharedPacers
from simulator.engine.shard import Played
from simulator.engine.worker import Order, deafen, from_bytes
from simulator.errors import PreflightError
from simulator.measure.histogram import Histogram
from simulator.measure.tally import Tally
from simulator.measure.trust import GeneratorSample

Work = Callable[[Order], bytes]
"""What a worker process calls: a function of a module, that prepares a run and returns what `serve` does."""


class Crew(msgspec.Struct, frozen=True):
    """So many worker processes, each calling `work`; `redact` hides secrets in what that raises."""

    processes: int
    work: Work
    redact: Callable[[str], str]

    async def play(self, lead: Lead, grace_s: float) -> list[Played]:
        """Have each worker play its share, and return what came of it.

        One that dies ends the run for all, with `grace_s` seconds for what is in flight, and has nothing but
        a failure to show.
        """
        played: list[Played] = []
        limiter = trio.CapacityLimiter(self.processes)
        roll = _Roll(self.processes)

        async def employ(order: Order) -> None:
            try:
                done = await context.run_sync(self.work, order, kill_on_cancel=True, limiter=limiter)
                came = from_bytes(done)
            except PreflightError as error:
                came = _nothing(self.redact(str(error)), lost=False)
            except trio_parallel.BrokenWorkerError:
                came = _nothing(f"{_name(order)} died; its share of the rollouts is missing", lost=True)
            except Exception as error:
                raised = self.redact(f"{type(error).__name__}: {error}")
                came = _nothing(f"{_name(order)} raised {raised}; its rollouts are missing", lost=True)
            played.append(came)
            roll.here(order.shard)
            lead.ended(order.shard)
            if came.failure:
                lead.stop(grace_s if came.lost else 0.0)

        with _short_lived_folder() as folder:
            SharedPacers.lay_out(Path(folder))
            async with (
                trio_parallel.open_worker_context(init=deafen) as context,
                trio.open_nursery() as nursery,
            ):
                listener = _listen(Path(folder))
                nursery.start_soon(trio.serve_listeners, partial(_attend, lead, roll), [listener])
                async with trio.open_nursery() as workers:
                    with _signals_held():
                        for shard in range(self.processes):
                            workers.start_soon(employ, Order(shard, self.processes, folder))
                        await roll.complete.wait()
                nursery.cancel_scope.cancel()
        return played


class _Roll:
    """Who has said hello, or never will; `complete` is set once that is known of all."""

    def __init__(self, processes: int) -> None:
        self._missing = set(range(processes))
        self.complete = trio.Event()

    def here(self, shard: int) -> None:
        self._missing.discard(shard)
        if not self._missing:
            self.complete.set()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Hold signals back while workers start: they inherit that, and a Ctrl-C meanwhile comes afterwards.

    A new interpreter would answer the signal that a terminal sends to all of us with a traceback.
    """
    resource_tracker.ensure_running()  # or else, when it starts it, multiprocessing lets them through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _short_lived_folder() -> Iterator[str]:
    """Make a folder for as long as the run lasts, whose path leaves room for that of a socket."""
    usual = tempfile.gettempdir()
    where = usual if len(usual) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 the folder is ours alone
    with tempfile.TemporaryDirectory(prefix="rft-preflight-", dir=where) as folder:
        yield folder


_LONGEST_FOLDER = 60  # a socket's path has at most 103 characters on any system


def _listen(folder: Path) -> trio.SocketListener:
    sock = socket.socket(socket.AF_UNIX)  # Trio's would bind in a thread, made before signals are held
    sock.bind(str(folder / SOCKET))
    sock.listen()
    return trio.SocketListener(trio.socket.from_stdlib_socket(sock))


async def _attend(lead: Lead, roll: _Roll, stream: trio.SocketStream) -> None:
    """Be the leader of the worker at the other end."""
    line = Line(stream)
    async with trio.open_nursery() as nursery, aclosing(line.heard()) as heard:
        nursery.start_soon(line.speak)
        hello = await anext(heard, None)
        if not isinstance(hello, Hello):
            return  # it died before it could say who it was
        roll.here(hello.shard)
        seat = Seat(lead, hello.shard)
        seat.on_stop(lambda grace_s: line.say(Stop(grace_s)))

        async def begin() -> None:
            line.say(Begin(await seat.begin()))

        async for message in heard:
            if isinstance(message, Ready):
                nursery.start_soon(begin)
            elif isinstance(message, Progress):
                seat.pulse(message.pulse)
        nursery.cancel_scope.cancel()


def _name(order: Order) -> str:
    return f"worker process {order.shard + 1} of {order.of}"


def _nothing(failure: str, *, lost: bool) -> Played:
    nothing = GeneratorSample(cpu_s=0.0, wall_s=0.0, lag=Histogram())
    return Played(Tally(()), nothing, 0.0, stopped=True, failure=failure, lost=lost)
