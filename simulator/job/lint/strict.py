"""What OpenAI's strict mode asks of a tool's schema beyond its being one."""

from collections.abc import Iterable, Iterator
from typing import Any

from simulator.job.lint.places import some
from simulator.job.lint.schemas import Problem, Schema, subschemas
from simulator.job.locate import Path

_UNKNOWN = ("allOf", "dependentRequired", "dependentSchemas", "else", "if", "not", "then")
"""Keywords of JSON schema that strict mode does not take."""


def not_strict(schema: Schema) -> Problem | None:
    """Return the first thing in the schema that strict mode does not take."""
    return next((problem for path, inner in subschemas(schema) for problem in _problems(path, inner)), None)


def _problems(path: Path, schema: Schema) -> Iterator[Problem]:
    for keyword in _UNKNOWN:
        if keyword in schema:
            yield (*path, keyword), "is a keyword that strict mode does not take"
    if not _is_object(schema):
        return
    if schema.get("additionalProperties") is not False:
        yield path, "lacks `additionalProperties: false`"
    missing = _names(schema.get("properties"), dict) - _names(schema.get("required"), list)
    if missing:
        yield path, f"does not require all of its properties: {some(sorted(missing))}"


def _names(value: Any, kind: type[dict[str, Any] | list[Any]]) -> set[str]:
    names: Iterable[Any] = value if isinstance(value, kind) else ()
    return {name for name in names if isinstance(name, str)}


def _is_object(schema: Schema) -> bool:
    kind: Any = schema.get("type")
    return "properties" in schema or kind == "object" or (isinstance(kind, list) and "object" in kind)
