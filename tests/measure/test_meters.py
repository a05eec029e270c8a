"""A run's meters are the same read off its tally and off its summary, and those of its shards add up."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.measure.histogram import Histogram
from simulator.measure.metering import meters_of, meters_of_tally
from simulator.measure.meters import BOUNDS_S, EndpointMeters, Meters, RolloutMeters, together
from simulator.measure.tally import Tally
from tests.measure.test_tally import (
    ATTEMPTS,
    DEALT,
    ENDPOINTS,
    ORIGIN,
    SHARDS,
    TRANSCRIPTS,
    attempt,
    events,
    sharded,
    summary_of,
    tally_of,
)

replace = msgspec.structs.replace


def meters(tally):
    return meters_of_tally(tally, ENDPOINTS)


@settings(max_examples=8)
@given(events(), DEALT, st.permutations(range(SHARDS)))
def test_the_meters_of_shards_add_up_to_those_of_the_run_in_any_order(happened, dealt, order):
    shards = sharded(happened, dealt)
    whole, apart = meters(tally_of(happened)), together(meters(shards[shard]) for shard in order)
    assert apart == whole


@settings(max_examples=8)
@given(st.lists(st.tuples(TRANSCRIPTS, st.lists(ATTEMPTS, max_size=3)), max_size=8))
def test_a_run_that_is_over_has_the_meters_it_had_at_its_last_moment(rollouts):
    happened = [
        event
        for index, (end, attempts) in enumerate(rollouts)
        for of in [replace(end.spec, index=index, group=index)]
        for event in (of, *((index, each) for each in attempts), replace(end, spec=of))
    ]
    tally = tally_of(happened)
    assert meters_of(summary_of(tally)) == replace(meters(tally), planned=len(rollouts))


def service_of(*seconds):
    tally = tally_of([(0, attempt(due=0.0, service=each)) for each in seconds])
    return meters(tally).endpoints[0]


def test_answers_are_counted_up_to_each_bound():
    one = service_of(0.0004, 0.0123, 0.0123, 7.5, 599.0, 601.0)
    assert dict(zip(BOUNDS_S, one.within, strict=True)) == {
        0.001: 1, 0.002: 1, 0.005: 1, 0.01: 1, 0.02: 3, 0.05: 3, 0.1: 3, 0.2: 3, 0.5: 3, 1: 3, 2: 3, 5: 3,
        10: 4, 20: 4, 30: 4, 60: 4, 120: 4, 300: 4, 600: 5,
    }  # fmt: skip
    assert (one.answered, one.attempts) == (6, 6)
    assert one.service_us == pytest.approx((0.0004 + 0.0246 + 7.5 + 1200.0) * 1e6, rel=1e-3)


@pytest.mark.parametrize("bound", BOUNDS_S)
def test_what_takes_exactly_as_long_as_a_bound_is_within_it_and_what_is_clearly_longer_is_not(bound):
    histogram = Histogram()
    histogram.record(bound)
    tally = Tally(ENDPOINTS, ORIGIN)
    tally.endpoints["search"].service = histogram
    at = BOUNDS_S.index(bound)
    assert meters(tally).endpoints[0].within == (0,) * at + (1,) * (len(BOUNDS_S) - at)
    histogram.record(bound * 1.002)
    assert meters(tally).endpoints[0].within[at] == 1


def test_a_report_without_histograms_has_no_service_times_and_all_else():
    tally = tally_of([(0, attempt())])
    one = meters_of(replace(summary_of(tally), histograms={})).endpoints[0]
    assert (one.within, one.answered, one.attempts) == ((), 0, 1)


def test_what_is_in_flight_is_what_has_started_and_not_ended():
    rollouts = RolloutMeters(started=10, completed=3, graded=2, discarded=2, interrupted=1)
    assert rollouts.in_flight == 4


def test_shards_that_know_different_faults_and_steps_add_up():
    one = EndpointMeters("search", "tool", 1, 2, 1, 0, 0, {"reset": 1}, {}, (0, 1), 1, 10)
    other = EndpointMeters(
        "search", "tool", 4, 4, 0, 1, 2, {"timeout": 2, "reset": 3}, {"x": 1}, (2, 2), 3, 5
    )
    both = together([Meters((one,), RolloutMeters(3), 1), Meters((other,), RolloutMeters(4), 2)])
    assert both.endpoints == (
        EndpointMeters("search", "tool", 5, 6, 1, 1, 2, {"reset": 4, "timeout": 2}, {"x": 1}, (2, 3), 4, 15),
    )
    assert (both.rollouts, both.step, both.planned) == (RolloutMeters(7), 2, None)
