"""All that reports and gates may see of a run; times in milliseconds where named so.

`measure.summarise` computes it from a tally. The field names are those of `report.json`, which others build
on: they stay.
"""

from typing import Any

import msgspec

from simulator.measure.graded import Agreement, Learnability, LoadShift, Repeatability, WorkerShift
from simulator.measure.meters import Meters
from simulator.measure.replayed import ReplaySummary
from simulator.measure.trust import GeneratorSummary
from simulator.model import EndpointKind

PRICE_PER_HOUR = 100.0
"""Dollars for an hour of training: what OpenAI's guide gives for o4-mini."""


class LoadSummary(msgspec.Struct, frozen=True):
    """How the rollouts arrived, with everything that had to be assumed."""

    mode: str
    steps: int
    batch_size: int
    group_size: int
    compute_multiplier: float
    rollouts_per_step: int
    time_scale: float
    policy: str
    assumptions: tuple[str, ...]


class CallsPerRollout(msgspec.Struct, frozen=True):
    """Tool calls per completed rollout."""

    mean: float
    max: int


class RolloutsSummary(msgspec.Struct, frozen=True):
    """What became of the rollouts; planned = completed + discarded + interrupted (or never started).

    A false zero is a rollout graded zero in which a call had ended in a fault; its rate is by graded
    rollouts, the discarded rate by those that ended. `groups` counts those of which a rollout was started; an
    incomplete one misses some of its rollouts.
    """

    planned: int
    completed: int
    graded: int
    discarded: int
    interrupted: int
    cut_short: int
    discarded_rate: float
    false_zero: int
    false_zero_rate: float
    groups: int
    groups_incomplete: int
    calls_per_rollout: CallsPerRollout
    tokens_per_rollout: float


class Durations(msgspec.Struct, frozen=True):
    """A histogram's usual percentiles, in ms."""

    p50: float
    p90: float
    p95: float
    p99: float
    p999: float
    max: float
    mean: float
    min: float


class EndpointSummary(msgspec.Struct, frozen=True):
    """One endpoint. `error_rate` is the share of attempts that ended in a fault.

    `resent` counts requests that went out twice because a kept-alive connection was gone, `unfinished` those
    without an answer when the run was stopped, which no other number contains. `schedule_delay_ms` is how
    late requests left; `read_delay_ms` the most that answers may have lain here before they were read, which
    the service time contains although it is not the endpoint's. `plateau_per_s` is the rate of answers while
    calls were piling up, None where they never did.
    """

    name: str
    kind: EndpointKind
    calls: int
    attempts: int
    retries: int
    given_up: int
    faults: dict[str, int]
    error_rate: float
    soft_errors: int
    violations: dict[str, int]
    connections_reused: int
    resent: int
    unfinished: int
    unfinished_max_ms: float
    service_ms: Durations
    schedule_delay_ms: Durations
    read_delay_ms: Durations
    plateau_per_s: float | None = None


class StepSummary(msgspec.Struct, frozen=True):
    """One phase. `ideal_s` is what sampling would take with instant endpoints, `inflation` the ratio to it.

    Both are None where nothing is to compare: no think time at all, or a phase that time alone ends.
    `in_flight_max` is exact for a step and an evaluation pass; for a steady load and a rate it is the most
    that were in flight as a second began.
    """

    step: int
    kind: str
    rollouts: int
    discarded: int
    started_s: float
    sampling_s: float
    ideal_s: float | None
    inflation: float | None
    in_flight_max: int
    calls_per_s_max: int


class ScoresSummary(msgspec.Struct, frozen=True):
    """The graded rollouts' scores; `zero` and `one` count exact ones; mean and std are None without any."""

    mean: float | None
    std: float | None
    zero: int
    one: int


class GraderSummary(msgspec.Struct, frozen=True):
    """The grader as a judge, not as an endpoint.

    `agreement` is with each of the others by its name, `recorded` being the scores that were there before.
    What was not measured is None. `ungraded` counts gradings without a score, by the platform's name for
    why, and `ungraded_example` says more of the first.
    """

    type: str
    scores: ScoresSummary
    agreement: dict[str, Agreement] = {}
    learnability: Learnability | None = None
    repeatability: Repeatability | None = None
    load: LoadShift | None = None
    workers: WorkerShift | None = None
    ungraded: dict[str, int] = {}
    ungraded_example: str = ""


class SeriesSummary(msgspec.Struct, frozen=True):
    """Per second of the run: rollouts in flight, and per endpoint the attempts sent, done and failed."""

    in_flight: list[int]
    sent: dict[str, list[int]]
    done: dict[str, list[int]]
    faults: dict[str, list[int]]


class EndpointHistograms(msgspec.Struct, frozen=True):
    """An endpoint's durations in microseconds, each a histogram in HdrHistogram's compressed base64 form."""

    service: str
    schedule_delay: str
    read_delay: str


class Summary(msgspec.Struct, frozen=True):
    """The whole run; `failure` says why it gave up by itself, "" where it did not.

    `replay` compares with what was recorded, None where nothing was replayed. `command` would run the same
    again, "" where none is known; `settings` are all that it was played with, by table, without secrets.
    `price_per_hour` is that of training, whose clock runs while rollouts are sampled. `runs` is how many runs
    were merged. `histograms` has one for each endpoint by its name.
    """

    scenario: str
    seed: int
    started_at: str
    duration_s: float
    interrupted: bool
    load: LoadSummary
    rollouts: RolloutsSummary
    endpoints: tuple[EndpointSummary, ...]
    tools: EndpointSummary | None
    steps: tuple[StepSummary, ...]
    grader: GraderSummary
    failure: str
    generator: GeneratorSummary
    series: SeriesSummary
    replay: ReplaySummary | None = None
    command: str = ""
    settings: dict[str, Any] = {}
    price_per_hour: float = PRICE_PER_HOUR
    runs: int = 1
    histograms: dict[str, EndpointHistograms] = {}


class StudySummary(msgspec.Struct, frozen=True):
    """A study of a grader alone.

    `samples` come from `source`; `calls` counts grader calls, those that do not count included. `left_out`
    says in sentences what was not measured, and why; `unfinished` that there was no time for all.
    """

    scenario: str
    grader_name: str
    seed: int
    started_at: str
    duration_s: float
    source: str
    samples: int
    groups: int
    calls: int
    grader: GraderSummary
    assumptions: tuple[str, ...]
    left_out: tuple[str, ...]
    unfinished: bool


class Snapshot(msgspec.Struct, frozen=True):
    """A moment of a run in progress, for those who watch. `planned`, `ended` and `in_flight` count rollouts.

    `planned` and `left_s` are None where only time ends the phase, or nothing can be said yet; `meters`, of
    the whole run, where nobody asked for them. They are up to a second older than the rest.
    """

    elapsed_s: float
    kind: str
    step: int
    steps: int
    planned: int | None
    ended: int
    discarded: int
    in_flight: int
    calls_per_s: float
    faults: dict[str, int]
    left_s: float | None
    meters: Meters | None = None
