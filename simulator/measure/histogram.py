"""Durations in an HDR histogram: microseconds to an hour, three significant digits."""

from hdrh.histogram import HdrHistogram

LOWEST_US = 1
HIGHEST_US = 3_600_000_000
_SIGNIFICANT_DIGITS = 3
_KEPT_BITS = 11  # of a longer number of microseconds: the library's own rule for three significant digits
_EXACT_BELOW = 1 << _KEPT_BITS
_EMPTY = HdrHistogram(LOWEST_US, HIGHEST_US, _SIGNIFICANT_DIGITS)


class Histogram:
    """Durations, recorded in seconds, read in milliseconds.

    What is shorter than a microsecond counts as zero; what is longer than an hour is counted in
    `above_range` and, so that it is not lost to the percentiles, recorded as an hour.

    Every call is recorded several times, and the library takes four times as long for it as a dict does: the
    counts are kept here, by the lowest value of each of its buckets, and handed to it when they are read.
    """

    __slots__ = ("_counts", "_hdr", "above_range")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._hdr = _EMPTY
        self.above_range = 0

    def record(self, seconds: float) -> None:
        """Add one duration; a negative one, which no monotonic clock gives, counts as zero."""
        microseconds = int(seconds * 1e6)
        if microseconds >= _EXACT_BELOW:
            if microseconds > HIGHEST_US:
                self.above_range += 1
                microseconds = HIGHEST_US
            dropped_bits = microseconds.bit_length() - _KEPT_BITS
            microseconds = microseconds >> dropped_bits << dropped_bits
        elif microseconds < 0:
            microseconds = 0
        counts = self._counts
        counts[microseconds] = counts.get(microseconds, 0) + 1

    def record_lag(self, seconds: float, interval_s: float) -> None:
        """Add how late a tick came that is due every `interval_s`, and the ticks that were missed meanwhile.

        So a percentile is one of time: a second of standstill weighs a second, not a single tick.
        """
        while seconds >= 0:
            self.record(seconds)
            seconds -= interval_s

    @property
    def count(self) -> int:
        """Return how many durations were recorded."""
        return sum(self._counts.values())

    def percentile_ms(self, percentile: float) -> float:
        """Return the duration in ms that `percentile` percent (0 to 100) do not exceed; 0 when empty."""
        return float(self._read().get_value_at_percentile(percentile)) / 1000 if self._counts else 0.0

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
        """Return the mean in ms; 0 when empty."""
        return float(self._read().get_mean_value()) / 1000

    def _read(self) -> HdrHistogram:
        if self._hdr.get_total_count() != self.count:  # counts only grow: no more of them are the same ones
            self._hdr = HdrHistogram(LOWEST_US, HIGHEST_US, _SIGNIFICANT_DIGITS)
            for microseconds, count in self._counts.items():
                self._hdr.record_value(microseconds, count)
        return self._hdr

    def merge(self, other: "Histogram") -> None:
        """Add all that `other` has recorded."""
        for microseconds, count in other._counts.items():  # noqa: SLF001 the same class
            self._counts[microseconds] = self._counts.get(microseconds, 0) + count
        self.above_range += other.above_range

    def to_text(self) -> str:
        """Return the counts in HdrHistogram's own compressed base64 form."""
        return f"{self.above_range}:{self._read().encode().decode('ascii')}"

    @classmethod
    def from_text(cls, text: str) -> "Histogram":
        """Read what `to_text` wrote."""
        above_range, _, encoded = text.partition(":")
        histogram = cls()
        histogram.above_range = int(above_range)
        hdr = HdrHistogram.decode(encoded)
        histogram._counts = {
            hdr.get_value_from_index(index): count for index, count in enumerate(hdr.counts[:]) if count
        }
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
