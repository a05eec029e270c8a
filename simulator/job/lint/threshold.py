"""The grader's `pass_threshold`, where it is known which scores there can be."""

from collections.abc import Iterator
from typing import Any

from simulator.job.document import Node
from simulator.job.lint.places import member, told
from simulator.job.scenario import Scenario
from simulator.model import Finding

_FROM_0_TO_1 = ("label_model", "string_check", "text_similarity")

_LARGEST = 1e300  # whole numbers of JSON have no end, but floats have


def threshold(scenario: Scenario) -> Iterator[Finding]:
    """Tell of a threshold that no score, or every score, reaches."""
    grader = member(scenario.file.node, "grader")
    node, given = member(grader, "pass_threshold"), member(grader, "range")
    bounds = (0.0, 1.0) if scenario.job.grader.type in _FROM_0_TO_1 else None
    if scenario.job.grader.type == "score_model":
        bounds = bounds_of(given) if given else (0.0, 1.0)
    if node and bounds and _is_number(node.value) and not bounds[0] <= node.value <= bounds[1]:
        message = f"pass_threshold is {node.value:g}, and scores are from {bounds[0]:g} to {bounds[1]:g}"
        yield told("grader.threshold", message, [node], endpoint=scenario.job.grader.name)


def bounds_of(node: Node) -> tuple[float, float] | None:
    """Return the two ends of a `range`; None where it is none."""
    value = node.value
    if isinstance(value, list) and len(value) == 2 and all(map(_is_number, value)) and value[0] < value[1]:
        return value[0], value[1]
    return None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
