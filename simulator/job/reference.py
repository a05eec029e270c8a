"""The right answers that rows hold, by the field that is named for it or by the usual names."""

from collections.abc import Sequence
from typing import Any

import msgspec

from simulator.model import Item

REFERENCE_FIELDS = (
    "reference_answer", "reference", "answer", "expected_answer", "expected_output", "expected",
    "ground_truth", "gold_answer", "gold", "correct_answer", "solution", "target", "label",
)  # fmt: skip

_LOOKED_AT = 50


def reference_field(items: Sequence[Item], named: str | None) -> str | None:
    """Return the rows' field with the right answer: the one that is named, or the first usual one."""
    rows = [item.row for item in items[:_LOOKED_AT]]
    candidates = (named,) if named else REFERENCE_FIELDS
    return next((name for name in candidates if rows and all(name in row for row in rows)), None)


def references(items: Sequence[Item], field: str | None) -> dict[int, str]:
    """Return the right answers by the items' index, as texts."""
    return {item.index: as_text(item.row[field]) for item in items if field in item.row} if field else {}


def as_text(value: Any) -> str:
    """Return a string as it is, and anything else as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
