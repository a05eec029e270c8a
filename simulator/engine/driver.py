"""Plays generators in the loop: a reply goes straight into one, and what it asks for next goes out at once.

    Play ── of a rollout, or of one of the calls that a turn makes at the same time
    Fork ── those calls: a play each, as many at once as the turn allows

Nothing here waits in a task: timers and the transport call back. A task for each rollout would cost more per
call than all the rest, and the program would measure itself.
"""

from collections.abc import Generator
from typing import Any, Final, Protocol

import trio

from simulator.errors import PolicyError
from simulator.model import Outcome
from simulator.plan.call import Interrupted, Send, Wait
from simulator.plan.policy import Seen
from simulator.plan.rollout import Calls
from simulator.timers import Timer, Timers
from simulator.transport.base import Exchange, Transport

Playable = Generator[Send | Wait | Calls, Any, Any]


class Driver:
    """What all plays of a run are driven with; `now` is Trio's clock, without the way through Trio."""

    __slots__ = ("now", "timers", "transport")

    def __init__(self, transport: Transport, timers: Timers) -> None:
        self.transport, self.timers = transport, timers
        self.now = trio.lowlevel.current_clock().current_time


class Audience(Protocol):
    """Who is told how plays end; each is told of by its `number`."""

    def ended(self, number: int, result: Any) -> None:
        """Take note of what came of a play: a transcript, or an outcome."""

    def failed(self, number: int, error: PolicyError) -> None:
        """Take note that a rollout's policy failed, so that nothing came of it."""


_WAITING: Final = object()


class Play:
    """A generator being played: `begin` it; the audience is told of its end, unless `interrupt` is first."""

    __slots__ = ("_audience", "_driver", "_generator", "_next", "_number", "_under_way")

    def __init__(self, driver: Driver, generator: Playable, number: int, audience: Audience) -> None:
        self._driver, self._generator, self._number, self._audience = driver, generator, number, audience
        self._next: Send | Wait | Calls | None = None
        self._under_way: Timer | Exchange | Fork | None = None

    def begin(self) -> None:
        """Play until something has to be waited for."""
        self._go_on(None)

    def _go_on(self, value: Any) -> None:
        """Go on with what was waited for: a reply, a turn's outcomes, or just the moment."""
        while True:
            try:
                step = self._generator.send(value)
            except StopIteration as stop:
                result = stop.value
                break
            except PolicyError as error:
                self._audience.failed(self._number, error)
                return
            if step.due > self._driver.now():
                self._next = step
                self._under_way = self._driver.timers.call_at(step.due, self._wake)
                return
            value = self._do(step)
            if value is _WAITING:
                return
        self._under_way = None
        self._audience.ended(self._number, result)

    def _wake(self) -> None:
        step, self._next = self._next, None
        assert step is not None  # noqa: S101 it was kept when the timer was set
        value = self._do(step)
        if value is not _WAITING:
            self._go_on(value)

    def _do(self, step: Send | Wait | Calls) -> Any:
        """Do what is due; returns what came of it, or that it has to be waited for."""
        if isinstance(step, Send):
            self._under_way = self._driver.transport.send(step.endpoint, step.body, self._go_on)
            return _WAITING
        if isinstance(step, Wait):
            return None
        self._under_way = fork = Fork(self._driver, step, self)
        return fork.begin()

    def joined(self, seen: Seen) -> None:
        """Go on after a turn's calls, all of which are back."""
        self._go_on(seen)

    def interrupt(self, now: float) -> Any:
        """End it here and now; returns what came of it, None for a call whose request was not out yet."""
        seen: Seen = ()
        if isinstance(self._under_way, Timer):
            self._driver.timers.cancel(self._under_way)
        elif isinstance(self._under_way, Fork):
            seen = self._under_way.interrupt(now)
        elif self._under_way is not None:
            self._under_way.call_off()
        try:
            self._generator.throw(Interrupted(now, seen))
        except StopIteration as stop:
            return stop.value
        except Interrupted:
            return None


class Fork:
    """The calls of a turn that are made at the same time; `whole.joined` is called when all are back."""

    __slots__ = ("_beginning", "_calls", "_driver", "_outcomes", "_playing", "_taken", "_whole")

    def __init__(self, driver: Driver, calls: Calls, whole: Play) -> None:
        self._driver, self._calls, self._whole = driver, calls, whole
        self._playing: dict[int, Play] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._taken, self._beginning = 0, False

    def begin(self) -> Any:
        """Make as many calls as may be made at once; returns their outcomes if none has to be waited for."""
        calls, self._beginning = self._calls, True
        while self._taken < len(calls.calls) and len(self._playing) < calls.at_once:
            self._make_next(calls.due)
        self._beginning = False
        return _WAITING if self._playing else self._seen()

    def _make_next(self, due: float) -> None:
        position, self._taken = self._taken, self._taken + 1
        start = self._calls.calls[position]
        play = self._playing[position] = Play(self._driver, start(due), position, self)
        play.begin()

    def ended(self, number: int, result: Outcome) -> None:
        """Note a call's outcome, and make the next one in its place."""
        del self._playing[number]
        self._outcomes[number] = result
        if self._taken < len(self._calls.calls):
            self._make_next(result.done)
        elif not self._playing and not self._beginning:
            self._whole.joined(self._seen())

    def failed(self, number: int, error: PolicyError) -> None:  # noqa: ARG002 the protocol's signature
        """Fail as well: a call asks no policy, so this does not happen."""
        raise error

    def interrupt(self, now: float) -> Seen:
        """End the calls here and now; returns the outcomes of those that were made."""
        for position, play in self._playing.items():
            outcome = play.interrupt(now)
            if outcome is not None:
                self._outcomes[position] = outcome
        return self._seen()

    def _seen(self) -> Seen:
        return tuple(self._outcomes[position] for position in sorted(self._outcomes))
