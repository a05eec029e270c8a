import json
import random
import sys

import jsonschema
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.errors import ScenarioError
from simulator.job import arguments as arguments_module
from simulator.job.arguments import Wanted, _checked, _key, argument_pools, generate
from simulator.job.schema import reduced
from simulator.model import FunctionTool, Item

ITEM = Item(3, "train", 8, msgspec.Raw(b"{}"), {})

SCHEMAS = {
    "none": {},
    "empty": {"type": "object"},
    "closed": {"additionalProperties": False},
    "plain": {
        "type": "object",
        "properties": {"q": {"type": "string"}, "n": {"type": "integer"}},
        "required": ["q"],
    },
    "strict": {
        "type": "object",
        "properties": {
            "a": {"type": ["string", "null"]},
            "b": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        },
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    "formats": {
        "type": "object",
        "properties": {
            name: {"type": "string", "format": name}
            for name in (
                "date",
                "time",
                "date-time",
                "email",
                "uri",
                "uuid",
                "ipv4",
                "ipv6",
                "hostname",
                "other",
            )
        },
        "required": ["date", "date-time", "uuid", "other"],
    },
    "references": {
        "type": "object",
        "properties": {"where": {"$ref": "#/$defs/place"}},
        "required": ["where"],
        "$defs": {"place": {"type": "object", "properties": {"x": {"type": "number"}}, "required": ["x"]}},
    },
    "arrays": {
        "type": "object",
        "properties": {"ids": {"type": "array", "minItems": 7, "uniqueItems": True}, "any": {}, "all": True},
        "required": ["ids"],
    },
    "bounds": {
        "type": "object",
        "properties": {
            "far": {"type": "integer", "minimum": 123_456},
            "low": {"type": "number", "maximum": -5},
            "open": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 3},
            "fives": {"type": "integer", "multipleOf": 5},
            "long": {"type": "string", "minLength": 90},
            "code": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{3}$"},
            "word": {"type": "string", "pattern": "^[^/]+$"},
            "kind": {"enum": ["a", "b"]},
            "fixed": {"const": 4},
        },
        "required": ["far", "low", "open", "fives", "long", "code", "word", "kind", "fixed"],
    },
    "tree": {
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/node"}},
        "required": ["root"],
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"value": {"type": "integer"}, "left": {"$ref": "#/$defs/node"}},
                "required": ["value"],
            }
        },
    },
}


def pool(schema, seed=1, size=8, name="find"):
    """The pool for a schema, generated in this process."""
    wanted = Wanted(ITEM, FunctionTool(name, schema), "train.jsonl")
    return _checked(wanted, *generate(_key(wanted, seed), schema, size))


@pytest.mark.parametrize("name", SCHEMAS)
def test_generated_arguments_are_valid(name):
    found = pool(SCHEMAS[name])
    assert 1 <= len(found) <= 8
    for arguments in found:
        jsonschema.validate(json.loads(arguments), SCHEMAS[name])


def test_numbers_without_bounds_are_small():
    assert all(0 <= json.loads(text).get("n", 1) <= 20 for text in pool(SCHEMAS["plain"], size=50))


def test_examples_are_used_where_there_are_any():
    schema = {
        "type": "object",
        "properties": {"q": {"type": "string", "examples": ["coat"]}},
        "required": ["q"],
    }
    assert set(pool(schema)) == {'{"q":"coat"}'}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": "nonsense"}}, "required": ["a"]},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "object", "properties": {"a": {"enum": []}}},
        {"type": "object", "properties": {"a": {"$ref": "http://127.0.0.1:9/schema#/a"}}},
        {"type": "object", "properties": {"a": {"type": "string", "minLength": 10**9}}},
        {"type": "object", "not": {}},
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        {"type": "object", "properties": 3},
    ],
)
def test_schemas_that_cannot_be_served_are_one_line(schema):
    with pytest.raises(ScenarioError) as caught:
        pool(schema)
    assert str(caught.value).startswith('train.jsonl:8: no arguments can be generated for the tool "find" (')
    assert len(str(caught.value).splitlines()) == 1


