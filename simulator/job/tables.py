"""TOML tables into structs, with complaints that name file, line, key and what is known."""

import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec

from simulator.errors import ScenarioError
from simulator.job.document import decode_utf8, listed, read_bytes
from simulator.job.strictjson import printable, quoted

S = TypeVar("S", bound=msgspec.Struct)

_SYNTAX = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_HEADER = re.compile(r"\s*\[+\s*([^\]]*?)\s*\]")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*?)`")
_MISSING = re.compile(r"Object missing required field `(.*?)`")
_WRONG_TYPE = re.compile(r"Expected `(\w+).*?`, got `(\w+)`")

_KINDS = {
    "int": "a whole number",
    "float": "a decimal number",
    "bool": "a boolean",
    "str": "a string",
    "array": "an array",
    "object": "a table",
    "null": '"none"',
}
_WANTED = {**_KINDS, "float": "a number", "bool": "true or false"}


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

    def fail(self, table: str, key: str, message: str, remedy: str) -> ScenarioError:
        """Return the complaint about a key of a table."""
        return ScenarioError(message, where=self.where(table, key), remedy=remedy)

    def convert(self, table: str, value: Any, kind: type[S]) -> S:
        """Return the table's value as a struct; ScenarioError for unknown keys and wrong types."""
        try:
            return msgspec.convert(value, kind)
        except msgspec.ValidationError as error:
            raise self._explained(table, value, printable(str(error)), kind) from None

    def _explained(self, table: str, value: Any, message: str, kind: type[msgspec.Struct]) -> ScenarioError:
        """Translate the library's message about a table."""
        place = f" in [{printable(table)}]" if table else ""
        if unknown := _UNKNOWN.match(message):
            known = "known: " + listed(kind.__struct_fields__)
            return self.fail(table, unknown[1], f"unknown key {quoted(unknown[1])}{place}", known)
        if missing := _MISSING.match(message):
            remedy = f'write {missing[1]} = "{_example(kind, missing[1])}"'
            return self.fail(table, "", f"no key {quoted(missing[1])}{place}", remedy)
        problem, _, at = message.rpartition(" - at ")
        path = at.strip("`").removeprefix("$.")
        key = path.partition("[")[0]
        return self.fail(table, key, *_wrong_value(path + place, value.get(key), problem, kind, key))


def _wrong_value(
    name: str, value: Any, problem: str, kind: type[msgspec.Struct], key: str
) -> tuple[str, str]:
    """Return the complaint about a value that is not what its key takes, and the remedy."""
    if wrong := _WRONG_TYPE.match(problem):
        found = _KINDS.get(wrong[2], f"a {wrong[2]}")
        return f"{name} must be {_WANTED[wrong[1]]}, not {found}", "mend the value"
    if problem.startswith("Invalid enum value"):
        known = listed(get_args(get_type_hints(kind)[key]))
        return f"{name} is {quoted(value)}, which is not known", f"known: {known}"
    return f"{name}: {problem.lower()}", "mend the value"


def _example(kind: type[msgspec.Struct], key: str) -> str:
    """Return what could stand for a required key: the example that its annotation carries."""
    examples = get_type_hints(kind, include_extras=True)[key].__metadata__[0].examples
    return str(examples[0])


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
        message = "not TOML: nested too deeply, or a number too long"
        raise ScenarioError(message, where=printable(path), remedy="mend the file") from None
