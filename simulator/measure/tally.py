"""What a run counts: a tally adds attempts and transcripts, merges with others, and goes to bytes and back.

Everything in it is a count, an exact sum, an extreme or a multiset, so that merging is exact and its order
does not matter. What it keeps grows with the seconds of a run, with the rollouts in flight and with those
that are laid out beforehand, but not with the rollouts of a load that goes on and on.
"""

import math
import operator
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Self

import msgspec

from simulator.faults import NEVER_ANSWERED, Fault
from simulator.measure.histogram import Histogram
from simulator.measure.moments import Moments
from simulator.model import Attempt, Endpoint, Outcome, PhaseKind, RolloutSpec, RolloutState, Transcript

LAID_OUT: frozenset[PhaseKind] = frozenset({"training", "evaluation", "recorded"})
"""The kinds of phases whose rollouts are laid out beforehand, and so are few enough to be remembered."""

COMPLETED: frozenset[RolloutState] = frozenset({"graded", "ungraded"})


class _Counts(msgspec.Struct):
    """Fields that merge one by one: extremes by their names, all others add up."""

    def merge(self, other: Self) -> None:
        """Add all that `other` has counted."""
        for name in self.__struct_fields__:
            mine, theirs = getattr(self, name), getattr(other, name)
            combine = _EXTREMES.get(name) or _ADDED[type(mine)]
            setattr(self, name, combine(mine, theirs))


def _added_per_key(mine: dict[Any, int], theirs: dict[Any, int]) -> dict[Any, int]:
    for key, count in theirs.items():
        mine[key] = mine.get(key, 0) + count
    return mine


def _merged(mine: Any, theirs: Any) -> Any:
    mine.merge(theirs)
    return mine


_ADDED: dict[type, Callable[[Any, Any], Any]] = {
    int: operator.add,
    dict: _added_per_key,
    Counter: _added_per_key,
    Histogram: _merged,
    Moments: _merged,
}
_EXTREMES: dict[str, Callable[[Any, Any], Any]] = {
    "unfinished_max_s": max,
    "calls_max": max,
    "started_s": min,
    "ended_s": max,
}


# -- endpoints -------------------------------------------------------------------------------------------


class EndpointTally(_Counts):
    """One endpoint's counts. The per-second series are keyed by whole seconds since the run began.

    What nearly every attempt is, the first of its call and on a connection that was there, is not counted:
    the exceptions are, `retries` and `connected`.
    """

    retries: int = 0
    connected: int = 0
    resent: int = 0
    unfinished: int = 0
    unfinished_max_s: float = 0.0
    given_up: int = 0
    soft_errors: int = 0
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    violations: Counter[str] = msgspec.field(default_factory=Counter)
    service: Histogram = msgspec.field(default_factory=Histogram)
    delay: Histogram = msgspec.field(default_factory=Histogram)
    read_delay: Histogram = msgspec.field(default_factory=Histogram)
    sent_per_s: Counter[int] = msgspec.field(default_factory=Counter)
    done_per_s: Counter[int] = msgspec.field(default_factory=Counter)
    faults_per_s: Counter[int] = msgspec.field(default_factory=Counter)

    @property
    def attempts(self) -> int:
        """Return how many attempts have ended."""
        return sum(self.done_per_s.values())

    @property
    def calls(self) -> int:
        """Return how many calls' first attempts have ended."""
        return self.attempts - self.retries

    @property
    def reused(self) -> int:
        """Return how many attempts had a connection that had served a call before."""
        return self.attempts - self.connected

    def add_attempts(self, attempts: Sequence[Attempt], origin: float) -> None:
        """Count attempts of a run that began at `origin`; unfinished ones are kept apart."""
        # A pass for each count, many attempts long, takes fewer steps than all counts for each attempt.
        unusual = [a for a in attempts if a.fault is not None or a.number != 1 or a.resent or not a.reused]
        answered = attempts
        if unusual:
            self._add_unusual(unusual, origin)
            attempts = [attempt for attempt in attempts if attempt.fault is not Fault.UNFINISHED]
            answered = [attempt for attempt in attempts if attempt.fault not in NEVER_ANSWERED]
        self.sent_per_s.update([int(attempt.sent - origin) for attempt in attempts])
        self.done_per_s.update([int(attempt.done - origin) for attempt in attempts])
        self.delay.record_all([attempt.sent - attempt.due for attempt in attempts])
        self.service.record_all([attempt.done - attempt.sent for attempt in answered])
        self.read_delay.record_all([attempt.read_delay for attempt in answered])

    def _add_unusual(self, attempts: Sequence[Attempt], origin: float) -> None:
        for attempt in attempts:
            if attempt.fault is Fault.UNFINISHED:
                self.unfinished += 1
                self.unfinished_max_s = max(self.unfinished_max_s, attempt.done - attempt.sent)
                continue
            if attempt.fault is not None:
                self.faults[str(attempt.fault)] += 1
                self.faults_per_s[int(attempt.done - origin)] += 1
            self.retries += attempt.number != 1
            self.connected += not attempt.reused
            self.resent += attempt.resent

    def add_outcome(self, outcome: Outcome) -> None:
        """Count what only the end of a call tells."""
        if outcome.fatal:
            self.given_up += 1
        if outcome.soft_error:
            self.soft_errors += 1
        for violation in outcome.violations:
            self.violations[violation] += 1


