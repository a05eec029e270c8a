"""TOML tables into structs, with complaints that name file, line, key and what is known."""

import re
import tomllib
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from simulator.errors import ScenarioError
from simulator.job.document import decode_utf8, listed, read_bytes
from simulator.job.strictjson import printable, quoted

S = TypeVar("S", bound=msgspec.Struct)

_SYNTAX = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_HEADER = re.compile(r"\s*\[+\s*([^\]]*?)\s*\]")
_UNKNOWN = re.compile(r"unknown field `(.*?)`")
_FIELD = re.compile(r" - at `\$\.([\w-]+)")


class TomlFile(msgspec.Struct, frozen=True):
    """A decoded TOML file that still knows its text."""

    path: Path
    text: str
    value: dict[str, Any]

    def where(self, table: str = "", key: str = "") -> str:
        """Return `file:line` of the key in the `[table]`, or of the table; or only the file.

        TOML has several ways to write the same table, and only the usual ones are looked for.
        """
        line = self._line_of(table, key)
        return f"{printable(self.path)}:{line}" if line else printable(self.path)

    def _line_of(self, table: str, key: str) -> int:
        inside, header_line = not table, 0
        for number, line in enumerate(self.text.split("\n"), start=1):
            found = _HEADER.match(line)
            if found and key and found[1] == f"{table}.{key}".removeprefix("."):
                return number
            if found:
                inside = found[1] == table
                header_line = number if inside else header_line
            elif inside and key and re.match(rf'\s*"?{re.escape(key)}"?\s*[=.]', line):
                return number
        return header_line

    def fail(self, table: str, key: str, message: str, remedy: str = "") -> ScenarioError:
        """Return the complaint about a key of a table."""
        return ScenarioError(message, where=self.where(table, key), remedy=remedy)

    def convert(self, table: str, value: Any, kind: type[S]) -> S:
        """Return the table's value as a struct; ScenarioError for unknown keys and wrong types."""
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            self._explain(table, printable(str(error)), kind)

    def _explain(self, table: str, message: str, kind: type[msgspec.Struct]) -> NoReturn:
        place = f" in [{printable(table)}]" if table else ""
        unknown, field = _UNKNOWN.search(message), _FIELD.search(message)
        if unknown:
            known = "known: " + listed(kind.__struct_fields__)
            raise self.fail(table, unknown[1], f"unknown key {quoted(unknown[1])}{place}", known)
        key = field[1] if field else ""
        problem = message.split(" - at ", maxsplit=1)[0].replace("`", "").replace("Expected", "expected")
        raise self.fail(table, key, f"{printable(key) or 'the table'}{place}: {problem}", "mend the value")


def read_toml(path: Path) -> TomlFile:
    """Read a TOML file; ScenarioError, with line and column, where it is none."""
    text = decode_utf8(read_bytes(path, ScenarioError), printable(path), ScenarioError)
    try:
        return TomlFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX.fullmatch(str(error))
        message, line, column = found.groups() if found else (str(error), None, None)
        place = f"{line}:{column}" if line else text.count("\n") + 1
        where = f"{printable(path)}:{place}"
        raise ScenarioError(f"not TOML: {message}", where=where, remedy="mend the line") from None
    except (RecursionError, ValueError):
        raise ScenarioError(
            "not TOML: nested too deeply, or a number too long", where=printable(path)
        ) from None
