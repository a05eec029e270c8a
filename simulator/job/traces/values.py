"""The JSON values of a file, one after another, in memory that does not grow with the file.

A file holds a value on each line, or is one value as a whole. Of a large one the elements of its list come
one by one, be that list the whole or a member of it.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import ijson
import msgspec

from simulator.job.strictjson import printable
from simulator.job.traces.opening import DAMAGED, LONGEST_LINE, lines, opened

LISTS = (
    "items", "simulations", "resourceSpans", "resource_spans", "resourceLogs", "resource_logs", "data",
    "rows", "results", "rollouts", "samples", "trajectories", "traces", "records",
)  # fmt: skip
"""The members that hold a file's records where the file is one object."""

_WHOLE = 8_000_000
"""Bytes up to which a file that is one value is decoded as a whole."""

_LARGEST = 256_000_000
"""Bytes of the largest value that is no list of records, such as a trajectory with pictures."""

UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeError)
_decode = msgspec.json.Decoder().decode


class Found(msgspec.Struct, frozen=True):
    """A value, and where it stands; `problem` says why there is none.

    `line` is the one it begins on, or ends on in a large file; `of` is its place in a list, as `items[3]`.
    `text` is what it was decoded from, b"" in a large file.
    """

    file: str
    line: int
    value: Any = None
    text: bytes = b""
    problem: str = ""
    of: str = ""

    @property
    def where(self) -> str:
        """Return the place as messages name it."""
        return f"{self.file}:{self.line}" + (f": {self.of}" if self.of else "")


def values(path: Path) -> Iterator[Found]:
    """Yield the values of a file; OSError where it cannot be read at all."""
    name, line = printable(path), 1
    try:
        for found in _values(path, name):
            line = found.line
            yield found
    except DAMAGED as error:
        said = printable(str(error) or type(error).__name__)
        yield Found(name, line, problem=f"from about here on the compressed data are damaged: {said}")


def _values(path: Path, name: str) -> Iterator[Found]:
    with opened(path) as stream:
        start = stream.readline(LONGEST_LINE)
        if start.endswith(b"\n") and _is_value(start) and (len(start) < _WHOLE or stream.peek(1)):
            yield from _of_lines(itertools.chain([start], lines(stream)), name)
            return
        start += stream.read(max(0, _WHOLE - len(start)))
        if len(start) < _WHOLE:
            yield from _of_whole(start, name)
            return
    if _has_lines(start):
        with opened(path) as stream:
            yield from _of_lines(lines(stream), name)
    else:
        yield from _of_large(path, name)


def _has_lines(start: bytes) -> bool:
    """Tell a file with a value on each line by its second and third, where the first one is broken."""
    some = start.split(b"\n", 3)[1:3]
    return any(line.startswith(b"{") and _is_value(line) for line in some)


def _is_value(text: bytes) -> bool:
    try:
        msgspec.json.decode(text, type=msgspec.Raw)
    except UNREADABLE:
        return False
    return True


def _of_lines(some: Iterator[bytes | None], name: str) -> Iterator[Found]:
    for number, line in enumerate(some, start=1):
        if line is None:
            yield Found(name, number, problem="the line is longer than any record")
        elif line.strip():
            yield _decoded(line, name, number)


def _decoded(text: bytes, name: str, line: int) -> Found:
    try:
        return Found(name, line, _decode(text), text)
    except UNREADABLE:
        return Found(name, line, problem="not JSON")


def _of_whole(text: bytes, name: str) -> Iterator[Found]:
    """Yield the one value that a small file is, or what stands on its lines, the first of them broken."""
    if _is_value(text):
        yield Found(name, 1, _decode(text), text)
    elif _has_lines(text):
        yield from _of_lines(iter(text.splitlines()), name)
    else:
        yield from _of_broken(text, name)


def _of_broken(text: bytes, name: str) -> Iterator[Found]:
    """Yield the elements of a value that breaks off, and where it does."""
    prefix = _prefix(iter([text]))
    if prefix is not None:
        yield from _elements(_Chunks(iter(text.splitlines(keepends=True))), prefix, name)
    else:
        yield Found(name, 1, problem="not JSON, neither as a whole nor line by line")


# -- large ones


class _Chunks:
    """A file for ijson, which is given at most a line at a time, so that the line of a find is known."""

    def __init__(self, some: Iterator[bytes]) -> None:
        self._some, self._is_over, self.line = some, True, 0

    def read(self, size: int = -1) -> bytes:
        """Return the next line, b"" at the end, or where nothing is wanted: ijson asks for the type."""
        if size == 0:
            return b""
        piece = next(self._some, b"")
        self.line += self._is_over
        self._is_over = piece.endswith(b"\n")
        return piece


def _of_large(path: Path, name: str) -> Iterator[Found]:
    with opened(path) as stream:
        prefix = _prefix(_pieces(stream))
    if prefix is None:
        yield from _of_large_value(path, name)
        return
    with opened(path) as stream:
        yield from _elements(_Chunks(_pieces(stream)), prefix, name)


def _of_large_value(path: Path, name: str) -> Iterator[Found]:
    with opened(path) as stream:
        text = stream.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        known = ", ".join(LISTS)
        problem = f"one value of over {_LARGEST:,} bytes, without a list that is named {known}"
        yield Found(name, 1, problem=problem)
    else:
        yield _decoded(text, name, 1)


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.readline(65_536):
        yield piece


def _prefix(pieces: Iterator[bytes]) -> str | None:
    """Return where the records are, as ijson names it, None where no list could hold any."""
    try:
        for prefix, event, _ in ijson.parse(_Chunks(pieces)):
            if event == "start_array" and (prefix == "" or prefix in LISTS):
                return f"{prefix}.item".removeprefix(".")
    except (ijson.JSONError, *UNREADABLE):
        pass
    return None


def _elements(chunks: _Chunks, prefix: str, name: str) -> Iterator[Found]:
    number, of = 0, prefix.removesuffix("item").removesuffix(".")
    try:
        for number, value in enumerate(ijson.items(chunks, prefix, use_float=True), start=1):
            yield Found(name, chunks.line, value, of=f"{of}[{number - 1}]")
    except (ijson.JSONError, *UNREADABLE):
        yield Found(name, chunks.line, problem="not JSON, or it breaks off", of=f"{of}[{number}]")


def list_in(value: Any) -> str | None:
    """Return the member that holds an object's records; "" where the value itself is a list; else None."""
    if isinstance(value, list):
        return ""
    if not isinstance(value, dict):
        return None
    return next((key for key in LISTS if isinstance(value.get(key), list)), None)


def elements(found: Found) -> Iterator[Found]:
    """Yield the elements of the list that a value is or holds, with the lines they begin on."""
    member, text = list_in(found.value), found.text
    if member:
        text = bytes(msgspec.json.decode(text, type=dict[str, msgspec.Raw])[member])
    at, line = found.text.find(text), found.line
    line += found.text.count(b"\n", 0, at)
    for number, raw in enumerate(msgspec.json.decode(text, type=list[msgspec.Raw])):
        element = bytes(raw)
        before, at = at, found.text.find(element, at)
        line += found.text.count(b"\n", before, at)
        yield Found(found.file, line, _decode(element), element, of=f"{member}[{number}]")
        line += element.count(b"\n")
        at += len(element)
