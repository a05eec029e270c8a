"""Who leads a run: says when phases begin and when it is to end, and knows how far all its shards are."""

from collections import Counter, deque
from collections.abc import Callable, Sequence

import msgspec
import trio

from simulator.measure.meters import Meters, together
from simulator.measure.summary import Snapshot
from simulator.plan.schedule import Phase

_RATE_OVER_S = 2.0
_NOTICE_S = 0.05
"""How long before a phase begins its moment is told to several shards: a message takes a while."""


class Pulse(msgspec.Struct, frozen=True):
    """How far a shard is: rollouts that ended and are in flight, attempts and faults, since the run began.

    `meters` are there now and then, in a run that is observed.
    """

    ended: int = 0
    discarded: int = 0
    in_flight: int = 0
    attempts: int = 0
    faults: dict[str, int] = {}
    meters: Meters | None = None


class Lead:
    """The leader of `shards` shards; `stop` and all else may be called from any task of this process."""

    def __init__(self, phases: Sequence[Phase], steps: int, shards: int) -> None:
        self._phases, self._steps = phases, steps
        self._pulses = {shard: Pulse() for shard in range(shards)}
        self._meters: dict[int, Meters] = {}
        self._playing = set(self._pulses)
        self._waiting: dict[int, trio.Event] = {}
        self._next, self._begins = 0, 0.0
        self._stops: list[Callable[[float], None]] = []
        self._grace_s: float | None = None
        self._phase, self._entered, self._ended_before = phases[0], 0.0, 0
        self._attempts: deque[tuple[float, int]] = deque()
        self.origin: float | None = None

    # -- what shards are told

    async def begin(self, shard: int) -> float:
        """Wait until no shard plays the phase before any more; returns when the next phase begins."""
        event = self._waiting[shard] = trio.Event()
        self._begin_if_all_wait()
        await event.wait()
        return self._begins

    def _begin_if_all_wait(self) -> None:
        if not self._waiting or self._waiting.keys() < self._playing:
            return
        number, self._next = self._next, self._next + 1
        pause_s = self._phases[number - 1].pause_s if number else 0.0
        notice_s = _NOTICE_S if len(self._pulses) > 1 else 0.0
        self._begins = self._entered = trio.current_time() + max(pause_s, notice_s)
        self._phase, self._ended_before = self._phases[number], sum(p.ended for p in self._pulses.values())
        if self.origin is None:
            self.origin = self._begins
        waiting, self._waiting = self._waiting, {}
        for event in waiting.values():
            event.set()

    def on_stop(self, stop: Callable[[float], None]) -> None:
        """Have `stop` called with the seconds of grace when the run is to end early, if it is already so."""
        self._stops.append(stop)
        if self._grace_s is not None:
            stop(self._grace_s)

    # -- what they tell

    def pulse(self, shard: int, pulse: Pulse) -> None:
        """Take note of how far a shard is."""
        self._pulses[shard] = pulse
        if pulse.meters is not None:
            self._meters[shard] = pulse.meters

    def ended(self, shard: int) -> None:
        """Take note that a shard will not come to any further phase."""
        self._playing.discard(shard)
        self._waiting.pop(shard, None)
        self._begin_if_all_wait()

    # -- the end, and how it goes

    @property
    def stopped(self) -> bool:
        """Tell whether the run was told to end early."""
        return self._grace_s is not None

    def stop(self, grace_s: float) -> None:
        """End the run early, with `grace_s` seconds for rollouts in flight; a second time without any."""
        self._grace_s = grace_s if self._grace_s is None else 0.0
        for stop in self._stops:
            stop(self._grace_s)

    def snapshot(self) -> Snapshot:
        """Return how far the run is."""
        now, phase, pulses = trio.current_time(), self._phase, self._pulses.values()
        ended = sum(pulse.ended for pulse in pulses) - self._ended_before
        return Snapshot(
            elapsed_s=0.0 if self.origin is None else max(0.0, now - self.origin),
            kind=phase.kind,
            step=phase.step,
            steps=self._steps,
            planned=phase.planned,
            ended=ended,
            discarded=sum(pulse.discarded for pulse in pulses),
            in_flight=sum(pulse.in_flight for pulse in pulses),
            calls_per_s=self._rate(now, sum(pulse.attempts for pulse in pulses)),
            faults=dict(sum((Counter(pulse.faults) for pulse in pulses), Counter[str]())),
            left_s=_left_s(phase, now - self._entered, ended),
            meters=self._metered(phase),
        )

    def _metered(self, phase: Phase) -> Meters | None:
        if not self._meters:
            return None
        meters = together(self._meters.values())
        return msgspec.structs.replace(meters, step=phase.step, planned=planned_rollouts(self._phases))

    def _rate(self, now: float, attempts: int) -> float:
        self._attempts.append((now, attempts))
        while self._attempts[0][0] < now - _RATE_OVER_S:
            self._attempts.popleft()
        since, before = self._attempts[0]
        return (attempts - before) / (now - since) if now > since else 0.0


class Seat:
    """The leader as a shard of the same process sees it; see `engine.shard.Lead`."""

    def __init__(self, lead: Lead, shard: int) -> None:
        self._lead, self._shard = lead, shard
        self.on_stop = lead.on_stop

    async def begin(self) -> float:
        """Wait until the next phase may begin, and return when."""
        return await self._lead.begin(self._shard)

    def pulse(self, pulse: Pulse) -> None:
        """Take note of how far the shard is."""
        self._lead.pulse(self._shard, pulse)


def planned_rollouts(phases: Sequence[Phase]) -> int | None:
    """Return the rollouts that a schedule asks for; None where time may end a phase."""
    planned = [phase.planned for phase in phases if phase.planned is not None and phase.duration_s is None]
    return sum(planned) if len(planned) == len(phases) else None


def _left_s(phase: Phase, elapsed_s: float, ended: int) -> float | None:
    if phase.duration_s is not None:
        return max(0.0, phase.duration_s - elapsed_s)
    if phase.planned is None or not ended:
        return None
    return elapsed_s * (phase.planned - ended) / ended
