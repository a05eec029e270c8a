"""Two graders of figures: a numeric one that looks at the value, and a brittle one that looks at the text."""

import math
import re
from typing import Any

import msgspec

_TOLERANCE = 0.005
_NEAR_MISS = 0.05
_SLIPS = (100.0, 1e3, 1e6, 1e9)
"""Factors by which an answer is off when the right digits stand at the wrong scale."""

_MAX_ANSWER = 2_000  # from the end, where the conclusion is
_SCALES = {
    "%": 0.01,
    "percent": 0.01,
    "thousand": 1e3,
    "k": 1e3,
    "million": 1e6,
    "mn": 1e6,
    "m": 1e6,
    "billion": 1e9,
    "bn": 1e9,
    "b": 1e9,
}
_NUMBER = re.compile(
    r"""
    (?<![\w.])
    (?P<open> \( )? \s? (?P<minus> [-\u2212] )? \s? (?P<dollar> US\$ | \$ )? \s? (?P<minus_after> [-\u2212] )?
    (?P<digits> (?: [0-9]{1,3} (?: ,[0-9]{3} ){1,5} (?![0-9]) | [0-9]{1,15} ) (?: \.[0-9]{1,12} )? )
    \s? (?P<unit> % | (?: percent | thousand | million | billion | bn | mn | [kmb] ) \b )?
    (?P<close> \s? \) )?
    """,
    re.IGNORECASE | re.VERBOSE,
)
_CONCLUSION = re.compile(r"\b(?:answer|result|total)\b (?:\s is\b|\s?[:=])|=", re.IGNORECASE | re.VERBOSE)


class Quantity(msgspec.Struct, frozen=True):
    """A number as written: its value before its unit, the unit's factor (None without one), its last digit.

    `digit` is the worth of the last digit written, before the unit: 0.1 for 12.4.
    """

    number: float
    scale: float | None
    digit: float
    looks_like_year: bool

    def readings(self, other: "Quantity") -> tuple[float, ...]:
        """Return the values this may mean beside `other`: without a unit it may be meant in the other's."""
        if self.scale is not None:
            return (self.number * self.scale,)
        return (self.number, self.number * (other.scale or 1.0))


def numeric(answer: str, item: dict[str, Any], _trace_id: str) -> float:
    """Grade by value: 1 for the right one, 0.5 for a near miss, else 0; ValueError without a reference.

    Right is within 0.5% or half a unit of the reference's last digit. A near miss is within 5%, or has the
    right digits with the wrong sign or at the wrong scale. A reference that is no figure is compared as text.
    """
    reference_text = _reference(item)
    reference, given = read_quantity(reference_text), read_quantity(answer)
    if reference is None:
        return float(answer.strip().casefold() == reference_text.strip().casefold())
    if given is None:
        return 0.0
    return max(
        _compare(value, target, reference)
        for value in given.readings(reference)
        for target in reference.readings(given)
    )


def brittle(answer: str, item: dict[str, Any], _trace_id: str) -> float:
    """Grade by text: 1 for the reference's very characters, else 0; ValueError without a reference."""
    return float(answer.strip() == _reference(item).strip())


def read_quantity(text: str) -> Quantity | None:
    """Return the figure that a text concludes with: the first after "the answer is", or the first of all.

    A bare year is taken for a figure only where nothing else is there.
    """
    text = text[-_MAX_ANSWER:]
    conclusions = [match.end() for match in _CONCLUSION.finditer(text)]
    for start in [*conclusions[-1:], 0]:
        found = [_quantity(match) for match in _NUMBER.finditer(text, start)]
        if found:
            return next((quantity for quantity in found if not quantity.looks_like_year), found[0])
    return None


def _quantity(match: re.Match[str]) -> Quantity:
    digits, unit = match["digits"], match["unit"]
    negative = bool(match["minus"] or match["minus_after"] or (match["open"] and match["close"]))
    number = float(digits.replace(",", ""))
    return Quantity(
        number=-number if negative else number,
        scale=_SCALES[unit.lower()] if unit else None,
        digit=10.0 ** -len(digits.partition(".")[2]),
        looks_like_year=len(digits) == 4 and not unit and not match["dollar"] and 1900 <= number <= 2100,
    )


def _compare(value: float, target: float, reference: Quantity) -> float:
    half_digit = reference.digit / 2 * abs(target / reference.number) if reference.number else 0.0
    if _close(value, target, max(_TOLERANCE * abs(target), half_digit)):
        return 1.0
    near = (target, -target, *(target * slip for slip in _SLIPS), *(target / slip for slip in _SLIPS))
    tolerances = (_NEAR_MISS, *(_TOLERANCE for _ in near[1:]))
    if any(_close(value, t, share * abs(t)) for t, share in zip(near, tolerances, strict=True)):
        return 0.5
    return 0.0


def _close(value: float, target: float, tolerance: float) -> bool:
    return math.isclose(value, target, rel_tol=1e-9, abs_tol=tolerance + 1e-12)


def _reference(item: dict[str, Any]) -> str:
    reference = item.get("reference_answer")
    if not isinstance(reference, str):
        raise ValueError("the item has no `reference_answer`, a string")  # noqa: TRY004 callers expect one kind
    return reference
