"""The page of a run that goes on, and what it asks for once a second: the report's pictures so far."""

from typing import Any

import msgspec

from reports.html.page import gallery, page
from reports.progress import ended_of, left_of, moment_of, phase_of
from reports.results import Results
from reports.text import count, duration_ms, plain, share
from simulator.gates import Verdict
from simulator.measure.detail import Detail
from simulator.measure.summary import EndpointSummary, Snapshot, Summary

_NOT_JUDGED = Verdict("invalid", ())
"""A run is judged once it is over; no picture shows a verdict."""


def live_page() -> bytes:
    """Return the page, in UTF-8; it asks for `data` beside it."""
    return page("live.html.j2", [], script="live", title="a run that goes on")


def live_data(snapshot: Snapshot | None, summary: Summary | None, detail: Detail, *, over: bool) -> bytes:
    """Return what the page shows, as JSON; `summary` is None as long as nothing is known."""
    sections = [] if summary is None else gallery(Results(summary, _NOT_JUDGED, (), detail))
    shown: dict[str, Any] = {
        "over": over,
        "phase": "waiting for the first rollouts" if snapshot is None else phase_of(snapshot),
        "share": 0.0 if snapshot is None or not snapshot.planned else snapshot.ended / snapshot.planned,
        "moments": [] if snapshot is None else _moments(snapshot),
        "endpoints": [] if summary is None else list(map(_endpoint, summary.endpoints)),
        "sections": sections,
    }
    return msgspec.json.encode(shown)


def _moments(snapshot: Snapshot) -> list[str]:
    return list(filter(None, (ended_of(snapshot), *moment_of(snapshot), left_of(snapshot))))


def _endpoint(endpoint: EndpointSummary) -> tuple[str, ...]:
    times = endpoint.service_ms
    return (
        plain(endpoint.name),
        count(endpoint.calls),
        *(duration_ms(ms) if times.max else "-" for ms in (times.p50, times.p99)),
        share(endpoint.error_rate),
        count(endpoint.given_up),
    )
