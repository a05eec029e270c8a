"""A run that goes on is known from what it tells, and at its end as well as its report knows it."""

import json

import msgspec

from reports.html.live import live_data
from reports.html.page import gallery
from simulator.measure.metering import meters_of_tally
from simulator.measure.summary import Snapshot
from simulator.measure.watching import Watching
from tests.reports.runs import failing, failing_in_detail, played_failing


def moment(elapsed_s, *, meters=None, in_flight=0, ended=0):
    return Snapshot(elapsed_s, "training", 1, 1, 480, ended, 0, in_flight, 0.0, {}, None, meters)


def share_of(meters, part):
    """Return the meters of a run of which that share has happened."""
    endpoints = tuple(
        msgspec.structs.replace(one, attempts=int(one.attempts * part)) for one in meters.endpoints
    )
    return msgspec.structs.replace(meters, endpoints=endpoints)


def watched():
    run, watching = played_failing(), Watching()
    meters = meters_of_tally(run.tally, run.targets)
    for number, part in enumerate((0.1, 0.4, 1.0)):
        lines = run.lines[160 * number : 160 * (number + 1)]
        watching.update(moment(3.0 * number + 0.5, meters=share_of(meters, part), in_flight=100), lines)
    return watching, meters


def test_nothing_is_known_before_anything_was_told():
    watching = Watching()
    assert watching.summary() is None
    watching.update(moment(0.0), [])
    assert watching.summary() is None
    shown = json.loads(live_data(watching.snapshot, None, watching.detail, over=False))
    assert (shown["sections"], shown["phase"]) == ([], "training, step 1 of 1")


def test_answers_are_spread_over_the_seconds_since_the_last_moment_and_none_is_lost():
    watching, meters = watched()
    series = watching.summary().series
    assert series.in_flight == [100] * 7
    for endpoint in meters.endpoints:
        done = series.done[endpoint.name]
        assert sum(done) == endpoint.attempts
        assert done[0] == int(endpoint.attempts * 0.1)
        assert max(done[1:4]) - min(done[1:4]) <= 1


def test_at_the_end_it_knows_what_the_report_knows():
    watching, _ = watched()
    summary, theirs = watching.summary(), failing()[0]
    for ours, told in zip(summary.endpoints, theirs.endpoints, strict=True):
        assert (ours.calls, ours.attempts, ours.faults) == (told.calls, told.attempts, told.faults)
        assert ours.given_up == told.given_up
    assert summary.rollouts.discarded == theirs.rollouts.discarded
    assert watching.detail.calls == failing_in_detail().detail.calls


def test_the_page_shows_the_pictures_of_the_report():
    watching, _ = watched()
    shown = json.loads(live_data(watching.snapshot, watching.summary(), watching.detail, over=True))
    assert shown["over"] is True
    assert [row[0] for row in shown["endpoints"]] == ["search", "list", "cat", "grader"]
    names = [picture["name"] for section in shown["sections"] for picture in section["pictures"]]
    assert names == [p.name for section in gallery(failing_in_detail()) for p in section.pictures]
