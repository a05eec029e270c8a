"""What a run counts: a tally adds attempts and transcripts, merges with others, and goes to bytes and back.

Everything in it is a count or a multiset, so that merging is exact and its order does not matter.
"""

from collections import Counter
from collections.abc import Sequence

import msgspec

from simulator.faults import NEVER_ANSWERED, Fault
from simulator.measure.histogram import Histogram
from simulator.model import Attempt, Endpoint, Outcome, RolloutSpec, Transcript


class EndpointTally:
    """One endpoint's counts. The per-second series are keyed by whole seconds since the run began."""

    def __init__(self) -> None:
        self.calls = self.attempts = self.given_up = self.soft_errors = self.reused = self.resent = 0
        self.unfinished = 0
        self.unfinished_max_s = 0.0
        self.faults: Counter[str] = Counter()
        self.violations: Counter[str] = Counter()
        self.service, self.delay = Histogram(), Histogram()
        self.sent_per_s: Counter[int] = Counter()
        self.done_per_s: Counter[int] = Counter()
        self.faults_per_s: Counter[int] = Counter()

    def add_attempt(self, attempt: Attempt, origin: float) -> None:
        """Count one attempt of a run that began at `origin`; unfinished ones are kept apart."""
        if attempt.fault is Fault.UNFINISHED:
            self.unfinished += 1
            self.unfinished_max_s = max(self.unfinished_max_s, attempt.done - attempt.sent)
            return
        self.attempts += 1
        self.calls += attempt.number == 1
        self.reused += attempt.reused
        self.resent += attempt.resent
        done_second = int(attempt.done - origin)
        self.sent_per_s[int(attempt.sent - origin)] += 1
        self.done_per_s[done_second] += 1
        self.delay.record(attempt.sent - attempt.due)
        if attempt.fault is not None:
            self.faults[attempt.fault] += 1
            self.faults_per_s[done_second] += 1
            if attempt.fault in NEVER_ANSWERED:
                return
        self.service.record(attempt.done - attempt.sent)

    def add_outcome(self, outcome: Outcome) -> None:
        """Count what only the end of a call tells."""
        self.given_up += outcome.fatal
        self.soft_errors += outcome.soft_error
        for violation in outcome.violations:
            self.violations[violation] += 1

    def merge(self, other: "EndpointTally") -> None:
        """Add all that `other` has counted."""
        for name in _NUMBERS:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name in _COUNTERS:
            getattr(self, name).update(getattr(other, name))
        for name in _MAXIMA:
            setattr(self, name, max(getattr(self, name), getattr(other, name)))
        self.service.merge(other.service)
        self.delay.merge(other.delay)


_NUMBERS = ("calls", "attempts", "given_up", "soft_errors", "reused", "resent", "unfinished")
_MAXIMA = ("unfinished_max_s",)
_COUNTERS = ("faults", "violations", "sent_per_s", "done_per_s", "faults_per_s")


class RolloutRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What the summary needs of one rollout; times in seconds since the run began."""

    index: int
    group: int
    step: int
    kind: str
    state: str
    started_s: float
    ended_s: float
    think_s: float
    calls: int
    tokens: int
    score: float | None
    endpoint_failed: bool
    cut_short: bool


class Tally:
    """All counts of a run, or of one shard of it. `origin` is the clock's reading when the run began."""

    def __init__(self, endpoints: Sequence[Endpoint], origin: float = 0.0) -> None:
        self.origin = origin
        self.endpoints = {endpoint.name: EndpointTally() for endpoint in endpoints}
        self.rollouts: list[RolloutRecord] = []
        self.started_per_group: Counter[int] = Counter()
        self._by_index = list(self.endpoints.values())

    def add_attempt(self, attempt: Attempt) -> None:
        """Count one attempt."""
        self._by_index[attempt.endpoint].add_attempt(attempt, self.origin)

    def add_started(self, spec: RolloutSpec) -> None:
        """Note that a rollout of the group was started."""
        self.started_per_group[spec.group] += 1

    def add_transcript(self, transcript: Transcript) -> None:
        """Count a rollout that has ended."""
        outcomes = [outcome for turn in transcript.turns for outcome in turn]
        for outcome in outcomes:
            self._by_index[outcome.endpoint].add_outcome(outcome)
        if transcript.grade is not None:
            self._by_index[transcript.grade.endpoint].add_outcome(transcript.grade)
        self.rollouts.append(
            RolloutRecord(
                index=transcript.spec.index,
                group=transcript.spec.group,
                step=transcript.spec.step,
                kind=transcript.spec.kind,
                state=transcript.state,
                started_s=transcript.started - self.origin,
                ended_s=transcript.ended - self.origin,
                think_s=transcript.think_s,
                calls=len(outcomes),
                tokens=transcript.tokens,
                score=transcript.grade.score if transcript.grade and transcript.state == "graded" else None,
                endpoint_failed=any(outcome.fault is not None for outcome in outcomes),
                cut_short=transcript.cut_short,
            )
        )

    def merge(self, other: "Tally") -> None:
        """Add all that `other`, a shard of the same run, has counted."""
        for name, tally in other.endpoints.items():
            self.endpoints[name].merge(tally)
        self.rollouts.extend(other.rollouts)
        self.started_per_group.update(other.started_per_group)

    def to_bytes(self) -> bytes:
        """Return all counts as MessagePack."""
        endpoints = {
            name: {
                **{field: getattr(tally, field) for field in (*_NUMBERS, *_MAXIMA, *_COUNTERS)},
                "service": tally.service.to_text(),
                "delay": tally.delay.to_text(),
            }
            for name, tally in self.endpoints.items()
        }
        return msgspec.msgpack.encode(_Shard(self.origin, endpoints, self.rollouts, self.started_per_group))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Tally":
        """Read what `to_bytes` wrote; msgspec.DecodeError when it is something else."""
        shard = msgspec.msgpack.decode(data, type=_Shard)
        tally = cls((), shard.origin)
        for name, fields in shard.endpoints.items():
            endpoint = tally.endpoints[name] = EndpointTally()
            for field in (*_NUMBERS, *_MAXIMA):
                setattr(endpoint, field, fields[field])
            for field in _COUNTERS:
                getattr(endpoint, field).update(fields[field])
            endpoint.service = Histogram.from_text(str(fields["service"]))
            endpoint.delay = Histogram.from_text(str(fields["delay"]))
        tally._by_index = list(tally.endpoints.values())
        tally.rollouts = shard.rollouts
        tally.started_per_group.update(shard.started_per_group)
        return tally


class _Shard(msgspec.Struct, array_like=True):
    origin: float
    endpoints: dict[str, dict[str, object]]
    rollouts: list[RolloutRecord]
    started_per_group: dict[int, int]
