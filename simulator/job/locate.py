"""Where in a JSON text a value stands, so that every complaint about it can name line and column."""

from collections.abc import Iterator
from json import JSONDecoder

Path = tuple[str | int, ...]
"""The way to a value: keys of objects and indexes of arrays, outermost first."""

_SPACE = " \t\n\r"
_scan = JSONDecoder().raw_decode


def line_and_column(text: str, offset: int) -> tuple[int, int]:
    """Return line and column, both from 1, of the character at `offset`."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def offset_of(text: str, path: Path) -> int:
    """Return the index of the first character of the value at `path` in valid JSON.

    Where the path leads nowhere, it is that of the innermost value that does exist.
    """
    at = _skip_space(text, 0)
    for step in path:
        found = next((value for key, value in members(text, at) if key == step), None)
        if found is None:
            break
        at = found
    return at


def members(text: str, at: int) -> Iterator[tuple[str | int, int]]:
    """Yield key or index, and offset, of each member of the object or array that starts at `at`."""
    is_object = text[at] == "{"
    if not is_object and text[at] != "[":
        return
    at, index = _skip_space(text, at + 1), 0
    while text[at] not in "]}":
        key: str | int = index
        if is_object:
            key, at = _scan(text, at)
            at = _skip_space(text, _skip_space(text, at) + 1)  # past the colon
        yield key, at
        at = _skip_space(text, _scan(text, at)[1])
        if text[at] == ",":
            at = _skip_space(text, at + 1)
        index += 1


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at
