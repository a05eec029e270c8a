"""Whether the generator, and not the endpoint, made the numbers."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from simulator.measure.histogram import Histogram

MOST_LAG_MS = 200.0
MOST_STALL_MS = 1000.0
"""A single standstill of that length leaves a hole in the load, however long the run."""
MOST_WAITED = 0.08
MOST_WAITED_FOR_CPU = 0.75
"""Waiting for the core counts where it took both so much of the run, and so much of the time on the core."""
MOST_SHARED = 0.4
"""Beside a program that never sleeps a light generator hardly waits, because the system lets the one that
sleeps more go first: but nothing of the core is spare. A generator that needs more than half of it waits."""
TELLING_S = 3.0
"""What a run of less time tells of its company on the core is chance."""
MOST_DELAY_MS = 200.0
MOST_DELAY_SHARE = 0.25


class Cores(msgspec.Struct, frozen=True):
    """How many cores a process may use, and how long, in seconds, they all together had no program to run."""

    number: int
    spare_s: float


class GeneratorSample(msgspec.Struct, frozen=True):
    """What a process of the generator noticed of itself; CPU, waiting and wall time in seconds.

    `lag` is how late its own ticks came. `waited_s` is how long it was ready to run and another program had
    its core; that and `cores` are None where the system does not tell.
    """

    cpu_s: float
    wall_s: float
    lag: Histogram
    waited_s: float | None = None
    cores: Cores | None = None


class LagMs(msgspec.Struct, frozen=True):
    """How late the engine's own ticks came, in ms."""

    p50: float
    p99: float
    max: float


class GeneratorSummary(msgspec.Struct, frozen=True):
    """The generator about itself, the worst of its `processes` standing for all.

    `cpu` is the share of one core that it used, `waited` the share of time in which it was ready to run and
    another program had its core, `shared` the share of its cores' time that other programs had; both are None
    where the run was too short to tell, or the system does not. All are from 0 to 1.
    """

    cpu: float
    lag_ms: LagMs
    trustworthy: bool
    reasons: tuple[str, ...]
    processes: int = 1
    waited: float | None = None
    shared: float | None = None


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
    telling = [sample for sample in samples if sample.wall_s >= TELLING_S]
    waited = max((s.waited_s / s.wall_s for s in telling if s.waited_s is not None), default=None)
    shared = _shared(telling)
    reasons = (
        *lost,
        *_of_the_loop(lag, cpu),
        *_of_the_core(telling, shared),
        *(reason for e in endpoints for reason in _of_calls(e, stalled=lag.max > MOST_STALL_MS)),
    )
    return GeneratorSummary(cpu, lag, not reasons, reasons, len(samples), waited, shared)


def _of_the_loop(lag: LagMs, cpu: float) -> Iterator[str]:
    if lag.max > MOST_STALL_MS:
        yield (
            f"the generator itself stood still for {lag.max / 1000:.1f} s: something halted it, or took its"
            " core; give it a machine that is left alone"
        )
    elif lag.p99 > MOST_LAG_MS:
        yield f"the generator's own loop ran {lag.p99:.0f} ms late at p99: {_remedy(cpu)}"


def _shared(samples: Sequence[GeneratorSample]) -> float | None:
    """Return what other programs must have had of the cores that the generator's processes need, one each.

    What they left unused of those should have been spare somewhere on the cores they may use.
    """
    told = [(s.cores.spare_s / s.wall_s, s.cores.number) for s in samples if s.cores]
    if not told:
        return None
    spare, number = max(told)
    needed = min(len(samples), number)
    unused = needed - sum(s.cpu_s / s.wall_s for s in samples)
    return max(0.0, unused - spare) / needed


_ALONE = "core", "give it a core of its own"
_TOGETHER = "cores", "give each process a core of its own, or ask for fewer `--processes`"


def _of_the_core(samples: Sequence[GeneratorSample], shared: float | None) -> Iterator[str]:
    if shared is not None and shared > MOST_SHARED:
        which, remedy = _ALONE if len(samples) == 1 else _TOGETHER
        yield f"other programs had {shared:.0%} of the generator's {which}, and no other was free: {remedy}"
        return
    kept_waiting = [
        (s.waited_s / s.wall_s, s.cpu_s / s.wall_s)
        for s in samples
        if s.waited_s is not None and s.waited_s > max(MOST_WAITED * s.wall_s, MOST_WAITED_FOR_CPU * s.cpu_s)
    ]
    if kept_waiting:
        waited, cpu = max(kept_waiting)
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
