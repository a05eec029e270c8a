"""One rollout in the loop: a reply goes straight into its generators, and what they ask for goes out at once.

    Play ── a rollout: asks its generator for the next turn, and waits until that is due
    Line ── makes calls of the turn one after another, as a thread of the trainer's pool does

Nothing here waits in a task: timers and the transport call back. A task for each rollout would cost more per
call than all the rest, and the program would measure itself.
"""

from functools import partial
from typing import Protocol

import trio

from simulator.errors import PolicyError
from simulator.model import Outcome, Reply, Transcript
from simulator.plan.call import Call, Interrupted, Send, StartCall, Wait
from simulator.plan.policy import Seen
from simulator.plan.rollout import Calls, Rollout
from simulator.timers import Timer, Timers
from simulator.transport.base import Exchange, Transport


class Driver:
    """What all rollouts of a run are driven with."""

    __slots__ = ("timers", "transport")

    def __init__(self, transport: Transport, timers: Timers) -> None:
        self.transport, self.timers = transport, timers


class Audience(Protocol):
    """Who is told how plays end; each is told of by its `number`."""

    def ended(self, number: int, transcript: Transcript) -> None:
        """Take note that a rollout came to its end, or was interrupted."""

    def failed(self, number: int, error: PolicyError) -> None:
        """Take note that its policy failed, so that there is no transcript."""


class Play:
    """A rollout being played: `begin` it; the audience is told how it ends, after `interrupt` at last.

    Its lines take the turn's `calls`, of which so many were `taken`, and put the `outcomes` in their places.
    """

    __slots__ = (
        "_audience", "_driver", "_lines", "_number", "_open", "_rollout", "_starting", "_timer", "calls",
        "outcomes", "taken",
    )  # fmt: skip

    def __init__(self, driver: Driver, rollout: Rollout, number: int, audience: Audience) -> None:
        self._driver, self._rollout, self._number, self._audience = driver, rollout, number, audience
        self._timer: Timer | None = None
        self.calls: tuple[StartCall, ...] = ()
        self.outcomes: list[Outcome | None] = []
        self.taken = self._open = 0
        self._lines: list[Line] = []
        self._starting = False

    def begin(self) -> None:
        """Play until something has to be waited for."""
        self._go_on(None)

    def _go_on(self, seen: Seen | None) -> None:
        """Take turns, the next of which is shown `seen`, until something has to be waited for."""
        while True:
            try:
                calls = self._rollout.send(seen)  # type: ignore[arg-type]  # a generator begins with None
            except StopIteration as stop:
                transcript: Transcript = stop.value
                break
            except PolicyError as error:
                self._audience.failed(self._number, error)
                return
            if calls.due > trio.current_time():
                self._timer = self._driver.timers.call_at(calls.due, partial(self._wake, calls))
                return
            seen = self._make(calls)
            if seen is None:
                return
        self._end(transcript)

    def _end(self, transcript: Transcript) -> None:
        self._lines.clear()  # they know this play, and nobody is to look for such a circle
        self._audience.ended(self._number, transcript)

    def _wake(self, calls: Calls) -> None:
        self._timer = None
        seen = self._make(calls)
        if seen is not None:
            self._go_on(seen)

    def _make(self, calls: Calls) -> Seen | None:
        """Start the calls of a turn; returns their outcomes if none of them took any time."""
        count = len(calls.calls)
        self.calls, self.outcomes, self.taken = calls.calls, [None] * count, 0
        lines = self._open = min(count, calls.at_once)
        while len(self._lines) < lines:
            self._lines.append(Line(self._driver, self))
        self._starting = True
        for line in self._lines[:lines]:
            if self.taken < count:  # calls that take no time may be over before the next line begins
                line.begin(calls.due)
            else:
                self.line_ended()
        self._starting = False
        return None if self._open else self._seen()

    def _seen(self) -> Seen:
        self.calls = ()  # their requests are no longer needed
        return tuple([outcome for outcome in self.outcomes if outcome is not None])

    def line_ended(self) -> None:
        """Go on to the next turn once no line of this one is left."""
        self._open -= 1
        if not self._open and not self._starting:
            self._go_on(self._seen())

    def interrupt(self) -> None:
        """End the rollout here and now, with what it has."""
        now = trio.current_time()
        if self._timer is not None:
            self._driver.timers.cancel(self._timer)
        for line in self._lines:
            line.interrupt(now)
        seen = self._seen() if self._open else ()
        try:
            self._rollout.throw(Interrupted(now, seen))
        except StopIteration as stop:
            transcript: Transcript = stop.value
        self._end(transcript)


class Line:
    """Makes calls of a turn one after another, until none is left; idle until the next turn begins it."""

    __slots__ = ("_call", "_driver", "_play", "_position", "_timer", "_under_way")

    def __init__(self, driver: Driver, play: Play) -> None:
        self._driver, self._play = driver, play
        self._call: Call | None = None
        self._position = 0
        self._timer: Timer | None = None
        self._under_way: Exchange | None = None

    def begin(self, due: float) -> None:
        """Make the next call of the turn, due at `due`, and those after it that no other line takes."""
        self._take(due)
        self._go_on(None)

    def _take(self, due: float) -> None:
        play = self._play
        self._position = play.taken
        self._call = play.calls[play.taken](due)
        play.taken += 1

    def _go_on(self, reply: Reply | None) -> None:
        """Go on, with the reply where there is one, until something has to be waited for."""
        play = self._play
        while self._call is not None:
            try:
                step = self._call.send(reply)
            except StopIteration as stop:
                outcome: Outcome = stop.value
            else:
                if step.due > trio.current_time():
                    self._timer = self._driver.timers.call_at(step.due, partial(self._wake, step))
                    return
                if isinstance(step, Send):
                    self._send(step)
                    return
                reply = None
                continue
            reply = self._call = None
            play.outcomes[self._position] = outcome
            if play.taken < len(play.calls):
                self._take(outcome.done)
        self._under_way = None
        play.line_ended()

    def _send(self, send: Send) -> None:
        self._under_way = self._driver.transport.send(send.endpoint, send.body, self._go_on)

    def _wake(self, step: Send | Wait) -> None:
        self._timer = None
        if isinstance(step, Send):
            self._send(step)
        else:
            self._go_on(None)

    def interrupt(self, now: float) -> None:
        """Call off what is under way; a call whose request was out has an outcome, that it is unfinished."""
        if self._call is None:
            return
        if self._timer is not None:
            self._driver.timers.cancel(self._timer)
        if self._under_way is not None:
            self._under_way.call_off()
        try:
            self._call.throw(Interrupted(now))
        except StopIteration as stop:
            self._play.outcomes[self._position] = stop.value
        except Interrupted:
            pass  # its request was not out yet
