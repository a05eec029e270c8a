"""From a run's tally to its summary."""

import heapq
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from simulator.faults import Fault
from simulator.measure.histogram import Histogram
from simulator.measure.summary import (
    CallsPerRollout,
    Durations,
    EndpointSummary,
    GraderSummary,
    LoadSummary,
    RolloutsSummary,
    ScoresSummary,
    SeriesSummary,
    StepSummary,
    Summary,
)
from simulator.measure.tally import EndpointTally, RolloutRecord, Tally
from simulator.measure.trust import GeneratorSample, Measured, judge
from simulator.model import Endpoint, EndpointKind
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
    generator: GeneratorSample


def summarise(tally: Tally, endpoints: Sequence[Endpoint], facts: RunFacts) -> Summary:
    """Compute the summary of a run."""
    summaries = tuple(_endpoint(e.name, e.kind, [tally.endpoints[e.name]], facts.load) for e in endpoints)
    tools = [tally.endpoints[e.name] for e in endpoints if e.kind == "tool"]
    grader_limit = next((e.rate_limit for e in endpoints if e.kind == "grader"), None)
    steps = tuple(_steps(tally, grader_limit))
    return Summary(
        scenario=facts.scenario,
        seed=facts.seed,
        started_at=facts.started_at,
        duration_s=facts.duration_s,
        interrupted=facts.interrupted,
        load=facts.load,
        rollouts=_rollouts(tally, facts.planned),
        endpoints=summaries,
        tools=_endpoint("tools", "tool", tools, facts.load) if tools else None,
        steps=steps,
        grader=GraderSummary(facts.grader_type, _scores(tally.rollouts)),
        failure=facts.failure,
        generator=judge(facts.generator, map(_measured, summaries)),
        series=_series(tally, facts.duration_s),
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
        service_ms=_durations(total.service),
        schedule_delay_ms=_durations(total.delay),
        # A steady load sends as fast as it is answered, so its rate is even without any limit.
        plateau_per_s=None if load.mode == "steady" else _plateau_per_s(total),
    )


def _measured(endpoint: EndpointSummary) -> Measured:
    return Measured(
        name=endpoint.name,
        service_p99_ms=endpoint.service_ms.p99,
        delay_p99_ms=endpoint.schedule_delay_ms.p99,
        no_socket=endpoint.faults.get(Fault.NO_SOCKET, 0),
    )


def _durations(histogram: Histogram) -> Durations:
    at = histogram.percentile_ms
    return Durations(
        p50=at(50), p90=at(90), p95=at(95), p99=at(99), p999=at(99.9),
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
        backlog += tally.sent_per_s[second] - tally.done_per_s[second]
        waiting[second] = backlog
    most = max(waiting.values())
    rates = [tally.done_per_s[second] for second, backlog in waiting.items() if 2 * backlog >= most > 3]
    if len(rates) < _SECONDS_NEEDED:
        return None
    rate = statistics.fmean(rates)
    return rate if rate and statistics.pstdev(rates) <= _STEADY * rate else None


# -- rollouts --------------------------------------------------------------------------------------------


def _rollouts(tally: Tally, planned: int) -> RolloutsSummary:
    states = Counter(record.state for record in tally.rollouts)
    ended = [record for record in tally.rollouts if record.state != "interrupted"]
    calls = [record.calls for record in ended if record.state != "discarded"] or [0]
    false_zero = sum(record.score == 0 and record.endpoint_failed for record in ended)
    completed = states["graded"] + states["ungraded"]
    complete_per_group = Counter(r.group for r in ended if r.state != "discarded")
    return RolloutsSummary(
        planned=planned,
        completed=completed,
        graded=states["graded"],
        discarded=states["discarded"],
        interrupted=planned - completed - states["discarded"],
        cut_short=sum(record.cut_short for record in ended),
        discarded_rate=_share(states["discarded"], len(ended)),
        false_zero=false_zero,
        false_zero_rate=_share(false_zero, states["graded"]),
        groups=len(tally.started_per_group),
        groups_incomplete=sum(
            complete_per_group[group] < size for group, size in tally.started_per_group.items()
        ),
        calls_per_rollout=CallsPerRollout(statistics.fmean(calls), max(calls)),
        tokens_per_rollout=statistics.fmean([r.tokens for r in ended if r.state != "discarded"] or [0]),
    )


def _scores(rollouts: Iterable[RolloutRecord]) -> ScoresSummary:
    scores = sorted(record.score for record in rollouts if record.score is not None)
    return ScoresSummary(
        mean=statistics.fmean(scores) if scores else None,
        std=statistics.pstdev(scores) if scores else None,
        zero=sum(score == 0 for score in scores),
        one=sum(score == 1 for score in scores),
    )


# -- steps -----------------------------------------------------------------------------------------------


def _steps(tally: Tally, grader_per_s: float | None) -> Iterable[StepSummary]:
    def phase(record: RolloutRecord) -> tuple[int, bool, str]:
        return record.step, record.kind == "evaluation", record.kind

    done_per_s: Counter[int] = Counter()
    for endpoint in tally.endpoints.values():
        done_per_s.update(endpoint.done_per_s)
    for (step, _, kind), records in groupby(sorted(tally.rollouts, key=phase), key=phase):
        rollouts = sorted(records, key=lambda record: record.index)
        start, end = min(r.started_s for r in rollouts), max(r.ended_s for r in rollouts)
        sampling_s = end - start
        in_flight_max = max_in_flight(rollouts)
        ideal_s = None
        if kind in {"training", "evaluation"} and all(r.state != "interrupted" for r in rollouts):
            ideal_s = ideal_sampling_s([r.think_s for r in rollouts], in_flight_max, grader_per_s)
        yield StepSummary(
            step=step,
            kind=kind,
            rollouts=len(rollouts),
            discarded=sum(r.state == "discarded" for r in rollouts),
            started_s=start,
            sampling_s=sampling_s,
            ideal_s=ideal_s,
            inflation=sampling_s / ideal_s if ideal_s else None,
            in_flight_max=in_flight_max,
            calls_per_s_max=max((done_per_s[s] for s in range(int(start), int(end) + 1)), default=0),
        )


def max_in_flight(rollouts: Iterable[RolloutRecord]) -> int:
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


def _series(tally: Tally, duration_s: float) -> SeriesSummary:
    seconds = range(int(duration_s) + 1)
    in_flight = Counter(s for r in tally.rollouts for s in range(int(r.started_s), int(r.ended_s) + 1))

    def of(field: str) -> dict[str, list[int]]:
        return {name: [getattr(t, field)[s] for s in seconds] for name, t in tally.endpoints.items()}

    return SeriesSummary(
        [in_flight[s] for s in seconds], of("sent_per_s"), of("done_per_s"), of("faults_per_s")
    )


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
