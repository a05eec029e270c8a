"""Whether the generator, and not the endpoint, made the numbers."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from simulator.measure.histogram import Histogram

MOST_LAG_MS = 200.0
MOST_STALL_MS = 1000.0
"""A single standstill of that length leaves a hole in the load, however long the run."""
MOST_WAITED = 0.08
MOST_WAITED_FOR_CPU = 0.75
"""Waiting for the core counts where it took both so much of the run, and so much of the time on the core. A
busy neighbour makes even a generator that needs little of it wait for longer than that."""
TELLING_S = 3.0
"""What a run of less time tells of its company on the core is chance."""
MOST_DELAY_MS = 200.0
MOST_DELAY_SHARE = 0.25


class GeneratorSample(msgspec.Struct, frozen=True):
    """What a process of the generator noticed of itself; CPU, waiting and wall time in seconds.

    `lag` is how late its own ticks came. `waited_s` is how long it was ready to run and another program had
    its core; None where the system does not tell.
    """

    cpu_s: float
    wall_s: float
    lag: Histogram
    waited_s: float | None = None


class LagMs(msgspec.Struct, frozen=True):
    """How late the engine's own ticks came, in ms."""

    p50: float
    p99: float
    max: float


class GeneratorSummary(msgspec.Struct, frozen=True):
    """The generator about itself, the worst of its `processes` standing for all.

    `cpu` is the share of one core that it used, `waited` the share of time in which it was ready to run and
    another program had its core, None where the run was too short to tell, or the system does not; 0 to 1.
    """

    cpu: float
    lag_ms: LagMs
    trustworthy: bool
    reasons: tuple[str, ...]
    processes: int = 1
    waited: float | None = None


class Measured(msgspec.Struct, frozen=True):
    """What is held against the generator's own doing at one endpoint; `no_socket` counts attempts."""

    name: str
    service_p99_ms: float
    delay_p99_ms: float
    no_socket: int


def judge(
    samples: Sequence[GeneratorSample], endpoints: Iterable[Measured], lost: Iterable[str] = ()
) -> GeneratorSummary:
    """Judge a run by what the generator noticed of itself, and by how late it called each endpoint.

    `lost` says in a sentence each which of its processes died.
    """
    lags = Histogram()
    for sample in samples:
        lags.merge(sample.lag)
    lag = LagMs(lags.percentile_ms(50), lags.percentile_ms(99), lags.max_ms)
    cpu = max((sample.cpu_s / sample.wall_s for sample in samples if sample.wall_s), default=0.0)
    waited = max(
        (s.waited_s / s.wall_s for s in samples if s.wall_s >= TELLING_S and s.waited_s is not None),
        default=None,
    )
    reasons = (
        *lost,
        *_of_the_loop(lag, cpu),
        *_of_the_core(samples),
        *(reason for e in endpoints for reason in _of_calls(e, stalled=lag.max > MOST_STALL_MS)),
    )
    return GeneratorSummary(cpu, lag, not reasons, reasons, len(samples), waited)


def _of_the_loop(lag: LagMs, cpu: float) -> Iterator[str]:
    if lag.max > MOST_STALL_MS:
        yield (
            f"the generator itself stood still for {lag.max / 1000:.1f} s: something halted it, or took its"
            " core; give it a machine that is left alone"
        )
    elif lag.p99 > MOST_LAG_MS:
        yield f"the generator's own loop ran {lag.p99:.0f} ms late at p99: {_remedy(cpu)}"


def _of_the_core(samples: Sequence[GeneratorSample]) -> Iterator[str]:
    shared = [
        (s.waited_s / s.wall_s, s.cpu_s / s.wall_s)
        for s in samples
        if s.wall_s >= TELLING_S
        and s.waited_s is not None
        and s.waited_s > max(MOST_WAITED * s.wall_s, MOST_WAITED_FOR_CPU * s.cpu_s)
    ]
    if shared:
        waited, cpu = max(shared)
        yield (
            f"for {waited:.0%} of the time the generator was ready to run and another program had its core,"
            f" which it had itself for {cpu:.0%}: give it a core of its own"
        )


def _of_calls(endpoint: Measured, *, stalled: bool) -> Iterator[str]:
    """Yield what is held against the generator: a delay both long and a sizeable part of the whole."""
    if not stalled and endpoint.delay_p99_ms > max(MOST_DELAY_MS, MOST_DELAY_SHARE * endpoint.service_p99_ms):
        yield (
            f"calls to {endpoint.name} left {endpoint.delay_p99_ms:.0f} ms late at p99, beside"
            f" {endpoint.service_p99_ms:.0f} ms of service: start fewer rollouts, or give the generator"
            " more cores and `--processes`"
        )
    if endpoint.no_socket:
        yield (
            f"{endpoint.no_socket} attempts at {endpoint.name} found no socket left on this machine:"
            " raise its limit on open files (`ulimit -n`), or start fewer rollouts"
        )


_BUSY = 0.9


def _remedy(cpu: float) -> str:
    if cpu > _BUSY:
        return "it used all of its core; start fewer rollouts, or give it more cores and `--processes`"
    return "give it a core of its own"
