"""A JSON file as read: each value knows where it stands, and can complain in one line."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from simulator.errors import InputError
from simulator.job import locate, strictjson
from simulator.job.strictjson import printable, quoted

T = TypeVar("T")

_PLAIN_KEY = re.compile(r"[\w-]{1,60}", re.ASCII)

_LARGEST_NUMBER = 1e300  # whole numbers of JSON have no end, but floats have

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class Source(msgspec.Struct, frozen=True):
    """A JSON text, where in which file it begins, and the exception that complaints about it are."""

    file: str
    text: str
    error: type[InputError]
    line: int = 1
    column: int = 1

    def where(self, offset: int) -> str:
        """Return `file:line:column` of the character at `offset`."""
        line, column = locate.line_and_column(self.text, offset)
        return f"{self.file}:{self.line + line - 1}:{column + (self.column - 1 if line == 1 else 0)}"

    def fail(self, offset: int, message: str, remedy: str, code: str = "") -> InputError:
        """Return the complaint about the character at `offset`."""
        return self.error(message, where=self.where(offset), remedy=remedy, code=code)


class Node(msgspec.Struct, frozen=True):
    """A decoded value, its source and path. Its methods raise the source's error, with line and column."""

    source: Source
    value: Any
    path: locate.Path = ()

    @property
    def name(self) -> str:
        """The path as people write it: `tools[0].server_url`."""
        return "".join(_step(step) for step in self.path).removeprefix(".") or "the JSON"

    @property
    def where(self) -> str:
        """Where the value stands: `file:line:column`."""
        return self.source.where(locate.offset_of(self.source.text, self.path))

    def fail(self, message: str, remedy: str, code: str = "") -> InputError:
        """Return the complaint about this value."""
        return self.source.fail(locate.offset_of(self.source.text, self.path), message, remedy, code)

    def member(self, key: str) -> "Node | None":
        """Return the object's member; None where it is absent or null."""
        value = self.object().get(key)
        return None if value is None else Node(self.source, value, (*self.path, key))

    def required(self, key: str, remedy: str, code: str = "") -> "Node":
        """Return the object's member, which must be there."""
        member = self.member(key)
        if member is None:
            owner = f"{self.name} has " if self.path else ""
            raise self.fail(f"{owner}no `{key}`", remedy, code)
        return member

    def members(self) -> list[tuple[str, "Node"]]:
        """Return the object's members."""
        return [(key, Node(self.source, value, (*self.path, key))) for key, value in self.object().items()]

    def elements(self) -> list["Node"]:
        """Return the array's elements."""
        if not isinstance(self.value, list):
            self._wrong("an array")
        return [Node(self.source, value, (*self.path, index)) for index, value in enumerate(self.value)]

    def object(self) -> dict[str, Any]:
        """Return the value, which must be an object."""
        if not isinstance(self.value, dict):
            self._wrong("an object")
        return self.value

    def text(self) -> str:
        """Return the value, which must be a string that is not empty."""
        if not isinstance(self.value, str):
            self._wrong("a string")
        if not self.value.strip():
            raise self.fail(f"{self.name} is empty", "mend the value")
        return self.value

    def number(self) -> float:
        """Return the value, which must be a number that a float can hold."""
        if isinstance(self.value, bool) or not isinstance(self.value, int | float):
            self._wrong("a number")
        if abs(self.value) > _LARGEST_NUMBER:
            raise self.fail(f"{self.name} is too large", "mend the number")
        return self.value

    def _wrong(self, expected: str) -> NoReturn:
        raise self.fail(f"{self.name} must be {expected}, not {_KINDS[type(self.value)]}", "mend the value")


Complain = Callable[[InputError], None]
"""Takes in what is wrong with an input; it may raise it, or note it and let the rest be read."""


def refuse(error: InputError) -> None:
    """Complain by raising: the first thing that is wrong is the last that is read."""
    raise error


def attempt(complain: Complain, read: Callable[[], T], code: str = "") -> T | None:
    """Return what `read` returns; None where it raised an InputError, which then was complained of.

    `code` is the error's where `read` gave it none of its own.
    """
    try:
        return read()
    except InputError as error:
        if code and error.code == type(error).code:
            error.code = code
        complain(error)
        return None


def parse(file: str, text: str, error: type[InputError], *, line: int = 1, code: str = "") -> Node:
    """Decode `text`, which begins at `line` of `file`; `error` with line and column where it is not JSON."""
    source = Source(file, text, error, line)
    try:
        return Node(source, strictjson.decode(text))
    except strictjson.NotJson as problem:
        raise source.fail(problem.offset, f"not JSON: {problem.message}", "mend the JSON", code) from None


def read_bytes(path: Path, error: type[InputError], remedy: str = "check the path", code: str = "") -> bytes:
    """Return what is in the file, without a byte order mark; `error` where it cannot be read."""
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except (OSError, ValueError) as problem:
        raise error(why_unreadable(problem), where=printable(path), remedy=remedy, code=code) from None


def why_unreadable(problem: OSError | ValueError) -> str:
    """Return what to say of a file that could not be read."""
    if isinstance(problem, FileNotFoundError):
        return "no such file"
    return f"cannot be read: {getattr(problem, 'strerror', None) or problem}"


def decode_utf8(data: bytes, file: str, error: type[InputError], *, line: int = 1, code: str = "") -> str:
    """Return `data`, which begins at `line` of `file`, as text; `error` with line and column if not UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        before = data[: problem.start].decode()
        raise Source(file, before, error, line).fail(
            len(before), "not UTF-8", "save the file as UTF-8", code
        ) from None


def is_file(path: Path) -> bool:
    """Tell whether `path` is a file; a name that no file can have is none."""
    return _answer(path.is_file)


def is_folder(path: Path) -> bool:
    """Tell whether `path` is a folder; a name that no folder can have is none."""
    return _answer(path.is_dir)


def listed(names: Iterable[str]) -> str:
    """Return the names in order, separated by commas; "none" where there are none."""
    return ", ".join(quoted(name)[1:-1] for name in sorted(names)) or "none"


def _answer(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except (OSError, ValueError):
        return False


def _step(step: str | int) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    return f".{step}" if _PLAIN_KEY.fullmatch(step) else f"[{quoted(step)}]"
