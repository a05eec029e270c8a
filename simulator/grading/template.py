"""The templates of graders: `{{ namespace.path }}` in a text, found, read, and replaced by what it names.

The language is that of OpenAI's grader guide: the namespaces are `item` and `sample`, names stand after dots,
and indexes, or names with anything in them, in brackets.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from simulator.grading.judgement import CannotGrade, Namespaces

Path = tuple[str | int, ...]

Template = tuple[str, Path | None]
"""The namespace and the way from it; None where that cannot be read."""

NAMESPACES = frozenset({"item", "sample"})

_STEP = re.compile(r"""\.([^.\[\]"']+)|\[\s*(\d{1,9}|"[^"\]]*"|'[^'\]]*')\s*\]""")
_NAMESPACE = re.compile(r"[^\W\d]\w*")
_MOST_SHOWN = 60


def templates_in(text: str) -> Iterator[str]:
    """Yield what stands between `{{` and `}}`, without blanks around it."""
    return (text[start + 2 : end - 2].strip() for start, end in _spans(text))


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each `{{...}}` begins and ends: the innermost, where they are nested."""
    at = text.find("{{")
    while at >= 0:
        end = text.find("}}", at)
        if end < 0:
            return
        yield max(at, text.rfind("{{", at, end)), end + 2
        at = text.find("{{", end + 2)


def parsed(expression: str) -> Template | None:
    """Return the template; None for what is none but text in double braces, such as JSON in a prompt."""
    namespace = _NAMESPACE.match(expression)
    if not namespace:
        return None
    steps, at = list[str | int](), namespace.end()
    while found := _STEP.match(expression, at):
        name, index = found.groups()
        steps.append(name.strip() if name else int(index) if index.isdecimal() else index[1:-1])
        at = found.end()
    if at < len(expression):
        return (namespace[0], None) if namespace[0] in NAMESPACES else None
    return namespace[0], tuple(steps)


def depth_in(row: Any, path: Path) -> int:
    """Return how many steps of the path the row has."""
    return _followed(row, path)[0]


def looked_up(row: Any, path: str) -> Any:
    """Return what stands at a path, written as in a template after `item.`; None where nothing does."""
    _, steps = parsed(f"item.{path}") or ("", None)
    if steps is None:
        return None
    depth, value = _followed(row, steps)
    return value if depth == len(steps) else None


def _followed(row: Any, path: Path) -> tuple[int, Any]:
    """Return how many steps of the path there are, and the value that the last of these leads to."""
    value = row
    for depth, step in enumerate(path):
        number = int(step) if str(step).isdecimal() and len(str(step)) < 10 else -1
        if isinstance(value, dict) and str(step) in value:
            value = value[str(step)]
        elif isinstance(value, list) and 0 <= number < len(value):
            value = value[number]
        else:
            return depth, value
    return len(path), value


def render(text: str, names: Namespaces) -> str:
    """Return the text with every template replaced by what it names, once: a value is not rendered again.

    A string stands as it is, any other value as compact JSON. What is in double braces and begins with
    neither `item` nor `sample` is no template and stays.

    Raises CannotGrade (invalid_variable_error) where a template names nothing or cannot be read.
    """
    pieces, done = list[str](), 0
    for start, end in _spans(text):
        expression = text[start + 2 : end - 2].strip()
        namespace, path = parsed(expression) or ("", None)
        if namespace in NAMESPACES:
            pieces += (text[done:start], _value(expression, names.get(namespace), path))
            done = end
    return "".join((*pieces, text[done:]))


def render_all(value: Any, names: Namespaces) -> Any:
    """Return a JSON value, such as a model grader's prompt, with its strings rendered; keys stay.

    Raises CannotGrade as `render` does, and (other_error) where the value is nested too deeply.
    """
    try:
        return _rendered(value, names)
    except RecursionError:
        raise CannotGrade("other_error", "the prompt is nested too deeply") from None


def _rendered(value: Any, names: Namespaces) -> Any:
    if isinstance(value, str):
        return render(value, names)
    if isinstance(value, dict):
        return {key: _rendered(inner, names) for key, inner in value.items()}
    return [_rendered(inner, names) for inner in value] if isinstance(value, list) else value


def _value(expression: str, namespace: Any, path: Path | None) -> str:
    if path is None:
        raise _invalid(expression, "cannot be read: write names after dots, and indexes in brackets")
    depth, value = _followed(namespace, path)
    if depth < len(path) or (namespace is None and not path):
        raise _invalid(expression, "names nothing that is there")
    try:
        return value if isinstance(value, str) else _json(value)
    except (TypeError, ValueError, RecursionError):
        raise _invalid(expression, "names what cannot be written as JSON") from None


def _json(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, UnicodeEncodeError):  # integers beyond 64 bits, half a surrogate pair
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _invalid(expression: str, problem: str) -> CannotGrade:
    shown = expression if len(expression) <= _MOST_SHOWN else expression[: _MOST_SHOWN - 3] + "..."
    return CannotGrade("invalid_variable_error", f"{{{{{shown}}}}} {problem}")
