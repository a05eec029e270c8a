import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.measure.histogram import HIGHEST_US, LOWEST_US, Histogram

HOUR = 3600.0
AT_AN_EDGE = st.builds(lambda bit, by: ((1 << bit) + by) / 1e6, st.integers(0, 32), st.integers(-2, 2))
SECONDS = st.floats(-1, 10_000) | st.floats(0, 0.01) | AT_AN_EDGE
PERCENTILES = (0, 1, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99, 100)


def recorded(*seconds):
    histogram = Histogram()
    for value in seconds:
        histogram.record(value)
    return histogram


def recorded_by_the_library(*seconds):
    hdr = HdrHistogram(LOWEST_US, HIGHEST_US, 3)
    for value in seconds:
        assert hdr.record_value(min(max(0, int(value * 1e6)), HIGHEST_US))
    return hdr


@settings(max_examples=20)
@given(st.lists(SECONDS))
def test_it_reads_and_writes_what_the_library_itself_would_have_recorded(values):
    ours, theirs = recorded(*values), recorded_by_the_library(*values)
    assert [ours.percentile_ms(p) for p in PERCENTILES] == [
        theirs.get_value_at_percentile(p) / 1000 for p in PERCENTILES
    ]
    assert (ours.count, ours.min_ms, ours.max_ms, ours.mean_ms) == (
        theirs.get_total_count(),
        theirs.get_min_value() / 1000,
        theirs.get_max_value() / 1000,
        theirs.get_mean_value() / 1000,
    )
    assert ours.to_text() == f"{sum(v * 1e6 >= HIGHEST_US + 1 for v in values)}:{theirs.encode().decode()}"


def test_an_empty_one_reads_as_zero():
    empty = recorded()
    assert (empty.count, empty.percentile_ms(50), empty.min_ms, empty.max_ms, empty.mean_ms) == (
        0,
        0,
        0,
        0,
        0,
    )


@pytest.mark.parametrize("seconds", [0.0, -0.001, -5.0, 1e-9, 9.9e-7])
def test_what_is_shorter_than_a_microsecond_counts_as_zero(seconds):
    histogram = recorded(seconds)
    assert (histogram.count, histogram.above_range, histogram.max_ms, histogram.min_ms) == (1, 0, 0.0, 0.0)


@pytest.mark.parametrize("seconds", [1e-6, 0.001, 1.0, 59.9, HOUR - 1, HOUR])
def test_a_duration_in_range_is_kept_to_three_digits(seconds):
    histogram = recorded(seconds)
    assert histogram.above_range == 0
    for read in (histogram.percentile_ms(50), histogram.max_ms, histogram.min_ms, histogram.mean_ms):
        assert read == pytest.approx(seconds * 1000, rel=0.001)


@pytest.mark.parametrize("seconds", [HOUR + 10, 2 * HOUR, 1e9])
def test_what_is_longer_than_an_hour_is_counted_and_not_lost_to_the_percentiles(seconds):
    histogram = recorded(1.0, seconds, seconds)
    assert (histogram.count, histogram.above_range) == (3, 2)
    assert histogram.percentile_ms(50) == pytest.approx(HOUR * 1000, rel=0.001)
    assert histogram.max_ms == pytest.approx(HOUR * 1000, rel=0.001)


def test_percentiles_of_a_known_series():
    histogram = recorded(*[ms / 1000 for ms in range(1, 1001)])
    assert [histogram.percentile_ms(p) for p in (50, 90, 99, 99.9, 100)] == pytest.approx(
        [500, 900, 990, 999, 1000], rel=0.001
    )
    assert histogram.mean_ms == pytest.approx(500.5, rel=0.001)


@pytest.mark.parametrize(
    ("late", "weight"), [(0.0, 1), (0.01, 1), (0.02, 2), (0.05, 3), (1.01, 51), (-0.001, 0)]
)
def test_a_late_tick_brings_those_that_were_missed_meanwhile(late, weight):
    histogram = Histogram()
    histogram.record_lag(late, 0.02)
    assert histogram.count == weight
    assert histogram.max_ms == pytest.approx(max(0, late) * 1000, rel=0.001)


def test_a_standstill_weighs_its_length_and_not_a_single_tick():
    histogram = Histogram()
    for _ in range(50 * 9):  # nine seconds in which every tick is on time, and one in which none comes
        histogram.record_lag(0.0, 0.02)
    histogram.record_lag(1.0, 0.02)
    assert histogram.percentile_ms(89) == 0.0
    assert histogram.percentile_ms(95) == pytest.approx(500, rel=0.1)
    assert histogram.percentile_ms(99) == pytest.approx(900, rel=0.1)


@given(st.lists(SECONDS))
def test_nothing_is_lost_on_the_way_to_text_and_back(values):
    histogram = recorded(*values)
    again = Histogram.from_text(histogram.to_text())
    assert again == histogram
    assert (again.count, again.above_range) == (len(values), histogram.above_range)
    assert again.percentile_ms(90) == histogram.percentile_ms(90)
    assert (again.min_ms, again.max_ms) == (histogram.min_ms, histogram.max_ms)
    again.record(0.5)
    histogram.record(0.5)
    assert again == histogram


@given(st.lists(SECONDS), st.lists(SECONDS))
def test_merging_two_is_recording_all_in_one(first, second):
    merged = recorded(*first)
    merged.merge(recorded(*second))
    assert merged == recorded(*first, *second) == recorded(*second, *first)
    assert merged.count == len(first) + len(second)
    assert merged.min_ms == recorded(*first, *second).min_ms


def test_different_counts_are_not_equal():
    assert recorded(1.0) != recorded(1.0, 1.0)
    assert recorded(1.0) != recorded(2.0)
    assert recorded(2 * HOUR) != recorded(HOUR)


def test_the_repr_shows_what_is_in_it():
    assert repr(recorded(0.001)) == "<Histogram 1 values, p50 1.000 ms, max 1.000 ms>"
