"""The tools that rows declare, and their schemas."""

import json
import urllib.request

import pytest

from simulator.job.lint import tools
from tests.job.folder import FIND

from .studio import READ, findings, function, only, rows

pytestmark = pytest.mark.usefixtures("folder")

HEALTHY = FIND["function"]["parameters"]


def with_schema(schema, **fields):
    """Return all rows of both files, with that schema for `find`."""
    declared = [function(schema, **fields), READ]
    return {split: [{**one, "tools": declared} for one in rows(split)] for split in ("train", "valid")}


def in_schema(**keywords):
    return with_schema({**HEALTHY, **keywords})


def problem(files):
    """Return where the only problem is, as the text from there on, and what is said of it."""
    found = findings(**files)
    assert {finding.code for finding in found} == {"dataset.invalid_schema"}
    assert [finding.where.split(":")[:2] for finding in found] == [["train.jsonl", "1"], ["valid.jsonl", "1"]]
    assert all("likewise on 9 more lines: 2, 3, 4" in finding.message for finding in found)
    text = json.dumps(files["train"][0])
    return text[int(found[0].where.split(":")[2]) - 1 :], found[0].message


def test_a_tool_that_no_row_declares():
    one = {split: [{**one, "tools": [FIND]} for one in rows(split)] for split in ("train", "valid")}
    finding = only("job.tool_in_no_row", **one)
    assert (finding.where, finding.endpoint) == ("job.json:11:9", "read")
    assert finding.message == 'no row declares "read"'


def test_a_tool_that_one_row_declares_is_declared():
    train = [{**one, "tools": [FIND]} for one in rows("train")]
    train[7]["tools"] = [READ]
    assert findings(train=train, valid=[{**one, "tools": [FIND]} for one in rows("valid")]) == ()


def test_where_no_row_declares_tools_only_that_is_said():
    bare = {split: [{**one, "tools": []} for one in rows(split)] for split in ("train", "valid")}
    assert {finding.code for finding in findings(**bare)} == {"dataset.rows_without_tools"}


@pytest.mark.parametrize(
    ("keywords", "place", "said"),
    [
        ({"properties": {"a": {"type": "strin"}}}, '"strin"', "properties.a.type is no type that"),
        ({"properties": {"a": {"type": ["null", "text"]}}}, '"text"', "properties.a.type[1] is no type that"),
        ({"properties": {"a": "string"}}, '"string"}', "properties.a must be object or boolean"),
        ({"properties": []}, "[]", "parameters.properties must be object"),
        ({"required": "query"}, '"query"}', "parameters.required must be array"),
        ({"required": ["query", "query"]}, '["query", "query"]', "parameters.required has something twice"),
        ({"anyOf": []}, "[]", "parameters.anyOf is empty"),
        ({"properties": {"a": {"minLength": -1}}}, "-1", "properties.a.minLength is too small"),
        ({"properties": {"a": {"items": [{}]}}}, "[{}]", "properties.a.items must be object or boolean"),
        ({"$schema": 4}, "4}", 'parameters["$schema"] must be a string'),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, '"#/$defs/b"', 'leads nowhere: "#/$defs/b"'),
        ({"properties": {"a": {"$ref": "#b"}}}, '"#b"', 'leads nowhere: "#b"'),
        ({"properties": {"a": {"$ref": "#/required/0"}}}, '"#/required/0"', "leads nowhere"),
        ({"properties": {"a": {"$ref": "b.json#/b"}}}, '"b.json#/b"', "leads out of the schema"),
        ({"properties": {"a": {"pattern": "(a"}}}, '"(a"', "is no regular expression: missing )"),
        ({"properties": {"a": {"pattern": "a{9}{9}"}}}, '"a{9}{9}"', "expression: multiple repeat"),
        ({"patternProperties": {"[": {}}}, "{}}", "is no regular expression: unterminated character set"),
    ],
)  # fmt: skip
def test_an_invalid_schema(keywords, place, said):
    text, message = problem(in_schema(**keywords))
    assert text.startswith(place)
    assert message.startswith('the tool "find": tools[0].function.parameters')
    assert said in message


