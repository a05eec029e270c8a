"""A run as OpenTelemetry's metrics, as data: what is sent, and nothing of how.

Durations of requests go by the name of the HTTP semantic conventions, and tools by the attributes of those
for generative AI (OpenTelemetry, "HTTP client metrics" and "GenAI attributes"). What has no convention begins
with `rft_preflight`; what the platform has a name for has that name behind it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal

import msgspec

from reports.histograms import counts_of
from reports.platform import platform_metrics
from reports.results import Results
from reports.text import plain, short
from simulator.measure.histogram import middle_us
from simulator.measure.summary import Durations, EndpointSummary, Summary

OWN = "rft_preflight"

BOUNDS_S = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 25.0, 50.0, 75.0, 100.0,
    250.0, 600.0,
)  # fmt: skip
"""Seconds: those that the HTTP conventions advise up to 10, and on to the trainer's time limit."""

_LONGEST_ATTRIBUTE = 200

Attributes = dict[str, str | int]


class Buckets(msgspec.Struct, frozen=True):
    """Durations in seconds: `counts` of those up to each bound of BOUNDS_S, and of those above the last."""

    count: int
    sum: float
    counts: tuple[int, ...]
    min: float
    max: float


class Point(msgspec.Struct, frozen=True):
    """A value, or the buckets of a histogram, with what tells it from the metric's other points."""

    attributes: Attributes
    value: int | float | Buckets


class Measure(msgspec.Struct, frozen=True):
    """A metric with its points: a sum only grows while the run goes on; `unit` is in UCUM."""

    name: str
    kind: Literal["sum", "gauge", "histogram"]
    unit: str
    about: str
    points: tuple[Point, ...]


def measures(results: Results) -> list[Measure]:
    """Return the metrics of a run that is over, those without any point left out."""
    summary = results.summary
    found = (*_of_endpoints(summary), *_of_rollouts(summary), *_of_steps(summary), *_of_the_verdict(results))
    named: Attributes = {f"{OWN}.scenario": _text(summary.scenario)}
    return [
        msgspec.structs.replace(
            one, points=tuple(Point(named | point.attributes, point.value) for point in one.points)
        )
        for one in found
        if one.points
    ]


def began_and_ended_ns(summary: Summary) -> tuple[int, int]:
    """Return when the run began and ended, in nanoseconds since the epoch; ValueError if it does not tell."""
    began = round(datetime.fromisoformat(summary.started_at).timestamp() * 1e6) * 1_000
    return began, began + round(summary.duration_s * 1e9)


def _text(text: str) -> str:
    return short(plain(text), _LONGEST_ATTRIBUTE)


# -- endpoints -------------------------------------------------------------------------------------------


def _attributes(endpoint: EndpointSummary) -> Attributes:
    name = _text(endpoint.name)
    own: Attributes = {f"{OWN}.endpoint": name, f"{OWN}.endpoint.kind": endpoint.kind}
    if endpoint.kind == "tool":
        own.update({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name})
    return own


_COUNTS: dict[str, tuple[str, str, Callable[[EndpointSummary], int]]] = {
    "calls": ("{call}", "Calls whose first attempt has ended.", lambda e: e.calls),
    "attempts": ("{attempt}", "HTTP requests; a call has one and its retries.", lambda e: e.attempts),
    "retries": ("{attempt}", "Attempts that were not the first of their call.", lambda e: e.retries),
    "calls.given_up": ("{call}", "Calls that had their rollout discarded.", lambda e: e.given_up),
    "soft_errors": ("{call}", "Calls answered with a 2xx and an error text.", lambda e: e.soft_errors),
}
"""What is counted at each endpoint: name -> unit, meaning, and how to read it."""


def _of_endpoints(summary: Summary) -> Iterator[Measure]:
    endpoints = [(endpoint, _attributes(endpoint)) for endpoint in summary.endpoints]
    for name, (unit, about, read) in _COUNTS.items():
        points = tuple(Point(attributes, read(endpoint)) for endpoint, attributes in endpoints)
        yield Measure(f"{OWN}.{name}", "sum", unit, about, points)
    faults = tuple(
        Point({**attributes, "error.type": _text(fault)}, times)
        for endpoint, attributes in endpoints
        for fault, times in endpoint.faults.items()
    )
    yield Measure(f"{OWN}.faults", "sum", "{attempt}", "Attempts that went wrong, by how.", faults)
    requests = [(e, {**attributes, "http.request.method": "POST"}) for e, attributes in endpoints]
    about = "From sending a request to the end of its answer."
    points = _histograms(summary, requests, "service")
    yield Measure("http.client.request.duration", "histogram", "s", about, points)
    about = "How late requests left, which is the generator's doing."
    points = _histograms(summary, endpoints, "schedule_delay")
    yield Measure(f"{OWN}.schedule_delay", "histogram", "s", about, points)