def test_a_pattern_that_never_comes_to_an_end_is_given_up(monkeypatch):
    monkeypatch.setattr(arguments_module, "TIME_LIMIT_S", 0.2)
    schema = {"properties": {"x": {"type": "string", "pattern": "^(a+)+$[z]"}}, "required": ["x"]}
    assert generate("key", schema, 16) == ((), "TimeoutError: not within 0.2 s")


def test_code_in_a_schema_is_never_run():
    evil = {"type": "string", "$provider": "lambda: 1 / 0", "$state": {"x": "lambda: 1 / 0"}}
    fixed = {"type": "array", "items": {"type": "string"}, "$fixed": "lambda: 1 / 0"}
    picture = {"type": "string", "contentMediaType": "image/jpeg"}
    schema = {
        "type": "object",
        "properties": {"a": evil, "b": fixed, "c": picture},
        "required": ["a", "b", "c"],
    }
    assert pool(schema)
    assert "$" not in str(reduced(schema))


def test_the_pool_depends_on_seed_row_and_tool_alone():
    schema = SCHEMAS["plain"]
    random.seed(99)
    before = random.getstate()
    first = pool(schema)
    assert random.getstate() == before
    random.seed(100)
    assert pool(schema) == first
    assert pool(schema, seed=2) != first
    assert pool(schema, name="read") != first


@pytest.mark.slow
def test_the_pool_is_the_same_in_every_process(monkeypatch):
    schemas = [SCHEMAS[name] for name in ("bounds", "arrays", "formats", "strict")]
    wanted = [Wanted(ITEM, FunctionTool("find", schema), "train.jsonl") for schema in schemas]
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    first = argument_pools(wanted, 1, 8)
    monkeypatch.setenv("PYTHONHASHSEED", "2")
    assert argument_pools(wanted, 1, 8) == first == [pool(schema) for schema in schemas]


def test_each_row_and_tool_has_a_pool_of_its_own_in_the_order_asked_for():
    plain = FunctionTool("find", SCHEMAS["plain"])
    wanted = [Wanted(ITEM, tool, "train.jsonl") for tool in (plain, FunctionTool("ping", {}), plain)]
    first, empty, third = argument_pools(wanted, 1, 8)
    assert (empty, first, first) == (("{}",), third, pool(SCHEMAS["plain"]))


def test_where_no_schema_is_there_is_nothing_to_generate(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere")
    assert argument_pools([Wanted(ITEM, FunctionTool("ping", {}), "train.jsonl")], 1, 8) == [("{}",)]


def test_a_schema_that_cannot_be_served_is_one_line_from_the_other_process_too():
    bad = Wanted(ITEM, FunctionTool("find", {"type": "object", "not": {}}), "train.jsonl")
    with pytest.raises(
        ScenarioError, match=r'^train.jsonl:8: no arguments can be generated for the tool "find"'
    ):
        argument_pools([bad], 1, 8)


keywords = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(
            ["string", "number", "integer", "array", "object", "boolean", "null", "?", 3, None]
        ),
        "minimum": st.integers(-5, 5) | st.text(max_size=2),
        "maximum": st.integers(-5, 5),
        "minLength": st.integers(-5, 5),
        "maxItems": st.integers(-5, 5) | st.none(),
        "pattern": st.text(max_size=4),
        "format": st.sampled_from(["date", "?"]) | st.integers(),
        "enum": st.lists(st.integers() | st.text(max_size=3), max_size=2),
        "$ref": st.sampled_from(["#", "#/$defs/a", "?"]) | st.integers(),
        "required": st.lists(st.text(max_size=2), max_size=2),
        "examples": st.lists(st.integers(), max_size=2) | st.integers(),
    },
)
schemas = st.recursive(
    keywords | st.booleans() | st.none(),
    lambda inner: st.builds(
        lambda base, key, child: {**(base if isinstance(base, dict) else {}), key: child},
        keywords,
        st.sampled_from(["properties", "items", "anyOf", "allOf", "$defs"]),
        inner | st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    ),
    max_leaves=4,
)


@settings(max_examples=60, derandomize=True, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(st.sampled_from("ab"), schemas, max_size=2), keywords)
def test_any_schema_yields_valid_arguments_or_a_scenario_error(properties, extra):
    schema = {**extra, "properties": properties}
    try:
        found = pool(schema, size=2)
    except ScenarioError:
        return
    for arguments in found:
        assert isinstance(json.loads(arguments), dict)
