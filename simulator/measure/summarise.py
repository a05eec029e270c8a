"""From a run's tally to its summary."""

import heapq
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Protocol

import msgspec

from simulator.faults import Fault
from simulator.measure.graded import Learnability
from simulator.measure.histogram import Histogram
from simulator.measure.summary import (
    CallsPerRollout,
    Durations,
    EndpointHistograms,
    EndpointSummary,
    GraderSummary,
    LoadSummary,
    RolloutsSummary,
    ScoresSummary,
    SeriesSummary,
    StepSummary,
    Summary,
)
from simulator.measure.tally import (
    EndpointTally,
    GroupTally,
    RolloutRecord,
    RolloutTally,
    Tally,
)
from simulator.measure.trust import GeneratorSample, Measured, judge
from simulator.model import Endpoint, EndpointKind, PhaseKind
from simulator.plan.pacer import Pacer


class RunFacts(msgspec.Struct, frozen=True):
    """What the summary says of a run that no tally counts."""

    scenario: str
    seed: int
    started_at: str
    duration_s: float
    interrupted: bool
    load: LoadSummary
    planned: int
    grader_type: str
    failure: str
    generator: Sequence[GeneratorSample]
    learnability: Learnability | None = None
    ungraded: dict[str, int] = {}
    lost: tuple[str, ...] = ()


def summarise(tally: Tally, endpoints: Sequence[Endpoint], facts: RunFacts) -> Summary:
    """Compute the summary of a run."""
    summaries = tuple(_endpoint(e.name, e.kind, [tally.endpoints[e.name]], facts.load) for e in endpoints)
    tools = [tally.endpoints[e.name] for e in endpoints if e.kind == "tool"]
    grader_limit = next((e.rate_limit for e in endpoints if e.kind == "grader"), None)
    steps = tuple(_steps(tally, grader_limit))
    rollouts = RolloutTally()
    for phase in tally.phases.values():
        rollouts.merge(phase)
    return Summary(
        scenario=facts.scenario,
        seed=facts.seed,
        started_at=facts.started_at,
        duration_s=facts.duration_s,
        interrupted=facts.interrupted,
        load=facts.load,
        rollouts=_rollouts(rollouts, tally.groups, facts.planned),
        endpoints=summaries,
        tools=_endpoint("tools", "tool", tools, facts.load) if tools else None,
        steps=steps,
        grader=GraderSummary(
            facts.grader_type, _scores(rollouts), learnability=facts.learnability, ungraded=facts.ungraded
        ),
        failure=facts.failure,
        generator=judge(facts.generator, map(measured, summaries), facts.lost),
        series=_series(tally.endpoints, rollouts, facts.duration_s),
        histograms={e.name: _histograms(tally.endpoints[e.name]) for e in endpoints},
    )


# -- endpoints -------------------------------------------------------------------------------------------


def _endpoint(
    name: str, kind: EndpointKind, parts: Sequence[EndpointTally], load: LoadSummary
) -> EndpointSummary:
    total = EndpointTally()
    for part in parts:
        total.merge(part)
    return EndpointSummary(
        name=name,
        kind=kind,
        calls=total.calls,
        attempts=total.attempts,
        retries=total.attempts - total.calls,
        given_up=total.given_up,
        faults=dict(sorted(total.faults.items())),
        error_rate=_share(sum(total.faults.values()), total.attempts),
        soft_errors=total.soft_errors,
        violations=dict(sorted(total.violations.items())),
        connections_reused=total.reused,
        resent=total.resent,
        unfinished=total.unfinished,
        unfinished_max_ms=total.unfinished_max_s * 1000,
        service_ms=durations(total.service),
        schedule_delay_ms=durations(total.delay),
        read_delay_ms=durations(total.read_delay),
        # A steady load sends as fast as it is answered, so its rate is even without any limit.
        plateau_per_s=None if load.mode == "steady" else _plateau_per_s(total),
    )


def _histograms(tally: EndpointTally) -> EndpointHistograms:
    return EndpointHistograms(tally.service.to_hdr(), tally.delay.to_hdr(), tally.read_delay.to_hdr())


def measured(endpoint: EndpointSummary) -> Measured:
    """Return what is held against the generator at an endpoint."""
    return Measured(
        name=endpoint.name,
        service_p99_ms=endpoint.service_ms.p99,
        delay_p99_ms=endpoint.schedule_delay_ms.p99,
        no_socket=endpoint.faults.get(Fault.NO_SOCKET, 0),
    )


def durations(histogram: Histogram) -> Durations:
    """Return a histogram's usual percentiles."""
    p50, p90, p95, p99, p999 = histogram.percentiles_ms((50, 90, 95, 99, 99.9))
    return Durations(
        p50=p50, p90=p90, p95=p95, p99=p99, p999=p999,
        max=histogram.max_ms, mean=histogram.mean_ms, min=histogram.min_ms,
    )  # fmt: skip


_SLOWED_DOWN = 4.0  # a median this many times the fast answers means that calls wait for one another
_FAST = 10.0  # percentile; a skewed but idle endpoint, log-normal with sigma 1, has a median 3.6 times this
_STEADY = 0.35  # the coefficient of variation under which a rate per second counts as a plateau
_SECONDS_NEEDED = 3


