"""A run's meters, off its tally while it goes on and off its summary when it is over.

Both read the same buckets of the same histograms, so both come to the same numbers. A bucket is 0.1% wide:
one that a bound falls into counts as within it.
"""

import functools
from collections.abc import Iterable, Sequence
from typing import Any

from simulator.measure.histogram import BUCKETS, Histogram, bucket_of, middle_us
from simulator.measure.meters import BOUNDS_S, EndpointMeters, Meters, RolloutMeters
from simulator.measure.summary import EndpointSummary, Summary
from simulator.measure.tally import EndpointTally, RolloutTally, Tally
from simulator.model import Endpoint


def meters_of_tally(tally: Tally, endpoints: Sequence[Endpoint]) -> Meters:
    """Return the meters of a run, or a shard, that may still go on; a fortieth of a ms for each endpoint."""
    phases = tally.phases
    return Meters(
        tuple(_of_endpoint(endpoint, tally.endpoints[endpoint.name]) for endpoint in endpoints),
        _of_rollouts(tally.started, phases.values()),
        max((step for step, _ in phases), default=0),
    )


def _of_endpoint(endpoint: Endpoint, tally: EndpointTally) -> EndpointMeters:
    attempts = tally.attempts
    return EndpointMeters(
        endpoint.name,
        endpoint.kind,
        attempts - tally.retries,
        attempts,
        tally.retries,
        tally.given_up,
        tally.soft_errors,
        dict(sorted(tally.faults.items())),
        dict(sorted(tally.violations.items())),
        *_service(tally.service),
    )


def _of_rollouts(started: int, phases: Iterable[RolloutTally]) -> RolloutMeters:
    phases = list(phases)
    return RolloutMeters(
        started=started,
        completed=sum(phase.completed for phase in phases),
        graded=sum(phase.states["graded"] for phase in phases),
        discarded=sum(phase.states["discarded"] for phase in phases),
        interrupted=sum(phase.states["interrupted"] for phase in phases),
        cut_short=sum(phase.cut_short for phase in phases),
        false_zero=sum(phase.false_zero for phase in phases),
    )


def meters_of(summary: Summary) -> Meters:
    """Return the meters of a run that is over: all rollouts that were started have ended."""
    rollouts, started = summary.rollouts, sum(step.rollouts for step in summary.steps)
    return Meters(
        tuple(_of_summary(endpoint, summary) for endpoint in summary.endpoints),
        RolloutMeters(
            started=started,
            completed=rollouts.completed,
            graded=rollouts.graded,
            discarded=rollouts.discarded,
            interrupted=started - rollouts.completed - rollouts.discarded,
            cut_short=rollouts.cut_short,
            false_zero=rollouts.false_zero,
        ),
        max((step.step for step in summary.steps), default=0),
        rollouts.planned,
    )


def _of_summary(endpoint: EndpointSummary, summary: Summary) -> EndpointMeters:
    histograms = summary.histograms.get(endpoint.name)
    service: tuple[tuple[int, ...], int, int] = ((), 0, 0)
    if histograms is not None:
        service = _service(Histogram.from_hdr(histograms.service))
    return EndpointMeters(
        endpoint.name,
        endpoint.kind,
        endpoint.calls,
        endpoint.attempts,
        endpoint.retries,
        endpoint.given_up,
        endpoint.soft_errors,
        endpoint.faults,
        endpoint.violations,
        *service,
    )


def _service(histogram: Histogram) -> tuple[tuple[int, ...], int, int]:
    """Return how many durations are within each of BOUNDS_S, how many there are, and their sum in us."""
    numpy, beginnings, middles = _tables()
    counts = numpy.frombuffer(histogram.buckets, numpy.uint64)
    *within, total = numpy.add.reduceat(counts, beginnings).cumsum().tolist()
    return tuple(within), total, int(counts @ middles)


@functools.cache
def _tables() -> tuple[Any, Any, Any]:
    """Return numpy, where the buckets above each bound begin, and the middles of all buckets in us."""
    import numpy as np  # noqa: PLC0415 most runs are not watched, and need none of it

    beginnings = [0, *(bucket_of(round(bound * 1e6)) + 1 for bound in BOUNDS_S)]
    return np, np.array(beginnings), np.array([middle_us(index) for index in range(BUCKETS)], np.uint64)
