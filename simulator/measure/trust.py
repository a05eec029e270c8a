"""Whether the generator, and not the endpoint, made the numbers."""

from collections.abc import Iterable

import msgspec

from simulator.measure.histogram import Histogram

MOST_LAG_MS = 200.0
MOST_DELAY_MS = 200.0
MOST_DELAY_SHARE = 0.25


class GeneratorSample(msgspec.Struct, frozen=True):
    """What the engine noticed of itself: CPU and wall time in seconds, and how late its own ticks came."""

    cpu_s: float
    wall_s: float
    lag: Histogram


class LagMs(msgspec.Struct, frozen=True):
    """How late the engine's own ticks came, in ms."""

    p50: float
    p99: float
    max: float


class GeneratorSummary(msgspec.Struct, frozen=True):
    """The generator about itself. `cpu` is the share of one core, 0 to 1."""

    cpu: float
    lag_ms: LagMs
    trustworthy: bool
    reasons: tuple[str, ...]


def judge(sample: GeneratorSample, endpoints: Iterable[tuple[str, float, float]]) -> GeneratorSummary:
    """Judge a run by its lag and by each endpoint's (name, service p99 in ms, schedule delay p99 in ms).

    A delay is held against the generator when it is both long and a sizeable part of what was measured.
    """
    lag = LagMs(sample.lag.percentile_ms(50), sample.lag.percentile_ms(99), sample.lag.max_ms)
    reasons = []
    if lag.p99 > MOST_LAG_MS:
        reasons.append(
            f"the generator's own loop ran {lag.p99:.0f} ms late at p99: give it a core of its own"
        )
    for name, service_ms, delay_ms in endpoints:
        if delay_ms > max(MOST_DELAY_MS, MOST_DELAY_SHARE * service_ms):
            reasons.append(
                f"calls to {name} left {delay_ms:.0f} ms late at p99, beside {service_ms:.0f} ms of service:"
                " start fewer rollouts, or give the generator a core of its own"
            )
    cpu = sample.cpu_s / sample.wall_s if sample.wall_s else 0.0
    return GeneratorSummary(cpu, lag, not reasons, tuple(reasons))
