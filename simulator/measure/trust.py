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


class Measured(msgspec.Struct, frozen=True):
    """What is held against the generator's own doing at one endpoint; `no_socket` counts attempts."""

    name: str
    service_p99_ms: float
    delay_p99_ms: float
    no_socket: int


def judge(sample: GeneratorSample, endpoints: Iterable[Measured]) -> GeneratorSummary:
    """Judge a run by the generator's lag, and by what of each endpoint's numbers was the generator's doing.

    A delay is held against it when it is both long and a sizeable part of what was measured.
    """
    lag = LagMs(sample.lag.percentile_ms(50), sample.lag.percentile_ms(99), sample.lag.max_ms)
    reasons = []
    if lag.p99 > MOST_LAG_MS:
        reasons.append(
            f"the generator's own loop ran {lag.p99:.0f} ms late at p99: give it a core of its own"
        )
    for endpoint in endpoints:
        if endpoint.delay_p99_ms > max(MOST_DELAY_MS, MOST_DELAY_SHARE * endpoint.service_p99_ms):
            reasons.append(
                f"calls to {endpoint.name} left {endpoint.delay_p99_ms:.0f} ms late at p99, beside"
                f" {endpoint.service_p99_ms:.0f} ms of service: start fewer rollouts, or give the generator"
                " a core of its own"
            )
        if endpoint.no_socket:
            reasons.append(
                f"{endpoint.no_socket} attempts at {endpoint.name} found no socket left on this machine:"
                " raise its limit on open files (`ulimit -n`), or start fewer rollouts"
            )
    cpu = sample.cpu_s / sample.wall_s if sample.wall_s else 0.0
    return GeneratorSummary(cpu, lag, not reasons, tuple(reasons))
