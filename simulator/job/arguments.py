"""Arguments for synthetic calls, generated from the JSON schemas of a row's tools.

The generator's library takes 25 MB that a load generator has better use for, so it is loaded in a process of
its own, which ends when all is generated: `python -m simulator.job.arguments`, JSON in, JSON out.
"""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec

from simulator.errors import PreflightError, ScenarioError
from simulator.job.document import Complain, attempt, refuse
from simulator.job.schema import reduced, refers_elsewhere
from simulator.job.strictjson import quoted
from simulator.model import FunctionTool, Item

_ATTEMPTS = 4  # values tried for each one wanted: a generator does not know every keyword
_OPTIONAL_LEFT_OUT = 0.3
_DEEPEST = 2  # of a schema that contains itself
TIME_LIMIT_S = 5.0
"""For one schema: a pattern can keep a regular expression busy for longer than anyone lives."""

Pool = tuple[str, ...]


class Wanted(msgspec.Struct, frozen=True):
    """What arguments are wanted for: a tool of a row, whose dataset is `file`."""

    item: Item
    tool: FunctionTool
    file: str


def argument_pools(wanted: Sequence[Wanted], seed: int, size: int, complain: Complain = refuse) -> list[Pool]:
    """Return for each that is wanted 1 to `size` JSON objects, as strings; `{}` where it has no schema.

    The same for the same seed, row and tool, in any process. Complains with a ScenarioError, naming the tool
    and the row's line, of a schema that nothing can be generated from; its pool is empty then.
    """
    schemas = [(_key(one, seed), one.tool.parameters) for one in wanted if one.tool.parameters]
    if not schemas:
        return [("{}",) for _ in wanted]
    child = subprocess.run(  # noqa: S603 our own module
        [sys.executable, "-P", "-m", "simulator.job.arguments", str(size)],
        input=json.dumps(schemas).encode(),
        stdout=subprocess.PIPE,
        start_new_session=True,  # a Ctrl-C is ours to hear
        check=False,
    )
    if child.returncode:
        raise PreflightError(f"the generator of arguments ended with exit code {child.returncode}")
    generated = iter(json.loads(child.stdout))
    return [
        attempt(complain, partial(_checked, one, *next(generated))) or () if one.tool.parameters else ("{}",)
        for one in wanted
    ]


def _key(wanted: Wanted, seed: int) -> str:
    return f"{seed}/{wanted.item.split}/{wanted.item.index}/{wanted.tool.name}"


def _checked(wanted: Wanted, pool: Sequence[str], reason: str) -> Pool:
    if not pool:
        raise ScenarioError(
            f"no arguments can be generated for the tool {quoted(wanted.tool.name)} ({reason})",
            where=f"{wanted.file}:{wanted.item.line}",
            remedy="mend its schema, or use a scripted policy",
        )
    return tuple(pool)


def generate(key: str, schema: dict[str, Any], size: int) -> tuple[Pool, str]:
    """Return the pool for a schema, in this process, and why it is empty if it is."""
    try:
        with _seeded(key), _limited():
            pool = _valid_values(schema, size)
    except Exception as error:  # the generator and the validator raise whatever they stumble upon
        return (), " ".join(f"{type(error).__name__}: {error}".split())[:120]
    return pool, "" if pool else "no generated value is valid"


def _valid_values(schema: dict[str, Any], size: int) -> Pool:
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
def _limited() -> Iterator[None]:
    """Raise TimeoutError in what is within once the time is up; in the main thread alone, as signals are."""

    def end(_number: int, _frame: object) -> None:
        raise TimeoutError(f"not within {TIME_LIMIT_S:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _seeded(key: str) -> Iterator[None]:
    """Seed the global generator, which is the one the library draws from, and put it back afterwards."""
    before = random.getstate()
    random.seed(key)
    try:
        yield
    finally:
        random.setstate(before)


def main() -> None:
    """Generate what standard input asks for: [key, schema] each; [pool, reason] each on standard output."""
    size = int(sys.argv[1])
    json.dump([generate(key, schema, size) for key, schema in json.load(sys.stdin)], sys.stdout)


if __name__ == "__main__":
    main()