def _histograms(
    summary: Summary, endpoints: Iterable[tuple[EndpointSummary, Attributes]], which: str
) -> tuple[Point, ...]:
    found = []
    for endpoint, attributes in endpoints:
        if endpoint.name in summary.histograms:
            counts = counts_of(getattr(summary.histograms[endpoint.name], which), endpoint.name)
            found.append(Point(attributes, _buckets(counts, getattr(endpoint, f"{which}_ms"))))
    return tuple(found)


def _buckets(counts: Mapping[int, int], durations: Durations) -> Buckets:
    seconds = [(middle_us(index) / 1e6, times) for index, times in counts.items()]
    edges = pairwise((float("-inf"), *BOUNDS_S, float("inf")))
    return Buckets(
        count=sum(counts.values()),
        sum=sum(value * times for value, times in seconds),
        counts=tuple(sum(n for value, n in seconds if above < value <= up_to) for above, up_to in edges),
        min=durations.min / 1000,
        max=durations.max / 1000,
    )


# -- rollouts and steps ----------------------------------------------------------------------------------


def _of_rollouts(summary: Summary) -> Iterator[Measure]:
    rollouts = summary.rollouts
    ended = ("completed", "discarded", "interrupted")
    points = tuple(Point({f"{OWN}.rollout.state": state}, getattr(rollouts, state)) for state in ended)
    yield Measure(f"{OWN}.rollouts", "sum", "{rollout}", "Rollouts, by what became of them.", points)
    for name, about in (
        ("graded", "Rollouts that have a score."),
        ("cut_short", "Rollouts that the limit on their steps ended."),
        ("false_zero", "Rollouts graded zero in which a call had ended in a fault."),
    ):
        points = (Point({}, getattr(rollouts, name)),)
        yield Measure(f"{OWN}.rollouts.{name}", "sum", "{rollout}", about, points)
    groups = {
        "complete": rollouts.groups - rollouts.groups_incomplete,
        "incomplete": rollouts.groups_incomplete,
    }
    points = tuple(Point({f"{OWN}.group.state": state}, number) for state, number in groups.items())
    yield Measure(f"{OWN}.groups", "sum", "{group}", "Groups, by whether they miss rollouts.", points)
    for platforms_name, value in msgspec.structs.asdict(platform_metrics(summary)).items():
        if isinstance(value, int | float):
            about, unit = "By the platform's name for it.", "s" if "latency" in platforms_name else "1"
            yield Measure(f"{OWN}.platform.{platforms_name}", "gauge", unit, about, (Point({}, value),))


_STEPS = {
    "sampling": ("sampling_s", "s", "From the first rollout's start to the last one's end."),
    "ideal": ("ideal_s", "s", "What sampling would take with instant endpoints."),
    "inflation": ("inflation", "1", "Sampling time by that with instant endpoints."),
    "in_flight_max": ("in_flight_max", "{rollout}", "The most rollouts that were in flight at once."),
}


def _of_steps(summary: Summary) -> Iterator[Measure]:
    for name, (field, unit, about) in _STEPS.items():
        read: list[tuple[Any, Attributes]] = [
            (getattr(step, field), {f"{OWN}.step": step.step, f"{OWN}.step.kind": step.kind})
            for step in summary.steps
        ]
        points = tuple(Point(attributes, value) for value, attributes in read if value is not None)
        yield Measure(f"{OWN}.step.{name}", "gauge", unit, about, points)


# -- verdict ---------------------------------------------------------------------------------------------


def _of_the_verdict(results: Results) -> Iterator[Measure]:
    verdict, generator = results.verdict, results.summary.generator
    words = ("pass", "fail", "invalid")
    points = tuple(Point({f"{OWN}.verdict": word}, int(word == verdict.verdict)) for word in words)
    yield Measure(f"{OWN}.verdict", "gauge", "1", "1 for the run's verdict, 0 for the others.", points)
    gates = [(gate, {f"{OWN}.gate": _text(gate.expr)}) for gate in verdict.gates]
    ok = tuple(Point(dict(attributes), int(gate.ok)) for gate, attributes in gates)
    yield Measure(f"{OWN}.gate.ok", "gauge", "1", "1 where a gate holds.", ok)
    seen = tuple(Point(dict(attributes), g.observed) for g, attributes in gates if g.observed is not None)
    about = "What was measured of a gate's subject: seconds, a share, or a number."
    yield Measure(f"{OWN}.gate.observed", "gauge", "1", about, seen)
    trust = (Point({}, int(generator.trustworthy)),)
    about = "1 where the numbers are the endpoints' and not the generator's."
    yield Measure(f"{OWN}.generator.trustworthy", "gauge", "1", about, trust)
