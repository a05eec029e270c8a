"""What a tool's JSON schema can have wrong: pure functions from a schema to a place in it and what is there.

A schema comes from a customer's dataset: it may be huge, nested deeply, or refer to anywhere. Nothing is
fetched, and what could take minutes is left out.
"""

import re
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import unquote

from simulator.job.locate import Path
from simulator.job.strictjson import quoted

Schema = dict[str, Any]

Problem = tuple[Path, str]
"""The way from the schema to a value, and what is wrong with it, to be said after its name."""

MOST_VALUES = 20_000
"""A larger schema is not held to the meta-schema: that takes some 50 us a value."""

_MOST_MIXED = 500  # elements that cannot be sorted are compared each with each
_LONGEST_PATTERN = 10_000
_MOST_ERRORS = 20

_ONE = (
    "additionalItems", "additionalProperties", "contains", "else", "if", "items", "not", "propertyNames",
    "then", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
_LISTS = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
_TABLES = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
"""The keywords under which schemas stand: one, a list of them, or one under each name."""

_TRANSLATIONS = (
    (re.compile(r"\\[pP]\{[^}]{0,60}\}|\\c[A-Za-z]|\\u\{[0-9a-fA-F]{1,6}\}|\\k<\w{1,60}>|\[\^?\]"), "x"),
    (re.compile(r"\(\?<(?![=!])"), "(?P<"),
)
"""From the regular expressions that JSON schema knows to Python's, as far as they could be refused here."""


def invalid(schema: Schema, *, with_meta_schema: bool = True) -> Problem | None:
    """Return the first thing that makes the schema none, as far as it can be told without any traffic."""
    checks = (_of_references, _of_regexes)
    against = _against_meta_schema(schema) if with_meta_schema else None
    return against or next((problem for check in checks for problem in check(schema)), None)


def count_values(value: Any, limit: int) -> int:
    """Return how many values there are in all, but no more than `limit` + 1."""
    pending, count = [value], 0
    while pending and count <= limit:
        value = pending.pop()
        count += 1
        pending.extend(
            value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        )
    return count


def _against_meta_schema(schema: Any) -> Problem | None:
    if count_values(schema, MOST_VALUES) > MOST_VALUES or _takes_long(schema):
        return None
    from jsonschema.exceptions import best_match  # noqa: PLC0415 a run has better use for the memory
    from jsonschema.validators import Draft202012Validator, validator_for  # noqa: PLC0415

    named = schema.get("$schema")
    if named is not None and not isinstance(named, str):
        return ("$schema",), "must be a string"
    meta_schema = validator_for(schema, Draft202012Validator).META_SCHEMA
    validator = validator_for(meta_schema, Draft202012Validator)(meta_schema)
    try:
        error = best_match(islice(validator.iter_errors(schema), _MOST_ERRORS))
        return error and (tuple(error.absolute_path), _in_words(error))
    except RecursionError:
        return (), "is nested too deeply to be checked"


def _takes_long(schema: Any) -> bool:
    """Tell whether there is a long list in which only comparing each with each finds what is twice."""
    pending = [schema]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            if len(value) > _MOST_MIXED and not all(isinstance(inner, str) for inner in value):
                return True
            pending.extend(value)
    return False


def _in_words(error: Any) -> str:
    keyword, wanted = error.validator, error.validator_value
    if keyword == "type":
        return "must be " + " or ".join([wanted] if isinstance(wanted, str) else wanted)
    if keyword in {"anyOf", "enum"} and "type" in list(error.absolute_path)[-2:]:
        return "is no type that JSON schema knows"
    return _WORDS.get(keyword, "is not what JSON schema allows there")


_WORDS = {"minItems": "is empty", "uniqueItems": "has something twice", "minimum": "is too small"}


def _of_references(schema: Any) -> Iterator[Problem]:
    own = schema.get("$id")
    if any(path and "$id" in inner for path, inner in subschemas(schema)):
        return  # which change what references are relative to
    anchors = {inner.get(key) for _, inner in subschemas(schema) for key in ("$anchor", "$dynamicAnchor")
               if isinstance(inner.get(key), str)}  # fmt: skip
    for path, inner in subschemas(schema):
        reference = inner.get("$ref")
        if not isinstance(reference, str):
            continue
        local = reference.removeprefix(own) if isinstance(own, str) else reference
        if local and not local.startswith("#"):
            yield (*path, "$ref"), "leads out of the schema, where nobody follows it"
        elif not _leads_somewhere(schema, unquote(local[1:]), anchors):
            yield (*path, "$ref"), f"leads nowhere: {quoted(reference)}"


def _leads_somewhere(schema: Any, pointer: str, anchors: set[Any]) -> bool:
    if not pointer.startswith("/"):
        return not pointer or pointer in anchors
    value = schema
    for step in pointer.split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdecimal() and len(key) < 10 and int(key) < len(value):
            value = value[int(key)]
        else:
            return False
    return isinstance(value, dict | bool)


def _of_regexes(schema: Any) -> Iterator[Problem]:
    for path, inner in subschemas(schema):
        keyed = inner.get("patternProperties")
        patterns = (
            [((*path, "patternProperties", key), key) for key in keyed] if isinstance(keyed, dict) else []
        )
        for place, pattern in (((*path, "pattern"), inner.get("pattern")), *patterns):
            if isinstance(pattern, str) and (problem := _regex_problem(pattern)):
                yield place, f"is no regular expression: {problem}"


def _regex_problem(pattern: str) -> str:
    if len(pattern) > _LONGEST_PATTERN:
        return ""
    for known, ours in _TRANSLATIONS:
        pattern = known.sub(ours, pattern)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            re.compile(pattern)
        except re.error as error:
            return "" if error.msg.startswith("look-behind") else quoted(error.msg)[1:-1]  # ours is the limit
        except (RecursionError, OverflowError):
            return "it is too large"
    return ""


def subschemas(schema: Any) -> Iterator[tuple[Path, Schema]]:
    """Yield the schema and all that stand in it, in the order of the text, each with the way to it."""
    pending: list[tuple[Path, Any]] = [((), schema)]
    while pending:
        path, value = pending.pop()
        if not isinstance(value, dict):
            continue
        yield path, value
        inside = list[tuple[Path, Any]]()
        for keyword, inner in value.items():
            if keyword in _TABLES and isinstance(inner, dict):
                inside.extend(((*path, keyword, name), one) for name, one in inner.items())
            elif keyword in _LISTS and isinstance(inner, list):
                inside.extend(((*path, keyword, index), one) for index, one in enumerate(inner))
            elif keyword in _ONE:
                inside.append(((*path, keyword), inner))
        pending.extend(reversed(inside))
