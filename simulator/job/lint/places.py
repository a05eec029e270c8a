"""Where trouble stands, and one finding for all the places of the same trouble.

Whatever is in a file may be malformed, huge or nested as deeply as the reader let pass: nothing here recurses
by itself, and a place is looked up only for what is told.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from itertools import islice
from typing import Any

import msgspec

from simulator.findings import found
from simulator.job.dataset import row_node
from simulator.job.document import Node
from simulator.job.lint.tokens import shown
from simulator.job.locate import Path
from simulator.model import Finding, Item

MOST_LISTED = 10
"""Lines, or names, that one message lists."""


class Spot(msgspec.Struct, frozen=True):
    """What is wrong with a row of `file`; `path` leads to it from the row."""

    file: str
    item: Item
    message: str
    path: Path = ()


def told_by_file(code: str, spots: Iterable[Spot]) -> Iterator[Finding]:
    """Make one finding of each file's spots: the first of them, and on which lines there are more."""
    by_file: dict[str, list[Spot]] = {}
    for spot in spots:
        by_file.setdefault(spot.file, []).append(spot)
    for file, (first, *others) in by_file.items():
        lines = dict.fromkeys(spot.item.line for spot in others if spot.item.line != first.item.line)
        more = _more(len(lines), islice(lines, MOST_LISTED))
        yield found(code, first.message + more, where=place_in_row(first.item, file, first.path))


def told(code: str, message: str, nodes: Sequence[Node], *, endpoint: str = "") -> Finding:
    """Make one finding of what is wrong, in the same way, with all these values of the job."""
    first, *others = nodes
    more = _more(len(others), (_line(place(node)) for node in others[:MOST_LISTED]))
    return found(code, message + more, where=place(first), endpoint=endpoint)


def place(node: Node) -> str:
    """Return where the value stands; only the file, where it is nested too deeply to be found again."""
    try:
        return node.where
    except RecursionError:
        return node.source.file


def place_in_row(item: Item, file: str, path: Path) -> str:
    """Return where in the row the value at `path` stands, or the innermost one on the way that is there."""
    row = row_node(item, file)
    try:
        return Node(row.source, None, path).where
    except RecursionError:
        return f"{file}:{item.line}:{item.column}"


def member(node: Node | None, key: str) -> Node | None:
    """Return the object's member; None where it is absent or null, or the value is no object."""
    return node.member(key) if node and isinstance(node.value, dict) else None


def elements(node: Node | None) -> list[Node]:
    """Return the array's elements; none where the value is no array."""
    return node.elements() if node and isinstance(node.value, list) else []


def members(node: Node | None) -> list[tuple[str, Node]]:
    """Return the object's members; none where the value is no object."""
    return node.members() if node and isinstance(node.value, dict) else []


def text_of(node: Node | None) -> str:
    """Return the string; "" where the value is none."""
    return node.value if node and isinstance(node.value, str) else ""


def strings(value: Any) -> Iterator[tuple[Path, str]]:
    """Yield every string in the value, in the order of the text, keys too, with the path to it."""
    pending: list[tuple[Path, Any]] = [((), value)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, str):
            yield path, value
        elif isinstance(value, dict):
            yield from (((*path, key), key) for key in value)
            pending.extend(((*path, key), inner) for key, inner in reversed(value.items()))
        elif isinstance(value, list):
            pending.extend(((*path, index), value[index]) for index in range(len(value) - 1, -1, -1))


def fingerprint(value: Any) -> bytes | None:
    """Return what is alike for values that differ only in the order of keys; None if nested too deeply."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except RecursionError:
        return None
    return blake2b(text.encode(), digest_size=16).digest()


def some(names: Sequence[str]) -> str:
    """Return the names as a message lists them: at most `MOST_LISTED`."""
    rest = len(names) - MOST_LISTED
    return ", ".join(map(shown, names[:MOST_LISTED])) + (f" and {rest} more" if rest > 0 else "")


def _more(count: int, lines: Iterable[object]) -> str:
    if not count:
        return ""
    listed = ", ".join(map(str, lines)) + (", ..." if count > MOST_LISTED else "")
    return f"; likewise on {count} more {'lines' if count > 1 else 'line'}: {listed}"


def _line(where: str) -> str:
    """Return the line of `file:line:column`, or the file where there is no more."""
    return next(iter(where.rsplit(":", 2)[1:]), where)
