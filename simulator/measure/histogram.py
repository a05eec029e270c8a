"""Durations in an HDR histogram: microseconds to an hour, three significant digits."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import add

from hdrh.histogram import HdrHistogram

LOWEST_US = 1
HIGHEST_US = 3_600_000_000
_SIGNIFICANT_DIGITS = 3
_KEPT_BITS = 11  # of a longer number of microseconds: the library's own rule for three significant digits
_EXACT_BELOW = 1 << _KEPT_BITS
_HALF = 1 << _KEPT_BITS - 1
BUCKETS = (HIGHEST_US.bit_length() - _KEPT_BITS) * _HALF + _EXACT_BELOW
_NOTHING = bytes(BUCKETS * array("Q").itemsize)
_EMPTY = HdrHistogram(LOWEST_US, HIGHEST_US, _SIGNIFICANT_DIGITS)


def bucket_of(microseconds: int) -> int:
    """Return the index of the bucket that a number of microseconds, 0 to HIGHEST_US, falls into."""
    if microseconds < _EXACT_BELOW:
        return microseconds
    dropped_bits = microseconds.bit_length() - _KEPT_BITS
    return dropped_bits * _HALF + (microseconds >> dropped_bits)


def middle_us(index: int) -> int:
    """Return the microseconds in the middle of a bucket."""
    return _lowest_us(index) + (1 << _dropped_bits(index) >> 1)


def _dropped_bits(index: int) -> int:
    return max(0, index // _HALF - 1)


def _lowest_us(index: int) -> int:
    dropped_bits = _dropped_bits(index)
    return index - dropped_bits * _HALF << dropped_bits


def _highest_us(index: int) -> int:
    return _lowest_us(index) + (1 << _dropped_bits(index)) - 1


class Histogram:
    """Durations, recorded in seconds, read in milliseconds.

    What is shorter than a microsecond counts as zero; what is longer than an hour is counted in
    `above_range` and, so that it is not lost to the percentiles, recorded as an hour.

    Every call is recorded several times, and the library takes four times as long for it as an array does:
    the counts are kept here, at its own indices, and handed to it when they are read. An array of all
    buckets does not grow, however long a run lasts.
    """

    __slots__ = ("_counts", "_hdr", "above_range")

    def __init__(self) -> None:
        self._counts = array("Q", _NOTHING)
        self._hdr = _EMPTY
        self.above_range = 0

    def record(self, seconds: float) -> None:
        """Add one duration; a negative one, which no monotonic clock gives, counts as zero."""
        self.record_all((seconds,))

    def record_all(self, durations: Iterable[float]) -> None:
        """Add durations, each as `record` does."""
        counts = self._counts
        for seconds in durations:
            index = int(seconds * 1e6)
            if not 0 <= index < _EXACT_BELOW:
                index = self._index_of(index)
            counts[index] += 1

    def _index_of(self, microseconds: int) -> int:
        if microseconds < 0:
            return 0
        if microseconds > HIGHEST_US:
            self.above_range += 1
            microseconds = HIGHEST_US
        return bucket_of(microseconds)

    def record_bucket(self, index: int, count: int) -> None:
        """Add so many durations of the bucket with that index; see `bucket_of`."""
        self._counts[index] += count

    def record_lag(self, seconds: float, interval_s: float) -> None:
        """Add how late a tick came that is due every `interval_s`, and the ticks that were missed meanwhile.

        So a percentile is one of time: a second of standstill weighs a second, not a single tick.
        """
        while seconds >= 0:
            self.record(seconds)
            seconds -= interval_s

    @property
    def buckets(self) -> memoryview:
        """Return how many durations are in each bucket, as 64-bit numbers: a view, for a quick look."""
        return memoryview(self._counts).toreadonly()

    @property
    def count(self) -> int:
        """Return how many durations were recorded."""
        return sum(self._counts)

    def percentile_ms(self, percentile: float) -> float:
        """Return the duration in ms that `percentile` percent (0 to 100) do not exceed; 0 when empty."""
        return self.percentiles_ms([percentile])[0]

    def percentiles_ms(self, percentiles: Sequence[float]) -> list[float]:
        """Return the durations in ms that so many percent (0 to 100) do not exceed; zeros when empty."""
        # The library walks all buckets for each percentile, in milliseconds: here once, for all of them.
        up_to = list(accumulate(self._counts))
        total = up_to[-1]
        if not total:
            return [0.0] * len(percentiles)
        wanted = [max(1, int(min(percentile, 100.0) * total / 100 + 0.5)) for percentile in percentiles]
        found = [bisect_left(up_to, count) for count in wanted]
        return [
            (_highest_us(index) if percentile else _lowest_us(index)) / 1000
            for index, percentile in zip(found, percentiles, strict=True)
        ]

    @property
    def min_ms(self) -> float:
        """Return the shortest duration in ms; 0 when empty."""
        return float(self._read().get_min_value()) / 1000

    @property
    def max_ms(self) -> float:
        """Return the longest duration in ms; 0 when empty."""
        return float(self._read().get_max_value()) / 1000

    @property
    def mean_ms(self) -> float:
        """Return the mean in ms, each duration taken for the middle of its bucket; 0 when empty."""
        # The library's own takes tens of milliseconds for this.
        counts = self._counts
        recorded = [index for index, count in enumerate(counts) if count]
        total = sum(counts[index] * middle_us(index) for index in recorded)
        return total / self.count / 1000 if recorded else 0.0

    def _read(self) -> HdrHistogram:
        if self._hdr.get_total_count() != self.count:  # counts only grow: no more of them are the same ones
            self._hdr = HdrHistogram(LOWEST_US, HIGHEST_US, _SIGNIFICANT_DIGITS)
            for index, count in enumerate(self._counts):
                if count:
                    self._hdr.record_value(self._hdr.get_value_from_index(index), count)
        return self._hdr

    def merge(self, other: "Histogram") -> None:
        """Add all that `other` has recorded."""
        self._counts = array("Q", map(add, self._counts, other._counts))  # noqa: SLF001 the same class
        self.above_range += other.above_range

    def to_hdr(self) -> str:
        """Return the counts, of microseconds, in HdrHistogram's own compressed base64 form."""
        return str(self._read().encode().decode("ascii"))

    @classmethod
    def from_hdr(cls, encoded: str) -> "Histogram":
        """Read what `to_hdr` wrote; ValueError when it is something else."""
        histogram = cls()
        try:
            counts = HdrHistogram.decode(encoded).counts[:]
        except Exception as error:  # the library raises whatever its own parts do
            raise ValueError("no histogram in HdrHistogram's compressed form") from error
        for index, count in enumerate(counts):
            if count:
                if index >= BUCKETS or count < 0:
                    raise ValueError("a histogram of another range")
                histogram._counts[index] = count
        return histogram

    def to_text(self) -> str:
        """Return all that it knows on one line."""
        return f"{self.above_range}:{self.to_hdr()}"

    @classmethod
    def from_text(cls, text: str) -> "Histogram":
        """Read what `to_text` wrote."""
        above_range, _, encoded = text.partition(":")
        histogram = cls.from_hdr(encoded)
        histogram.above_range = int(above_range)
        return histogram

    def __eq__(self, other: object) -> bool:
        """Compare to the last count."""
        if not isinstance(other, Histogram):
            return NotImplemented
        return self.above_range == other.above_range and self._counts == other._counts

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return (
            f"<Histogram {self.count} values, p50 {self.percentile_ms(50):.3f} ms, max {self.max_ms:.3f} ms>"
        )
