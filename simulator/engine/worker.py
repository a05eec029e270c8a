"""A worker process: plays its share of a run as another process leads it."""

import math
import signal
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path

import msgspec
import trio

from simulator.clock import SharedClock
from simulator.engine.lead import Pulse
from simulator.engine.messages import SOCKET, Begin, Hello, Line, Progress, Ready, Stop
from simulator.engine.pacing import SharedPacers
from simulator.engine.shard import Played, Setup, Tools, play
from simulator.measure.histogram import Histogram
from simulator.measure.tally import Tally
from simulator.measure.trust import Cores, GeneratorSample


class Order(msgspec.Struct, frozen=True):
    """What a worker is told: the `shard`-th of `of` shares is its own, and the leader is in `folder`."""

    shard: int
    of: int
    folder: str


def deafen() -> None:
    """Leave it to the leader to hear signals: a worker ends when it is told to, or has no leader any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def serve(order: Order, setup: Setup, tools: Tools) -> bytes:
    """Play a worker's share of the run, led by the process that gave the order."""
    tools = msgspec.structs.replace(tools, make_pacer=SharedPacers(Path(order.folder)).make)
    return to_bytes(trio.run(_serve, order, setup, tools, clock=SharedClock()))


async def _serve(order: Order, setup: Setup, tools: Tools) -> Played:
    async with trio.open_nursery() as nursery:
        stream = await trio.open_unix_socket(Path(order.folder) / SOCKET)
        superior = _Superior(Line(stream))
        nursery.start_soon(superior.listen)
        superior.line.say(Hello(order.shard))
        nursery.start_soon(superior.line.speak)
        played = await play(setup, tools, superior, shard=order.shard, of=order.of)
        nursery.cancel_scope.cancel()
    return played


class _Superior:
    """The leader as a worker sees it; see `engine.shard.Lead`."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self._begins = trio.open_memory_channel[float](math.inf)
        self._stop: Callable[[float], None] = self._stop_later
        self._stopped: float | None = None

    async def listen(self) -> None:
        """Do as the leader says; without a leader, end."""
        async with aclosing(self.line.heard()) as heard:
            async for message in heard:
                if isinstance(message, Begin):
                    self._begins[0].send_nowait(message.at)
                elif isinstance(message, Stop):
                    self._stop(message.grace_s)
        self._stop(0.0)

    async def begin(self) -> float:
        """Wait until the next phase may begin, and return when."""
        self.line.say(Ready())
        return await self._begins[1].receive()

    def on_stop(self, stop: Callable[[float], None]) -> None:
        """Have `stop` called, with the seconds of grace, when the run is to end early."""
        self._stop = stop
        if self._stopped is not None:
            stop(self._stopped)

    def _stop_later(self, grace_s: float) -> None:
        self._stopped = grace_s

    def pulse(self, pulse: Pulse) -> None:
        """Tell how far this shard is."""
        self.line.say(Progress(pulse))


class _PlayedBytes(msgspec.Struct, array_like=True):
    tally: bytes
    cpu_s: float
    wall_s: float
    lag: str
    waited_s: float | None
    cores: Cores | None
    ended: float
    stopped: bool
    failure: str


def to_bytes(played: Played) -> bytes:
    """Return what was played as MessagePack."""
    sample = played.generator
    return msgspec.msgpack.encode(
        _PlayedBytes(
            played.tally.to_bytes(),
            sample.cpu_s,
            sample.wall_s,
            sample.lag.to_text(),
            sample.waited_s,
            sample.cores,
            played.ended,
            played.stopped,
            played.failure,
        )
    )


def from_bytes(data: bytes) -> Played:
    """Read what `to_bytes` wrote."""
    read = msgspec.msgpack.decode(data, type=_PlayedBytes)
    lag = Histogram.from_text(read.lag)
    sample = GeneratorSample(read.cpu_s, read.wall_s, lag, read.waited_s, read.cores)
    return Played(Tally.from_bytes(read.tally), sample, read.ended, read.stopped, read.failure)
