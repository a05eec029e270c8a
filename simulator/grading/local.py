"""Graders that compare texts and need nothing but the texts."""

from simulator.grading.judgement import CannotGrade, Namespaces
from simulator.grading.template import render
from simulator.grading.texts import string_check, text_similarity
from simulator.model import Grader

_BY = {
    "string_check": ("operation", string_check),
    "text_similarity": ("evaluation_metric", text_similarity),
}
"""Each type's setting that says how to compare, and what compares."""

LOCAL = frozenset(_BY)
"""The types that `grade_locally` grades."""


def grade_locally(grader: Grader, names: Namespaces) -> float:
    """Return the grader's score, from 0.0 to 1.0, of the texts that its templates make.

    Raises CannotGrade: invalid_variable_error as `render` does; other_error where a setting is missing, no
    string or unknown, where the texts cannot be compared, and for any type that is not in `LOCAL`.
    """
    if grader.type not in LOCAL:
        raise CannotGrade("other_error", f"a {grader.type!a} grader does not compare texts")
    key, compare = _BY[grader.type]
    how, text, reference = (_setting(grader, name) for name in (key, "input", "reference"))
    return compare(how, render(text, names), render(reference, names))


def _setting(grader: Grader, key: str) -> str:
    value = grader.settings.get(key)
    if not isinstance(value, str):
        problem = "has no" if value is None else "wants a string as"
        raise CannotGrade("other_error", f"the grader {grader.name!a} {problem} `{key}`")
    return value
