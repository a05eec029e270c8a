"""Several processes play one run: each its own groups, all from the same moments on.

leading process                                   worker processes, started by trio-parallel
play_in_processes ── Order ────────────────────▶ work(order), which calls worker.serve
_attend           ◀── see `engine.messages` ──▶ _Superior
◀── what was played ────────── its return value
"""

import tempfile
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

import msgspec
import trio
import trio_parallel

from simulator.engine.lead import Lead, Seat
from simulator.engine.messages import SOCKET, Begin, Hello, Line, Progress, Ready, Stop
from simulator.engine.pacing import SharedPacers
from simulator.engine.shard import Played
from simulator.engine.worker import Order, from_bytes
from simulator.measure.histogram import Histogram
from simulator.measure.tally import Tally
from simulator.measure.trust import GeneratorSample

Work = Callable[[Order], bytes]
"""What a worker process calls: a function of a module, that prepares a run and returns what `serve` does."""


class Crew(msgspec.Struct, frozen=True):
    """So many worker processes, in each of which `work` is called."""

    processes: int
    work: Work

    async def play(self, lead: Lead, grace_s: float) -> list[Played]:
        """Have each worker play its share, and return what came of it.

        One that dies ends the run for all, with `grace_s` seconds for what is in flight, and has nothing but
        a failure to show.
        """
        played: list[Played] = []
        limiter = trio.CapacityLimiter(self.processes)

        async def employ(order: Order) -> None:
            try:
                done = await context.run_sync(self.work, order, kill_on_cancel=True, limiter=limiter)
                came = from_bytes(done)
            except trio_parallel.BrokenWorkerError:
                came = _lost(order)
            played.append(came)
            lead.ended(order.shard)
            if came.failure:
                lead.stop(grace_s if came.lost else 0.0)

        with tempfile.TemporaryDirectory(prefix="rft-preflight-") as folder:
            SharedPacers.lay_out(Path(folder))
            async with trio_parallel.open_worker_context() as context, trio.open_nursery() as nursery:
                listener = await _listen(Path(folder))
                nursery.start_soon(trio.serve_listeners, partial(_attend, lead), [listener])
                async with trio.open_nursery() as workers:
                    for shard in range(self.processes):
                        workers.start_soon(employ, Order(shard, self.processes, folder))
                nursery.cancel_scope.cancel()
        return played


async def _listen(folder: Path) -> trio.SocketListener:
    sock = trio.socket.socket(trio.socket.AF_UNIX, trio.socket.SOCK_STREAM)
    await sock.bind(str(folder / SOCKET))
    sock.listen()
    return trio.SocketListener(sock)


async def _attend(lead: Lead, stream: trio.SocketStream) -> None:
    """Be the leader of the worker at the other end."""
    line = Line(stream)
    async with trio.open_nursery() as nursery, aclosing(line.heard()) as heard:
        nursery.start_soon(line.speak)
        hello = await anext(heard, None)
        if not isinstance(hello, Hello):
            return  # it died before it could say who it was
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


def _lost(order: Order) -> Played:
    nothing = GeneratorSample(cpu_s=0.0, wall_s=0.0, lag=Histogram())
    failure = f"worker process {order.shard + 1} of {order.of} died; its share of the rollouts is missing"
    return Played(Tally(()), nothing, 0.0, stopped=True, failure=failure, lost=True)
