"""`latency.hlog`: every endpoint's durations as a log of HdrHistogram's, version 1.3 of its format.

A line is an interval: the endpoint's tag, its begin and length in seconds since the run began, its longest
duration in ms, and the counts. Tools of that family take the counts for nanoseconds and divide by a million
to print milliseconds, unless they are told otherwise: so nanoseconds they are, although a run measures
microseconds. They print a single tag at a time (`-tag search`), and one interval after another, by its begin.

Format: HistogramLogWriter and HistogramLogReader of HdrHistogram (Java), whose tags may hold neither comma,
nor space, nor line break.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from hdrh.histogram import HdrHistogram

from reports.histograms import counts_of
from reports.results import Results
from simulator.measure.histogram import HIGHEST_US, middle_us

DELAY = ":schedule_delay"
"""What the tag of an endpoint's schedule delay ends with; no name has a colon left once it is a tag."""

_NS_PER_US, _NS_PER_MS = 1_000, 1e6
_SIGNIFICANT_DIGITS = 3

_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'

Interval = tuple[float, float, str, Mapping[int, int]]
"""Begin and length in seconds, the tag, and counts by the index of `measure.histogram`'s buckets."""


def to_hlog(results: Results) -> bytes:
    """Return the log; where no `rollouts.jsonl` is at hand, the whole run is a single interval."""
    intervals = sorted(_intervals(results), key=lambda interval: interval[0])
    lines = (*_head(results), *(_line(*interval) for interval in intervals if any(interval[3].values())))
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def tag_of(name: str) -> str:
    """Return a name as a tag that breaks no line; different names have different ones."""
    return quote(name.encode("utf-8", "backslashreplace"), safe="") or "%"


def _head(results: Results) -> Iterator[str]:
    yield "#[Logged with rft-preflight]"
    yield "#[Histogram log format version 1.3]"
    yield "#[Values are nanoseconds, measured to the microsecond. Interval_Max is in milliseconds.]"
    yield f"#[A tag is an endpoint's service time, and with {DELAY} how late its requests left.]"
    began_s = _seconds_since_epoch(results.summary.started_at)
    if began_s is not None:
        written = datetime.fromtimestamp(began_s, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
        yield f"#[StartTime: {began_s:.3f} (seconds since epoch), {written}]"
        yield f"#[BaseTime: {began_s:.3f} (seconds since epoch)]"
    yield _LEGEND


def _seconds_since_epoch(instant: str) -> float | None:
    """Return when the run began; None where the report does not tell in a form that can be read."""
    try:
        seconds = datetime.fromisoformat(instant).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return seconds if seconds >= 0 else None


def _intervals(results: Results) -> Iterator[Interval]:
    whole_s, detail = results.summary.duration_s, results.detail
    for name, histograms in results.summary.histograms.items():
        yield 0.0, whole_s, tag_of(name) + DELAY, counts_of(histograms.schedule_delay, name)
        if detail is None:
            yield 0.0, whole_s, tag_of(name), counts_of(histograms.service, name)
    if detail is not None:
        for name, pieces in detail.service.items():
            for piece, counts in pieces.items():
                yield float(piece * detail.bin_s), float(detail.bin_s), tag_of(name), counts


def _line(begin_s: float, length_s: float, tag: str, counts: Mapping[int, int]) -> str:
    histogram = _in_nanoseconds(counts.items())
    longest_ms = histogram.get_max_value() / _NS_PER_MS
    encoded = histogram.encode().decode("ascii")
    return f"Tag={tag},{begin_s:.3f},{length_s:.3f},{longest_ms:.3f},{encoded}"


def _in_nanoseconds(counts: Iterable[tuple[int, int]]) -> HdrHistogram:
    histogram = HdrHistogram(1, HIGHEST_US * _NS_PER_US, _SIGNIFICANT_DIGITS)
    for index, times in counts:
        if times:
            histogram.record_value(min(middle_us(index), HIGHEST_US) * _NS_PER_US, times)
    return histogram
