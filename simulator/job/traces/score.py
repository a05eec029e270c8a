"""A recorded score."""

import math
from typing import Any


def score_of(value: Any) -> float | None:
    """Return the score, None where there is none or it is no number; ValueError or TypeError for others."""
    if value is None:
        return None
    score = float(value)
    return score if math.isfinite(score) else None
