import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.job import strictjson
from simulator.job.locate import line_and_column, offset_of

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@st.composite
def documents(draw):
    """A value, its text in some layout, and the path to one of its parts with that part."""
    value = draw(values)
    text = json.dumps(
        value,
        indent=draw(st.sampled_from([None, 0, 2, "\t"])),
        separators=draw(st.sampled_from([(",", ":"), (" ,\r", " :  ")])),
        ensure_ascii=draw(st.booleans()),
    )
    path, part = [], value
    while isinstance(part, dict | list) and part and draw(st.booleans()):
        key = draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))))
        path.append(key)
        part = part[key]
    return draw(st.sampled_from(["", " ", "\n\t"])) + text, tuple(path), part


@given(documents())
def test_the_text_at_the_offset_is_the_value(document):
    text, path, part = document
    found, _ = json.JSONDecoder().raw_decode(text, offset_of(text, path))
    assert found == part


@given(documents())
def test_line_and_column_lead_back_to_the_offset(document):
    text, path, _ = document
    line, column = line_and_column(text, offset_of(text, path))
    lines = text.split("\n")
    assert sum(len(before) + 1 for before in lines[: line - 1]) + column - 1 == offset_of(text, path)


def test_a_path_that_leads_nowhere_gives_the_innermost_value_that_exists():
    text = '{"tools": [\n  {"name": "find"}]}'
    for path, position in {
        ("tools", 0, "server_url"): (2, 3),
        ("tools", 7): (1, 11),
        ("tools", 0, "name", "deeper"): (2, 12),
    }.items():
        assert line_and_column(text, offset_of(text, path)) == position


@given(values)
def test_strict_json_reads_what_the_standard_library_writes(value):
    assert strictjson.decode(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ('{"a": NaN}', "NaN and Infinity are not JSON", (1, 7)),
        ('{"é": 1,\n "a": -Infinity}', "NaN and Infinity are not JSON", (2, 8)),
        ('{"a": 1,\n "b": {"c": 1, "c": 2}}', 'the key "c" stands twice in one object', (2, 21)),
        ('{"a": 1e999}', "number out of range - at `$[...]`", (1, 1)),
        ('{"a": "\\ud800!"}', "a string holds half a surrogate pair", (1, 8)),
        ('{"a": 1,}', "expecting property name enclosed in double quotes", (1, 9)),
        ("{} {}", "extra data", (1, 4)),
        ("", "expecting value", (1, 1)),
        ("[" * 100_000, "nested too deeply", (1, 1)),
        ("9" * 5_000, "a number has too many digits", (1, 1)),
    ],
)
def test_strict_json_refuses(text, message, position):
    with pytest.raises(strictjson.NotJson) as caught:
        strictjson.decode(text)
    assert (caught.value.message, line_and_column(text, caught.value.offset)) == (message, position)


@given(st.text())
def test_a_quoted_text_is_one_line(text):
    assert len(strictjson.quoted(text).splitlines()) == 1
