"""A tool's JSON schema, reduced to what may safely be given to a generator of values.

Only known keywords pass: the generator's own extensions evaluate Python code and fetch pictures, and a schema
comes from a customer's dataset. The rest is made such that the values are plausible and the same in every
process.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]

_KEPT = (
    "type", "enum", "const", "required", "examples", "$ref", "pattern", "minLength", "maxLength",
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems",
)  # fmt: skip
_TABLES = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf", "oneOf")

_DATE = r"20[0-2][0-9]-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z"
_FORMATS = {
    "date": _DATE,
    "time": _TIME,
    "date-time": f"{_DATE}T{_TIME}",
    "duration": r"P[1-9]D",
    "email": r"[a-z]{3,8}@example\.com",
    "hostname": r"[a-z]{3,8}\.example\.com",
    "ipv4": r"192\.0\.2\.[1-9][0-9]",
    "ipv6": r"2001:db8::[1-9a-f][0-9a-f]{3}",
    "uri": r"https://example\.com/[a-z]{3,8}",
    "uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
}
"""Formats as patterns: nothing that depends on today's date, no name or address that could be somebody's."""

_HASH_ORDERED = ("[^", r"\W")  # the generator draws these from a set, whose order differs between processes
_LARGEST = 10_000


def reduced(schema: Any) -> Schema:
    """Return the schema to generate from; what comes out must still be validated against the original.

    ValueError for a schema that asks for huge values, or refers to another document.
    """
    if schema is True:
        return {"type": "string", "minLength": 1}
    if not isinstance(schema, dict):
        raise ValueError("a schema is neither an object nor true")  # noqa: TRY004 one error for all of them
    kept = {key: schema[key] for key in _KEPT if key in schema}
    for key in _TABLES:
        if key in schema:
            kept[key] = {name: reduced(inner) for name, inner in schema[key].items() if inner is not False}
    for key in _LISTS:
        if key in schema:
            kept[key] = [reduced(inner) for inner in schema[key]]
    _bound(kept)
    types = schema.get("type", ())
    for kind in (types,) if isinstance(types, str) else types:
        _COMPLETE.get(kind, _as_it_is)(kept, schema)
    if not kept.keys() & {"type", "enum", "const", "$ref", *_LISTS}:
        kept.update({"type": "object"} if "properties" in kept else {"type": "string", "minLength": 1})
    return kept


def refers_elsewhere(schema: Any) -> bool:
    """Tell whether any `$ref` in the schema leads out of it: following it would be traffic."""
    return any(
        key in {"$ref", "$dynamicRef"} and isinstance(value, str) and not value.startswith("#")
        for key, value in _all_members(schema)
    )


def _all_members(value: Any) -> Iterator[tuple[str, Any]]:
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            yield from value.items()
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)


def _bound(kept: Schema) -> None:
    if any(kept.get(key, 0) > _LARGEST for key in ("minLength", "minItems")):
        raise ValueError("it asks for huge values")


def _complete_string(kept: Schema, schema: Schema) -> None:
    if "pattern" not in kept and schema.get("format") in _FORMATS:
        kept["pattern"] = _FORMATS[schema["format"]]
    if any(part in kept.get("pattern", "") for part in _HASH_ORDERED):
        del kept["pattern"]
    kept["minLength"] = kept.get("minLength", min(1, kept.get("maxLength", 1)))
    kept["maxLength"] = min(kept.get("maxLength", kept["minLength"] + 50), kept["minLength"] + 200)


def _complete_number(kept: Schema, _: Schema) -> None:
    """Keep open ranges small: a model asks for the top 3, not for the top 5,673."""
    if "exclusiveMinimum" not in kept and "minimum" not in kept:
        kept["minimum"] = min(1, kept.get("maximum", kept.get("exclusiveMaximum", 11) - 10))
    if "exclusiveMaximum" not in kept and "maximum" not in kept:
        kept["maximum"] = kept.get("minimum", kept.get("exclusiveMinimum", 0)) + 10 * kept.get(
            "multipleOf", 1
        )


def _complete_array(kept: Schema, schema: Schema) -> None:
    items = schema.get("items", True)
    kept["items"] = [reduced(inner) for inner in items] if isinstance(items, list) else reduced(items)
    fewest = kept.setdefault("minItems", min(1, kept.get("maxItems", 1)))
    kept["maxItems"] = min(kept.get("maxItems", fewest + 3), fewest + 20)


def _as_it_is(_: Schema, __: Schema) -> None:
    pass


_COMPLETE = {
    "string": _complete_string,
    "number": _complete_number,
    "integer": _complete_number,
    "array": _complete_array,
}
