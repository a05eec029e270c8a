"""Moments as files write them: ISO 8601, or a number of seconds or of a fraction of them."""

import math
from datetime import UTC, datetime
from typing import Any

EPOCH_FROM = 1e8
"""Seconds; a smaller moment, which would lie before March 1973, counts from some moment of its file's."""

_UNITS: tuple[tuple[float, float], ...] = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From which number on it counts how many units to a second: 1e11 s would be the year 5138."""


def instant(value: Any) -> float | None:
    """Return a moment in seconds since the epoch, or whatever a smaller number counts from.

    None for what is none. A moment without a time zone is taken for UTC: only differences matter.
    """
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        return _of_text(value.strip())
    return _of_number(value) if isinstance(value, (int, float)) else None


def _of_number(value: float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    if not math.isfinite(number):
        return None
    return next((number / units for least, units in _UNITS if abs(number) >= least), number)


def _of_text(text: str) -> float | None:
    try:
        return _of_number(float(text))  # first: ISO 8601 without separators is digits too
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        return None
