"""The ranges of all numeric settings, in one place, and what each load mode cannot do without."""

from collections.abc import Iterator
from typing import Any

import msgspec

from simulator.model import Load, TrainerRules

_MOST = 1_000_000_000  # in any unit; beyond it lie slips and infinity
_AT_LEAST_0 = (0, False)
_ABOVE_0 = (0, True)
_AT_LEAST_1 = (1, False)

LOWER_BOUNDS: dict[type[msgspec.Struct], dict[str, tuple[float, bool]]] = {
    Load: {
        "steps": _AT_LEAST_1,
        "batch_size": _AT_LEAST_1,
        "group_size": _AT_LEAST_1,
        "compute_multiplier": _ABOVE_0,
        "in_flight_limit": _AT_LEAST_1,
        "update_s": _AT_LEAST_0,
        "eval_interval": _AT_LEAST_1,
        "eval_samples": _AT_LEAST_1,
        "eval_in_flight_limit": _AT_LEAST_1,
        "in_flight": _AT_LEAST_1,
        "rollouts_per_s": _ABOVE_0,
        "duration_s": _ABOVE_0,
        "rollouts": _AT_LEAST_1,
        "time_scale": _AT_LEAST_0,
        "tokens_per_s": _ABOVE_0,
        "grace_s": _AT_LEAST_0,
    },
    TrainerRules: {
        "tool_retries": _AT_LEAST_0,
        "grader_retries": _AT_LEAST_0,
        "retry_backoff_s": _AT_LEAST_0,
        "retry_backoff_factor": _AT_LEAST_1,
        "tool_time_limit_s": _ABOVE_0,
        "grader_time_limit_s": _ABOVE_0,
        "connect_time_limit_s": _ABOVE_0,
        "max_request_bytes": _AT_LEAST_1,
        "max_answer_bytes": _AT_LEAST_1,
        "parallel_calls": _AT_LEAST_1,
    },
}
"""For each setting its lower bound, and whether the bound itself is excluded; `_MOST` bounds them all."""

_END = ("duration_s", "rollouts")
_NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "training": (),
    "steady": (("in_flight",), _END),
    "rate": (("rollouts_per_s",), _END),
}
"""For each load mode groups of settings, at least one of each group being needed."""


def range_problem(kind: type[msgspec.Struct], field: str, value: float) -> str:
    """Return what is wrong with the value of a setting; "" where nothing is."""
    bound, exclusive = LOWER_BOUNDS[kind][field]
    if value > _MOST:
        return f"must be at most {_MOST}"
    if value > bound or (value == bound and not exclusive):
        return ""
    return f"must be {'above' if exclusive else 'at least'} {bound}, not {value}"


def range_problems(settings: msgspec.Struct) -> Iterator[tuple[str, str]]:
    """Yield field and complaint for each setting that is out of its range; None is in every range."""
    for field in LOWER_BOUNDS[type(settings)]:
        value: Any = getattr(settings, field)
        problem = "" if value is None else range_problem(type(settings), field, value)
        if problem:
            yield field, problem


def missing_setting(load: Load) -> str:
    """Return what the load's mode needs and does not have, as `a or b`; "" where nothing is missing."""
    for names in _NEEDS[load.mode]:
        if all(getattr(load, name) is None for name in names):
            return " or ".join(names)
    return ""