# -- rollouts --------------------------------------------------------------------------------------------


class RolloutRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the summary needs of one rollout; times in seconds since the run began.

    `item` is the index of its dataset row: of the validation file's in an evaluation, else of the training's.
    """

    index: int
    item: int
    group: int
    step: int
    kind: PhaseKind
    state: RolloutState
    started_s: float
    ended_s: float
    think_s: float
    calls: int
    tokens: int
    score: float | None
    endpoint_failed: bool
    cut_short: bool


class RolloutTally(_Counts):
    """What became of the rollouts of a phase, or of several together.

    `calls` and `tokens` are those of rollouts that completed. The last two hold changes per second, whose
    running sums are the rollouts in flight at some time within that second, and at its very beginning.
    """

    states: Counter[RolloutState] = msgspec.field(default_factory=Counter)
    started_s: float = math.inf
    ended_s: float = -math.inf
    calls: int = 0
    calls_max: int = 0
    tokens: int = 0
    cut_short: int = 0
    false_zero: int = 0
    score_zero: int = 0
    score_one: int = 0
    scores: Moments = msgspec.field(default_factory=Moments)
    in_flight_within: dict[int, int] = {}
    in_flight_at: dict[int, int] = {}

    @property
    def rollouts(self) -> int:
        """Return how many rollouts have ended, interrupted ones included."""
        return self.states.total()

    @property
    def completed(self) -> int:
        """Return how many rollouts came to their end, graded or with nobody to grade them."""
        return sum(self.states[state] for state in COMPLETED)

    def add(self, record: RolloutRecord) -> None:
        """Count one rollout."""
        started, ended = record.started_s, record.ended_s
        self.states[record.state] += 1
        self.started_s = min(self.started_s, started)
        self.ended_s = max(self.ended_s, ended)
        _note_span(self.in_flight_within, int(started), int(ended) + 1)
        _note_span(self.in_flight_at, math.ceil(started), math.ceil(ended))
        if record.state in COMPLETED:
            self.calls += record.calls
            self.calls_max = max(self.calls_max, record.calls)
            self.tokens += record.tokens
        if record.state != "interrupted":
            self.cut_short += record.cut_short
        if record.score is not None:
            self.scores.add(record.score)
            self.score_zero += record.score == 0
            self.score_one += record.score == 1
            self.false_zero += record.score == 0 and record.endpoint_failed


def _note_span(changes: dict[int, int], first: int, beyond: int) -> None:
    changes[first] = changes.get(first, 0) + 1
    changes[beyond] = changes.get(beyond, 0) - 1


class GroupTally(msgspec.Struct):
    """How many groups were begun, and how many of them miss a rollout that was started.

    Groups begin in the order of their numbers, and none is begun in two shards. So a group is over, and
    only counted from then on, when a later one has begun and none of its own rollouts is in flight: unless
    its rollouts are `scattered` among those of others, as in a recording.
    """

    begun: int = 0
    last: int = -1
    over_incomplete: int = 0
    in_flight: dict[int, int] = {}
    missing: set[int] = set()

    @property
    def incomplete(self) -> int:
        """Return how many groups have lost a rollout, or still have one in flight."""
        return self.over_incomplete + sum(
            in_flight > 0 or group in self.missing for group, in_flight in self.in_flight.items()
        )

    def add_started(self, group: int, *, scattered: bool = False) -> None:
        """Note that a rollout of the group was started."""
        if group in self.in_flight:
            self.in_flight[group] += 1
            return
        self.begun += 1
        self.in_flight[group] = 1
        before, self.last = self.last, group
        if not scattered:
            self._count_if_over(before)

    def add_ended(self, group: int, *, completed: bool, scattered: bool = False) -> None:
        """Note that a rollout of the group, which was started, has ended."""
        self.in_flight[group] -= 1
        if not completed:
            self.missing.add(group)
        if not scattered:
            self._count_if_over(group)

    def merge(self, other: Self) -> None:
        """Add all that `other` has counted; then nothing more can be added."""
        self.begun += other.begun
        self.last = max(self.last, other.last)
        self.over_incomplete += other.over_incomplete
        self.in_flight |= other.in_flight
        self.missing |= other.missing
        for group in list(self.in_flight):
            self._count_if_over(group)

    def _count_if_over(self, group: int) -> None:
        if group < self.last and self.in_flight.get(group) == 0:
            del self.in_flight[group]
            self.over_incomplete += group in self.missing
            self.missing.discard(group)


# -- the run ---------------------------------------------------------------------------------------------


class Tally:
    """All counts of a run, or of one shard of it. `origin` is the clock's reading when the run began.

    A shard plays whole groups. `phases` are keyed by step and kind; `rollouts` remembers those of phases that
    are laid out beforehand, and only those.
    """

    def __init__(self, endpoints: Sequence[Endpoint], origin: float = 0.0) -> None:
        self.origin = origin
        self.started = 0
        self.endpoints = {endpoint.name: EndpointTally() for endpoint in endpoints}
        self.phases: dict[tuple[int, PhaseKind], RolloutTally] = {}
        self.groups = GroupTally()
        self.rollouts: list[RolloutRecord] = []
        self._by_index = list(self.endpoints.values())

    @property
    def ended(self) -> int:
        """Return how many rollouts have ended, interrupted ones included."""
        return sum(phase.rollouts for phase in self.phases.values())

    @property
    def discarded(self) -> int:
        """Return how many rollouts were discarded."""
        return sum(phase.states["discarded"] for phase in self.phases.values())

    def add_attempt(self, attempt: Attempt) -> None:
        """Count one attempt."""
        self.add_attempts((attempt,))

    def add_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Count attempts."""
        by_endpoint: dict[int, list[Attempt]] = {}
        for attempt in attempts:
            by_endpoint.setdefault(attempt.endpoint, []).append(attempt)
        for endpoint, its_own in by_endpoint.items():
            self._by_index[endpoint].add_attempts(its_own, self.origin)

    def add_started(self, spec: RolloutSpec) -> None:
        """Note that a rollout was started; those of a group before those of the next, unless recorded."""
        self.started += 1
        self.groups.add_started(spec.group, scattered=spec.kind == "recorded")

    def add_transcript(self, transcript: Transcript) -> None:
        """Count a rollout that was started and has ended."""
        spec, grade = transcript.spec, transcript.grade
        calls, failed = 0, False
        for turn in transcript.turns:
            calls += len(turn)
            for outcome in turn:
                if outcome.fault is not None:
                    failed = True
                if outcome.fatal or outcome.soft_error or outcome.violations:
                    self._by_index[outcome.endpoint].add_outcome(outcome)
        if grade is not None:
            self._by_index[grade.endpoint].add_outcome(grade)
        self.add_record(
            RolloutRecord(
                index=spec.index,
                item=spec.item.index,
                group=spec.group,
                step=spec.step,
                kind=spec.kind,
                state=transcript.state,
                started_s=transcript.started - self.origin,
                ended_s=transcript.ended - self.origin,
                think_s=transcript.think_s,
                calls=calls,
                tokens=transcript.tokens,
                score=grade.score if grade and transcript.state == "graded" else None,
                endpoint_failed=failed,
                cut_short=transcript.cut_short,
            )
        )

    def add_record(self, record: RolloutRecord, *, scattered: bool = False) -> None:
        """Count a rollout that was started and has ended, but not its calls' outcomes.

        `scattered` rollouts of a group may come after those of later ones, as recorded ones do anyway.
        """
        phase = self.phases.get((record.step, record.kind))
        if phase is None:
            phase = self.phases[record.step, record.kind] = RolloutTally()
        phase.add(record)
        self.groups.add_ended(
            record.group,
            completed=record.state in COMPLETED,
            scattered=scattered or record.kind == "recorded",
        )
        if record.kind in LAID_OUT:
            self.rollouts.append(record)

    def merge(self, other: "Tally") -> None:
        """Add all that `other`, another shard of the run, has counted; then no more can be started."""
        self.started += other.started
        self.groups.merge(other.groups)
        for name, endpoint in other.endpoints.items():
            self.endpoints[name].merge(endpoint)
        for key, phase in other.phases.items():
            self.phases.setdefault(key, RolloutTally()).merge(phase)
        self.rollouts.extend(other.rollouts)

    def to_bytes(self) -> bytes:
        """Return all counts as MessagePack."""
        shard = _Shard(self.origin, self.started, self.endpoints, self.phases, self.groups, self.rollouts)
        return msgspec.msgpack.encode(shard, enc_hook=_to_plain)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Tally":
        """Read what `to_bytes` wrote; msgspec.DecodeError when it is something else."""
        shard = msgspec.msgpack.decode(data, type=_Shard, dec_hook=_from_plain)
        tally = cls((), shard.origin)
        tally.started, tally.endpoints, tally.phases = shard.started, shard.endpoints, shard.phases
        tally.groups, tally.rollouts = shard.groups, shard.rollouts
        tally._by_index = list(tally.endpoints.values())
        return tally


class _Shard(msgspec.Struct, array_like=True):
    origin: float
    started: int
    endpoints: dict[str, EndpointTally]
    phases: dict[tuple[int, PhaseKind], RolloutTally]
    groups: GroupTally
    rollouts: list[RolloutRecord]


def _to_plain(value: Histogram | Moments) -> str:
    return value.to_text()


_FROM_PLAIN: dict[Any, Callable[[Any], Any]] = {
    Histogram: Histogram.from_text,
    Moments: Moments.from_text,
    Counter[str]: Counter,
    Counter[int]: Counter,
    Counter[RolloutState]: Counter,
}


def _from_plain(kind: Any, value: Any) -> Any:
    return _FROM_PLAIN[kind](value)