@pytest.mark.parametrize(
    "keywords",
    [
        {"properties": {"a": {"$ref": "#/$defs/b"}}, "$defs": {"b": {"type": "string"}}},
        {"properties": {"a": {"$ref": "#/$defs/b~1c%25~0"}}, "$defs": {"b/c%~": True}},
        {"properties": {"a": {"$ref": "#/anyOf/1"}}, "anyOf": [{}, {}]},
        {"properties": {"a": {"$ref": "#b"}}, "$defs": {"b": {"$anchor": "b"}}},
        {"properties": {"a": {"$ref": "#"}}},
        {"$id": "https://schemas.test/a", "properties": {"a": {"$ref": "https://schemas.test/a#/$defs/b"}},
         "$defs": {"b": {}}},
        {"properties": {"a": {"$id": "https://schemas.test/a", "$ref": "#/$defs/b", "$defs": {"b": {}}}}},
        {"properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}},
        {"properties": {"a": {"enum": [{"$ref": "#/nowhere"}, {"pattern": "("}]}}, "examples": [{"$ref": 1}]},
        {"properties": {"a": {"pattern": r"^\p{L}+(?<year>\d{4})(?<=a+)[^]$"}}},
        {"$schema": "http://json-schema.org/draft-07/schema#", "properties": {"a": {"items": [{}]}}},
        {"$schema": "https://schemas.test/of-our-own"},
        {"x-ours": 1},
    ],
)  # fmt: skip
def test_a_valid_schema(keywords):
    assert findings(**in_schema(**keywords)) == ()


def test_references_are_never_fetched(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise AssertionError

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    remote = "http://127.0.0.1:9/schema"
    text, _ = problem(in_schema(**{"$schema": remote, "$ref": remote}))
    assert text.startswith(f'"{remote}"')


def test_a_schema_that_is_nested_too_deeply():
    schema = {"type": "string"}
    for _ in range(200):
        schema = {"type": "object", "properties": {"a": schema}}
    assert "nested too deeply" in problem(with_schema(schema))[1]


STRICT = {**HEALTHY, "additionalProperties": False, "required": ["query", "top_k"]}


@pytest.mark.parametrize(
    ("schema", "inside", "said"),
    [
        (HEALTHY, "", "lacks `additionalProperties: false`"),
        ({**STRICT, "additionalProperties": True}, "", "lacks `additionalProperties: false`"),
        ({**STRICT, "required": ["query"]}, "", 'does not require all of its properties: "top_k"'),
        ({**STRICT, "allOf": [{}]}, ".allOf", "is a keyword that strict mode does not take"),
        ({**STRICT, "not": {}}, ".not", "is a keyword that strict mode does not take"),
        (
            {**STRICT, "properties": {"query": {"items": HEALTHY}, "top_k": {}}},
            ".properties.query.items",
            "lacks",
        ),
        (
            {**STRICT, "$defs": {"a": {"type": ["object", "null"]}}},
            '["$defs"].a',
            "lacks",
        ),
    ],
)
def test_what_strict_mode_does_not_take(schema, inside, said):
    found = findings(**with_schema(schema, strict=True))
    assert [finding.code for finding in found] == ["dataset.not_strict"] * 2
    expected = f'the tool "find": tools[0].function.parameters{inside} {said}'
    assert found[0].message.startswith(expected)


@pytest.mark.parametrize(
    ("schema", "strict"), [(STRICT, True), (HEALTHY, False), (HEALTHY, "true"), ({}, True)]
)
def test_what_strict_mode_takes(schema, strict):
    assert findings(**with_schema(schema, strict=strict)) == ()


def test_rows_that_declare_one_tool_differently():
    valid = rows("valid")
    valid[3]["tools"] = [function({**HEALTHY, "description": "another"}), READ]
    finding = only("dataset.schemas_differ", valid=valid)
    assert finding.severity == "note"
    assert finding.where.startswith("valid.jsonl:4:")
    assert finding.message == 'the tool "find" has 2 different schemas, the first of them at train.jsonl:1'


def test_several_tools_that_differ_are_one_finding():
    train = rows("train")
    train[1]["tools"] = [function({}), function({"title": "read"}, name="read")]
    assert only("dataset.schemas_differ", train=train).message.endswith('train.jsonl:1; so have "read"')


def test_the_order_of_keys_and_the_description_of_the_function_make_no_difference():
    train = rows("train")
    train[1]["tools"] = [function(dict(reversed(HEALTHY.items())), description="finds"), READ]
    assert findings(train=train) == ()


def test_so_many_schemas_that_not_all_are_checked(monkeypatch):
    """The rest are still searched for what costs little; and it is said."""
    monkeypatch.setattr(tools, "MOST_CHECKED", 25)
    train = [
        {**one, "tools": [function({"title": str(n), "required": 4}), READ]}
        for n, one in enumerate(rows("train"))
    ]
    found = findings(train=train)
    (invalid,) = (finding for finding in found if finding.code == "dataset.invalid_schema")
    assert invalid.message.endswith("likewise on 6 more lines: 2, 3, 4, 5, 6, 7")
    (differ,) = (finding for finding in found if finding.code == "dataset.schemas_differ")
    assert "has 11 different schemas" in differ.message
    assert differ.message.endswith("so many that not all were held to the meta-schema")
