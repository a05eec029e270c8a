"""What thousands of callers with think time feel of their client, the same figures for every client."""

from collections.abc import Sequence

import msgspec
import numpy as np


class Felt(msgspec.Struct):
    """A client under load. `late` is when a call left after it was due, `answer` how long the answer took.

    The target answers in far less than a millisecond, so that both are the client's own doing. Times in ms;
    `cpu_us` is per call; `read_delay_p99` is what the client itself owns up to of `answer`, in its whole run.
    Both are None where the client does not tell.
    """

    calls_per_s: float
    late_p50: float
    late_p99: float
    answer_p50: float
    answer_p99: float
    peak_mb: float
    cpu_us: float | None = None
    read_delay_p99: float | None = None


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """Return median and 99th percentile; NaN of nothing."""
    if not len(values):
        return float("nan"), float("nan")
    p50, p99 = np.percentile(values, (50, 99))
    return float(p50), float(p99)
