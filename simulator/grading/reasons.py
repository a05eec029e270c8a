"""Why a grader misses a right answer: what the answer's text has in place of the reference's."""

import re
from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from simulator.measure.graded import Misses

OTHER = "another answer"
UNKNOWN = "no reference to compare with"

_LONGEST = 20_000
_SCALES = {
    "%": 0.01, "percent": 0.01, "thousand": 1e3, "k": 1e3, "million": 1e6, "mn": 1e6, "m": 1e6,
    "billion": 1e9, "bn": 1e9, "b": 1e9,
}  # fmt: skip
_NUMBER = re.compile(
    r"""
    (?<![\w.]) (?P<open>\()? (?P<sign>[-\u2212+])? \s? [$\u20ac\u00a3]? \s? (?P<sign2>[-\u2212+])?
    (?P<digits> [0-9]{1,3}(?:[,\u202f\u00a0][0-9]{3}){1,6}(?![0-9]) | [0-9]{1,18} ) (?P<part>\.[0-9]{1,15})?
    \s? (?P<unit> % | (?:percent|thousand|million|billion|bn|mn|[kmb])\b )?
    """,
    re.IGNORECASE | re.VERBOSE,
)
_MARKS = re.compile(r"[\s\"'`*_.,;:!?()\[\]{}$\\#<>\u2018\u2019\u201c\u201d]+")  # no dash: it may be a minus


class _Number(msgspec.Struct, frozen=True):
    """A number as written: before its unit, the unit's factor, half the worth of its last digit.

    Without a unit the factor is 1. In brackets it may be meant as negative, or not.
    """

    values: tuple[float, ...]
    scale: float
    half_digit: float
    text: str


def reason(answer: str, reference: str | None) -> str:
    """Return in what the answer differs from the reference.

    Reasons that begin with `format: ` mean that it says the same in another form; `another answer` that it
    seems to say something else. Texts beyond 20,000 characters are cut.
    """
    if reference is None:
        return UNKNOWN
    answer, reference = answer[:_LONGEST], reference[:_LONGEST]
    return next(filter(None, (look(answer, reference) for look in _REASONS)), OTHER)


def misses(cases: Iterable[tuple[str, str | None]], of: int) -> Misses:
    """Count why answers were missed that another judge passes; `cases` are answers and references."""
    counted = Counter(reason(answer, reference) for answer, reference in cases)
    return Misses(of, dict(counted.most_common()))


def _fold(text: str) -> str:
    return " ".join(text.split()).casefold()


def _bare(text: str) -> str:
    return _MARKS.sub(" ", text).strip().casefold()


def _contains(answer: str, reference: str) -> bool:
    wanted = _bare(reference)
    return bool(wanted) and f" {wanted} " in f" {_bare(answer)} "


def _numbers(text: str) -> list[_Number]:
    found = []
    for match in _NUMBER.finditer(text):
        value = float(re.sub(r"\D", "", match["digits"]) + (match["part"] or ""))
        minus = (match["sign"] or match["sign2"] or "+") in "-\u2212"
        values = (value, -value) if match["open"] else (-value if minus else value,)
        scale = _SCALES[match["unit"].lower()] if match["unit"] else 1.0
        half_digit = 0.5 * 10.0 ** -max(0, len(match["part"] or "") - 1)
        found.append(_Number(values, scale, half_digit, match[0].strip()))
    return found


def _alone(text: str) -> _Number | None:
    """Return the number that the whole text is, but for marks around it."""
    found = _numbers(text)
    return found[0] if len(found) == 1 and not _bare(text.replace(found[0].text, "", 1)).strip("%") else None


def _agree(a: _Number, b: _Number, *, scaled: bool) -> bool:
    """Tell whether two numbers agree as far as the coarser one is written, with their units or without."""
    of_a, of_b = (a.scale, b.scale) if scaled else (1.0, 1.0)
    coarser = max(a.half_digit * of_a, b.half_digit * of_b) * (1 + 1e-9)
    return any(abs(x * of_a - y * of_b) <= coarser for x in a.values for y in b.values)


def _numbers_differ(a: _Number, b: _Number) -> str:
    if a.scale != b.scale:
        either = _agree(a, b, scaled=True) or _agree(a, b, scaled=False)
        return "format: unit" if either else OTHER
    if not _agree(a, b, scaled=True):
        return OTHER
    return "format: how a number is written" if set(a.values) & set(b.values) else "format: rounding"


def _of_numbers(answer: str, reference: str) -> str:
    a, b = _alone(answer), _alone(reference)
    return _numbers_differ(a, b) if a is not None and b is not None else ""


def _among_words(answer: str, reference: str) -> str:
    b = _alone(reference)
    there = b is not None and any(_numbers_differ(a, b) != OTHER for a in _numbers(answer))
    return "format: words around the number" if there else ""


def _when(name: str, is_it: Callable[[str, str], bool]) -> Callable[[str, str], str]:
    return lambda answer, reference: name if is_it(answer, reference) else ""


_REASONS: tuple[Callable[[str, str], str], ...] = (
    _when("the same text", lambda answer, reference: answer == reference),
    _when("no answer", lambda answer, _: not answer.strip()),
    _when("format: blanks", lambda answer, reference: answer.split() == reference.split()),
    _when("format: upper and lower case", lambda answer, reference: _fold(answer) == _fold(reference)),
    _of_numbers,
    _when("format: punctuation", lambda answer, reference: _bare(answer) == _bare(reference) != ""),
    _when("format: words around it", _contains),
    _among_words,
)
"""The first that says something is the reason."""