def _plateau_per_s(tally: EndpointTally) -> float | None:
    """Return the answers per second while calls piled up, when that rate did not follow what was sent."""
    fast_ms = tally.service.percentile_ms(_FAST)
    if tally.service.percentile_ms(50) < _SLOWED_DOWN * fast_ms or not tally.done_per_s:
        return None
    backlog, waiting = 0, {}
    for second in range(min(tally.sent_per_s), max(tally.done_per_s) + 1):
        backlog += tally.sent_per_s.get(second, 0) - tally.done_per_s.get(second, 0)
        waiting[second] = backlog
    most = max(waiting.values())
    rates = [
        tally.done_per_s.get(second, 0) for second, backlog in waiting.items() if 2 * backlog >= most > 3
    ]
    if len(rates) < _SECONDS_NEEDED:
        return None
    rate = statistics.fmean(rates)
    return rate if rate and statistics.pstdev(rates) <= _STEADY * rate else None


# -- rollouts --------------------------------------------------------------------------------------------


def _rollouts(rollouts: RolloutTally, groups: GroupTally, planned: int) -> RolloutsSummary:
    completed, states = rollouts.completed, rollouts.states
    return RolloutsSummary(
        planned=planned,
        completed=completed,
        graded=states["graded"],
        discarded=states["discarded"],
        interrupted=planned - completed - states["discarded"],
        cut_short=rollouts.cut_short,
        discarded_rate=_share(states["discarded"], completed + states["discarded"]),
        false_zero=rollouts.false_zero,
        false_zero_rate=_share(rollouts.false_zero, states["graded"]),
        groups=groups.begun,
        groups_incomplete=groups.incomplete,
        calls_per_rollout=CallsPerRollout(_share(rollouts.calls, completed), rollouts.calls_max),
        tokens_per_rollout=_share(rollouts.tokens, completed),
    )


def _scores(rollouts: RolloutTally) -> ScoresSummary:
    scores = rollouts.scores
    return ScoresSummary(mean=scores.mean, std=scores.std, zero=rollouts.score_zero, one=rollouts.score_one)


# -- steps -----------------------------------------------------------------------------------------------


def _steps(tally: Tally, grader_per_s: float | None) -> Iterable[StepSummary]:
    done_per_s: Counter[int] = Counter()
    for endpoint in tally.endpoints.values():
        done_per_s.update(endpoint.done_per_s)
    remembered: defaultdict[tuple[int, PhaseKind], list[RolloutRecord]] = defaultdict(list)
    for record in tally.rollouts:
        remembered[record.step, record.kind].append(record)
    for step, kind in sorted(tally.phases, key=_order):
        phase, records = tally.phases[step, kind], remembered[step, kind]
        in_flight_max = max_in_flight(records) if records else max_in_flight_at_seconds(phase)
        ideal_s = None
        if records and not phase.states["interrupted"]:
            thinking = [record.think_s for record in sorted(records, key=lambda record: record.index)]
            ideal_s = ideal_sampling_s(thinking, in_flight_max, grader_per_s)
        sampling_s = phase.ended_s - phase.started_s
        seconds = range(int(phase.started_s), int(phase.ended_s) + 1)
        yield StepSummary(
            step=step,
            kind=kind,
            rollouts=phase.rollouts,
            discarded=phase.states["discarded"],
            started_s=phase.started_s,
            sampling_s=sampling_s,
            ideal_s=ideal_s,
            inflation=sampling_s / ideal_s if ideal_s else None,
            in_flight_max=in_flight_max,
            calls_per_s_max=max((done_per_s[second] for second in seconds), default=0),
        )


def _order(phase: tuple[int, PhaseKind]) -> tuple[int, bool, str]:
    step, kind = phase
    return step, kind == "evaluation", kind


def max_in_flight_at_seconds(phase: RolloutTally) -> int:
    """Return the most rollouts of the phase that were in flight as a second began, and at least 1.

    Of a phase whose rollouts are not remembered one by one, that is as near as can be told. All that were in
    flight at some time within a second would be far too many where rollouts are short.
    """
    return max(1, *accumulate(change for _, change in sorted(phase.in_flight_at.items())))


class Lasting(Protocol):
    """Whatever starts and ends, in seconds."""

    @property
    def started_s(self) -> float:
        """When it starts."""

    @property
    def ended_s(self) -> float:
        """When it ends."""


def max_in_flight(rollouts: Iterable[Lasting]) -> int:
    """Return the most rollouts that were in flight at one moment.

    A rollout that starts as another ends has taken its place; one that took no time was there all the same.
    """
    edges = []
    for record in rollouts:
        edges.append((record.started_s, 1, 1))
        edges.append((record.ended_s, 0 if record.ended_s > record.started_s else 2, -1))
    most = now = 0
    for _, _, change in sorted(edges):
        now += change
        most = max(most, now)
    return most


def ideal_sampling_s(thinking: Sequence[float], slots: int, grader_per_s: float | None) -> float:
    """Return how long the rollouts would take with endpoints that answer at once, in seconds.

    Each thinks for its own time; `slots` of them are in flight at a time; the grader's rate limit, which is
    the job's own, still holds.
    """
    free = [0.0] * min(slots, len(thinking))
    ends = []
    for seconds in thinking:
        end = heapq.heappop(free) + seconds
        heapq.heappush(free, end)
        ends.append(end)
    if grader_per_s:
        pacer = Pacer(grader_per_s)
        ends = [pacer.reserve(end) for end in sorted(ends)]
    return max(ends, default=0.0)


# -- series ----------------------------------------------------------------------------------------------


def _series(
    endpoints: Mapping[str, EndpointTally], rollouts: RolloutTally, duration_s: float
) -> SeriesSummary:
    seconds = range(int(duration_s) + 1)

    def of(field: str) -> dict[str, list[int]]:
        return {name: [getattr(t, field).get(s, 0) for s in seconds] for name, t in endpoints.items()}

    return SeriesSummary(
        in_flight=list(accumulate(rollouts.in_flight_within.get(s, 0) for s in seconds)),
        sent=of("sent_per_s"),
        done=of("done_per_s"),
        faults=of("faults_per_s"),
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
