"""How turns are put together: the one place that knows what went out together, and whose time was whose.

Formats record either what was said, in its order, with a moment each at best (`Dialogue`), or spans, with
their starts and ends (`turns_of_spans`).

A turn is a set. Calls of one message went out together, also where whoever recorded them ran them one after
another. Think time is the gap that was the model's: never the tools', nor that of a user who took part.
"""

import math
from collections.abc import Sequence

import msgspec

from simulator.job.traces.recording import RecordedCall, RecordedTurn


class Dialogue:
    """Takes what was said, in order, and gives the turns. Moments are seconds, None where not recorded."""

    def __init__(self) -> None:
        self._done: list[RecordedTurn] = []
        self._calls: list[RecordedCall] = []
        self._open: dict[int, str] = {}  # the calls of this turn that nobody answered yet: place, id
        self._think_s: float | None = 0.0
        self._now: float | None = None
        self.started: float | None = None
        self.answer = ""

    @property
    def ended(self) -> float | None:
        """Return the last moment that was recorded."""
        return self._now

    def heard(self, at: float | None) -> None:
        """Note that somebody else spoke: a user, or the system."""
        self._close_turn()
        self._move_on(at)

    def said(self, text: str, at: float | None) -> None:
        """Note a message of the model's, which begins a turn if calls were made before; `at` is its end."""
        self._close_turn()
        self._think_until(at)
        if text:
            self.answer = text

    def asked(self, name: str, arguments: str, call_id: str, at: float | None) -> None:
        """Note a call. It belongs to the turn as long as one of that turn is unanswered."""
        if self._calls and not self._open:
            self._close_turn()
        if not self._calls:
            self._think_until(at)
        self._open[len(self._calls)], self.answer = call_id, ""
        self._calls.append(RecordedCall(name, arguments, call_id, started=at))

    def answered(self, output: str | None, call_id: str, at: float | None, *, failed: bool = False) -> None:
        """Note what came of a call: of the one with that id, or, without ids, of the first unanswered one."""
        places = [place for place, known in self._open.items() if known == call_id or not (known and call_id)]
        if not places:
            return
        place = places[0]
        del self._open[place]
        self._calls[place] = msgspec.structs.replace(
            self._calls[place], output=output, ended=at, failed=failed
        )
        self._move_on(at)

    def turns(self) -> tuple[RecordedTurn, ...]:
        """Return the turns; the last one has no calls, if the model said anything after them."""
        thought_on = self._think_s != 0.0 or bool(self.answer)
        if self._calls:
            self._close_turn()
            thought_on = False
        return (*self._done, RecordedTurn((), self._think_s)) if thought_on else tuple(self._done)

    def _close_turn(self) -> None:
        if self._calls:
            self._done.append(RecordedTurn(tuple(self._calls), self._think_s))
            self._calls, self._open, self._think_s = [], {}, 0.0

    def _think_until(self, at: float | None) -> None:
        if at is None or self._now is None or self._think_s is None:
            self._think_s = None
        else:
            self._think_s += max(0.0, at - self._now)
        self._move_on(at)

    def _move_on(self, at: float | None) -> None:
        """Go on to a moment; one that was not recorded makes the next gap nobody's."""
        self._now = at if at is None or self._now is None else max(self._now, at)
        if self.started is None:
            self.started = self._now


Span = tuple[float, float]
"""Start and end, in seconds."""


def turns_of_spans(
    thinking: Sequence[Span], calls: Sequence[RecordedCall], started: float
) -> tuple[RecordedTurn, ...]:
    """Return the turns of a rollout that began at `started`, from the model's spans and the timed calls.

    A call belongs to the turn before if no span of the model's began between them; where there are no such
    spans, if it began before the turn's last call ended.
    """
    timed = sorted((call for call in calls if call.started is not None), key=lambda call: call.started or 0.0)
    groups: list[list[RecordedCall]] = []
    for call in timed:
        assert call.started is not None  # noqa: S101 chosen so
        if groups and _is_together(groups[-1], call.started, thinking):
            groups[-1].append(call)
        else:
            groups.append([call])
    turns, now = [], started
    for group in groups:
        begins = min(_start(call) for call in group)
        turns.append(RecordedTurn(tuple(group), max(0.0, begins - now)))
        now = max(now, *(_end(call) for call in group))
    last = max((end for _, end in thinking), default=-math.inf)
    if last > now or not turns:
        turns.append(RecordedTurn((), max(0.0, last - now)))
    return tuple(turns)


def _is_together(group: Sequence[RecordedCall], begins: float, thinking: Sequence[Span]) -> bool:
    if not thinking:
        return begins < max(_end(call) for call in group)
    first = min(_start(call) for call in group)
    return not any(first < start <= begins for start, _ in thinking)


def _start(call: RecordedCall) -> float:
    return call.started or 0.0


def _end(call: RecordedCall) -> float:
    return _start(call) if call.ended is None else call.ended
