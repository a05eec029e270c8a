"""Arguments for synthetic calls, generated from the JSON schemas of a row's tools."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from simulator.errors import ScenarioError
from simulator.job.schema import reduced, refers_elsewhere
from simulator.job.strictjson import quoted
from simulator.model import FunctionTool, Item

_ATTEMPTS = 4  # values tried for each one wanted: a generator does not know every keyword
_OPTIONAL_LEFT_OUT = 0.3
_DEEPEST = 2  # of a schema that contains itself


def argument_pool(item: Item, tool: FunctionTool, seed: int, size: int, *, file: str) -> tuple[str, ...]:
    """Return 1 to `size` JSON objects, as strings, that `tool` takes as arguments; `{}` without a schema.

    The same for the same seed, row and tool, in any process. ScenarioError, naming the tool and the row's
    line in `file`, for a schema that nothing can be generated from.
    """
    if not tool.parameters:
        return ("{}",)
    try:
        with _seeded(f"{seed}/{item.split}/{item.index}/{tool.name}"):
            pool = _valid_values(tool.parameters, size)
    except Exception as error:  # the generator and the validator raise whatever they stumble upon
        pool, reason = (), " ".join(f"{type(error).__name__}: {error}".split())[:120]
    else:
        reason = "no generated value is valid"
    if not pool:
        raise ScenarioError(
            f"no arguments can be generated for the tool {quoted(tool.name)} ({reason})",
            where=f"{file}:{item.line}",
            remedy="mend its schema, or use a scripted policy",
        )
    return pool


def _valid_values(schema: dict[str, Any], size: int) -> tuple[str, ...]:
    # Both take a third of a second to import, and most runs are scripted.
    from jsf import JSF  # noqa: PLC0415
    from jsonschema.validators import validator_for  # noqa: PLC0415

    if refers_elsewhere(schema):
        raise ValueError("a $ref leads out of the schema")
    generator = JSF(
        reduced(schema if "$ref" in schema else {"type": "object", **schema}),
        allow_none_optionals=_OPTIONAL_LEFT_OUT,
        max_recursive_depth=_DEEPEST,
    )
    validator = validator_for(schema)(schema)
    found: list[str] = []
    for _ in range(size * _ATTEMPTS):
        value = generator.generate(use_examples=True)
        if isinstance(value, dict) and validator.is_valid(value):
            found.append(msgspec.json.encode(value).decode())
        if len(found) == size:
            break
    return tuple(found)


@contextmanager
def _seeded(key: str) -> Iterator[None]:
    """Seed the global generator, which is the one the library draws from, and put it back afterwards."""
    before = random.getstate()
    random.seed(key)
    try:
        yield
    finally:
        random.setstate(before)
