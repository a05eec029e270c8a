"""`metrics.prom`, for a pushgateway or the node exporter's textfile collector; and what a scraped run serves.

A run has its meters from its first second on, as counters and a histogram; `reports.prometheus_ended` has
what only the end tells. Numbers are those of `report.json`, as it rounds them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from importlib.metadata import version

import msgspec

from reports.prometheus_ended import ended_families
from reports.prometheus_families import (
    PREFIX,
    Family,
    Labels,
    counter,
    endpoint_labels,
    gauge,
    label,
    labelled,
)
from reports.results import Results
from simulator.measure.metering import meters_of
from simulator.measure.meters import BOUNDS_S, EndpointMeters, Meters
from simulator.measure.summary import Snapshot, Summary


class RunFacts(msgspec.Struct, frozen=True):
    """What a run is known by from its beginning; `started_at` is ISO 8601."""

    scenario: str
    seed: int
    policy: str
    mode: str
    compute_multiplier: float
    started_at: str


def facts_of(summary: Summary) -> RunFacts:
    """Return what the run was known by."""
    load = summary.load
    return RunFacts(
        summary.scenario, summary.seed, load.policy, load.mode, load.compute_multiplier, summary.started_at
    )


def to_prometheus(results: Results) -> bytes:
    """Return a run that is over in Prometheus' text format."""
    facts = facts_of(results.summary)
    families = [
        *_of_run(facts, running=False, elapsed_s=results.summary.duration_s),
        *_of_meters(meters_of(results.summary)),
        *ended_families(results),
    ]
    return _exposed(families, facts)


def to_prometheus_meanwhile(facts: RunFacts, snapshot: Snapshot | None) -> bytes:
    """Return a run that goes on in Prometheus' text format; None before anything was played."""
    families = [*_of_run(facts, running=True, elapsed_s=snapshot.elapsed_s if snapshot else 0.0)]
    if snapshot is not None and snapshot.meters is not None:
        families += _of_meters(snapshot.meters)
    return _exposed(families, facts)


def _exposed(families: Iterable[Family], facts: RunFacts) -> bytes:
    from reports.exposition import exposed  # noqa: PLC0415 a library that most commands do not need

    return exposed(families, {"scenario": label(facts.scenario)})


def _of_run(facts: RunFacts, *, running: bool, elapsed_s: float) -> Iterator[Family]:
    info = {
        "seed": str(facts.seed),
        "policy": label(facts.policy),
        "mode": label(facts.mode),
        "compute_multiplier": f"{facts.compute_multiplier:g}",
        "version": version("rft-preflight"),
    }
    about = "What was played, and the version of the program that says so."
    yield Family(f"{PREFIX}run", "info", about, (("_info", info, 1),))
    yield gauge("running", "1 while rollouts are played, 0 once the run is over.", [({}, running)])
    since = _unix_s(facts.started_at)
    yield gauge("run_start_time_seconds", "When the run was started, in Unix time.", [({}, since)])
    yield gauge("elapsed_seconds", "How long rollouts have been played.", [({}, elapsed_s)])


def _unix_s(instant: str) -> float | None:
    try:
        return datetime.fromisoformat(instant).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


_ENDPOINT_COUNTERS: tuple[tuple[str, str, Callable[[EndpointMeters], int]], ...] = (
    ("calls", "Calls whose first attempt has ended.", lambda e: e.calls),
    ("attempts", "HTTP requests that have ended; a call has one and its retries.", lambda e: e.attempts),
    ("retries", "Attempts that were not the first of their call.", lambda e: e.retries),
    ("calls_given_up", "Calls that failed for good and had their rollout discarded.", lambda e: e.given_up),
    ("soft_errors", "Calls that were answered with a 2xx and the text of an error.", lambda e: e.soft_errors),
)

_NAMED_COUNTERS: tuple[tuple[str, str, str, Callable[[EndpointMeters], dict[str, int]]], ...] = (
    ("faults", "fault", "Attempts that went wrong, by what went wrong.", lambda e: e.faults),
    ("violations", "violation", "Answers that break the contract, by how they do.", lambda e: e.violations),
)

_ROLLOUT_COUNTERS: dict[str, str] = {
    "started": "Rollouts that were started.",
    "completed": "Rollouts that came to their end.",
    "graded": "Rollouts that have a score.",
    "discarded": "Rollouts that the trainer would throw away.",
    "interrupted": "Rollouts that were in flight when the run was stopped.",
    "cut_short": "Rollouts that the limit on their steps ended.",
    "false_zero": "Rollouts that were graded zero and in which a call had ended in a fault.",
}


def _of_meters(meters: Meters) -> Iterator[Family]:
    endpoints, of = meters.endpoints, endpoint_labels(meters.endpoints)
    for name, about, read in _ENDPOINT_COUNTERS:
        yield counter(name, about, ((of[e.name], read(e)) for e in endpoints))
    for name, by, about, read_named in _NAMED_COUNTERS:
        found = ((e.name, called, n) for e in endpoints for called, n in labelled(read_named(e)).items())
        yield counter(name, about, (({**of[endpoint], by: called}, n) for endpoint, called, n in found))
    yield _service_times(endpoints, of)
    rollouts = meters.rollouts
    for name, about in _ROLLOUT_COUNTERS.items():
        yield counter(f"rollouts_{name}", about, [({}, getattr(rollouts, name))])
    yield gauge("rollouts_in_flight", "Rollouts that have started and not ended.", [({}, rollouts.in_flight)])
    yield gauge("rollouts_planned", "Rollouts that the whole run is to play.", [({}, meters.planned)])
    yield gauge("step", "The training step that is played, or was the last.", [({}, meters.step)])


def _service_times(endpoints: Iterable[EndpointMeters], of: Mapping[str, Labels]) -> Family:
    bounds = (*map(str, map(float, BOUNDS_S)), "+Inf")
    samples: list[tuple[str, Labels, float]] = []
    for endpoint in endpoints:
        labels, total = of[endpoint.name], endpoint.answered
        if endpoint.within:
            within = zip(bounds, (*endpoint.within, total), strict=True)
            samples += [("_bucket", {**labels, "le": bound}, count) for bound, count in within]
            samples += [("_count", labels, total), ("_sum", labels, endpoint.service_us / 1e6)]
    about = "Time from sending a request to the end of its answer, which is the endpoint's own."
    return Family(f"{PREFIX}service_time_seconds", "histogram", about, tuple(samples))
