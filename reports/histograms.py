"""A report's histograms, read back as counts."""

from simulator.errors import InputError
from simulator.measure.histogram import Histogram


def counts_of(encoded: str, name: str) -> dict[int, int]:
    """Return the counts by the index of `measure.histogram`'s buckets, empty ones left out.

    InputError, naming the endpoint, where the text is no histogram of this program.
    """
    try:
        buckets = Histogram.from_hdr(encoded).buckets
    except ValueError as error:
        message = f"the histogram of {name} cannot be read: {error}"
        raise InputError(message, where="report.json", remedy="run again, or name another folder") from None
    return {index: times for index, times in enumerate(buckets) if times}
