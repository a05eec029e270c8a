"""The ranges of all numbers that a scenario, a job or an option may set, and what each load mode needs."""

from collections.abc import Iterator
from typing import Any

import msgspec

from simulator.model import Endpoint, GradeSettings, Hyperparameters, Job, Load, TrainerRules
from simulator.plan.replay import ReplaySettings

Range = tuple[float, float]
"""The lowest and the highest value, both allowed."""

_LEAST = 0.001  # of what cannot be 0: still less is a slip, and would take for ever
_SECONDS = (0, 1_000_000)  # 11 days
_SECONDS_ABOVE_0 = (_LEAST, 1_000_000)
_PER_SECOND = (_LEAST, 1_000_000)
_BATCH_SIZE = (1, 100_000)
_GROUP_SIZE = (1, 10_000)
_MULTIPLIER = (_LEAST, 1_000)
_IN_FLIGHT = (1, 1_000_000)
_STEPS = (1, 10_000)
_RETRIES = (0, 100)
_BYTES = (1, 1_000_000_000)

SEED: Range = (0, 2**63 - 1)
PRICE: Range = (0, 1_000_000)

RANGES: dict[type[msgspec.Struct], dict[str, Range]] = {
    Load: {
        "steps": _STEPS,
        "batch_size": _BATCH_SIZE,
        "group_size": _GROUP_SIZE,
        "compute_multiplier": _MULTIPLIER,
        "in_flight_limit": _IN_FLIGHT,
        "update_s": _SECONDS,
        "eval_interval": _STEPS,
        "eval_samples": _GROUP_SIZE,
        "eval_in_flight_limit": _IN_FLIGHT,
        "in_flight": _IN_FLIGHT,
        "ramp_s": _SECONDS,
        "rollouts_per_s": _PER_SECOND,
        "duration_s": _SECONDS_ABOVE_0,
        "rollouts": (1, 100_000_000),
        "time_scale": (0, 1_000),
        "tokens_per_s": _PER_SECOND,
        "grace_s": _SECONDS,
    },
    TrainerRules: {
        "tool_retries": _RETRIES,
        "grader_retries": _RETRIES,
        "retry_backoff_s": _SECONDS,
        "retry_backoff_factor": (1, 100),
        "tool_time_limit_s": _SECONDS_ABOVE_0,
        "grader_time_limit_s": _SECONDS_ABOVE_0,
        "connect_time_limit_s": _SECONDS_ABOVE_0,
        "max_request_bytes": _BYTES,
        "max_answer_bytes": _BYTES,
        "parallel_calls": (1, 10_000),
    },
    ReplaySettings: {"think_cap_s": _SECONDS, "broken": (0, 1)},
    GradeSettings: {"tolerance": (0, 1_000_000), "python_limit_s": (0.1, 3_600)},
    Endpoint: {"rate_limit": _PER_SECOND},
    Job: {"max_episode_steps": (1, 1_000_000)},
    Hyperparameters: {
        "batch_size": _BATCH_SIZE,
        "compute_multiplier": _MULTIPLIER,
        "eval_interval": (1, 1_000_000),  # a job has as many steps as its data and epochs make
        "eval_samples": _GROUP_SIZE,
        "n_epochs": (1, 1_000_000),
        "learning_rate_multiplier": (1e-9, 1_000_000),  # decides no traffic, and is not in the struct
    },
}
"""No source gives them: beyond lie slips, what would exhaust memory, and what would never end."""

_END = ("duration_s", "rollouts")
_NEEDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "training": (),
    "recorded": (),
    "steady": (("in_flight",), _END),
    "rate": (("rollouts_per_s",), _END),
}
"""For each load mode groups of settings, at least one of each group being needed."""


def range_problem(bounds: Range, value: float) -> str:
    """Return what is wrong with a value that must be in the range; "" where nothing is."""
    lowest, highest = bounds
    return "" if lowest <= value <= highest else f"must be from {lowest} to {highest}"


def range_problems(settings: msgspec.Struct) -> Iterator[tuple[str, str]]:
    """Yield field and complaint for each setting that is out of its range; None is in every range."""
    for field, bounds in RANGES[type(settings)].items():
        value: Any = getattr(settings, field)
        problem = "" if value is None else range_problem(bounds, value)
        if problem:
            yield field, problem


def missing_setting(load: Load) -> str:
    """Return what the load's mode needs and does not have, as `a or b`; "" where nothing is missing."""
    for names in _NEEDS[load.mode]:
        if all(getattr(load, name) is None for name in names):
            return " or ".join(names)
    return ""
