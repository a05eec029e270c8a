"""Templates: found, read, and replaced once by what they name."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.grading.judgement import CannotGrade
from simulator.grading.template import depth_in, parsed, render, render_all, templates_in


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{item.a}} and {{ sample.b }}", ["item.a", "sample.b"]),
        ("{{{item.a}}}", ["item.a"]),
        ("{{ {{item.a}} }}", ["item.a"]),
        ("{{item.a", []),
        ("{item.a}", []),
        ("{{}}", [""]),
        ("{{" * 200_000, []),
    ],
)
def test_templates_in_a_text(text, expected):
    assert list(templates_in(text)) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("item", ("item", ())),
        ("item.a.b", ("item", ("a", "b"))),
        ("item.a[0].b", ("item", ("a", 0, "b"))),
        ("item.a.0", ("item", ("a", "0"))),
        ("item['a b'][\"c\"]", ("item", ("a b", "c"))),
        ("item.a-b.ü", ("item", ("a-b", "ü"))),
        ("item.", ("item", None)),
        ("item..a", ("item", None)),
        ("item.a[x]", ("item", None)),
        ("sample.[", ("sample", None)),
        ("name", ("name", ())),
        ('"score": 1', None),
        ("", None),
        ("1 + 1", None),
        ("of course", None),
    ],
)
def test_parsing(expression, expected):
    assert parsed(expression) == expected


ROW = {"a": {"b": [10, {"c": None}]}, "0": {"1": "x"}, "s": "text"}


@pytest.mark.parametrize(
    ("path", "depth"),
    [
        ((), 0),
        (("a",), 1),
        (("a", "b", 1, "c"), 4),
        (("a", "b", "1", "c"), 4),
        (("a", "b", 1, "c", "d"), 4),
        (("a", "b", 2), 2),
        (("a", "b", "-1"), 2),
        (("a", "b", "9" * 5000), 2),
        (("0", "1"), 2),
        ((0, 1), 2),
        (("s", 0), 1),
        (("x", "y"), 0),
    ],
)
def test_depth(path, depth):
    assert depth_in(ROW, path) == depth


NAMES = {
    "item": {
        "s": "text",
        "i": 7,
        "f": 0.5,
        "t": True,
        "n": None,
        "o": {"k": [1, "ü"]},
        "a b": ["x", {"y": "z"}],
        "again": "{{item.s}} }} {{",
        "big": 10**30,
        "half": ["\ud800"],
    },
    "sample": {"output_text": "said", "output_json": None, "output_tools": [{"function": {"name": "cat"}}]},
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("no template", "no template"),
        ("{{item.s}}", "text"),
        ("<{{ item.s }}|{{sample.output_text}}>", "<text|said>"),
        ("{{item.i}} {{item.f}} {{item.t}} {{item.n}}", "7 0.5 true null"),
        ("{{item.o}}", '{"k":[1,"ü"]}'),
        ("{{item.o.k[1]}}{{item.o.k.0}}", "ü1"),
        ("{{item['a b'][1].y}}", "z"),
        ("{{sample.output_tools[0].function.name}}", "cat"),
        ("{{sample.output_json}}", "null"),
        ('{"a":{{item.i}}}', '{"a":7}'),
        ("{{{item.s}}}", "{text}"),
        ("{{ {{item.s}} }}", "{{ text }}"),
        ("{{item.again}}", "{{item.s}} }} {{"),
        ("{{item.big}}", "1" + "0" * 30),
        ("{{item.half}}", '["\ud800"]'),
        ('{{"score": 1}} {{item.s}}', '{{"score": 1}} text'),
        ("{{}} {{ other.s }} {{ Item.s }} {{of course}}", "{{}} {{ other.s }} {{ Item.s }} {{of course}}"),
        ("{{item.s", "{{item.s"),
    ],
)
def test_rendering(text, expected):
    assert render(text, NAMES) == expected


def test_a_whole_namespace_is_its_json():
    assert render("{{ item }}", {"item": {"a": 1}, "sample": {}}) == '{"a":1}'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{{item.x}}", "{{item.x}} names nothing that is there"),
        ("{{item.s.x}}", "{{item.s.x}} names nothing"),
        ("{{item.o.k[2]}}", "{{item.o.k[2]}} names nothing"),
        ("{{sample.output_json.a}}", "{{sample.output_json.a}} names nothing"),
        ("{{item.}}", "{{item.}} cannot be read: write names after dots, and indexes in brackets"),
        ("{{sample[}}", "{{sample[}} cannot be read"),
        ("{{item." + "x" * 100 + "}}", "{{item." + "x" * 52 + "...}} names nothing"),
    ],
)
def test_templates_that_cannot_be_rendered(text, problem):
    with pytest.raises(CannotGrade) as raised:
        render(text, NAMES)
    assert raised.value.error == "invalid_variable_error"
    assert raised.value.details.startswith(problem)


def test_a_namespace_that_is_absent():
    with pytest.raises(CannotGrade):
        render("{{item}}", {})


def test_what_json_cannot_hold():
    circle = []
    circle.append(circle)
    with pytest.raises(CannotGrade, match="cannot be written as JSON"):
        render("{{item}}", {"item": circle})


def test_rendering_a_prompt():
    prompt = [
        {"role": "user", "content": [{"type": "input_text", "text": "of {{item.i}}"}, "{{item.s}}"]},
        {"{{item.s}}": None, "n": 1},
    ]
    assert render_all(prompt, NAMES) == [
        {"role": "user", "content": [{"type": "input_text", "text": "of 7"}, "text"]},
        {"{{item.s}}": None, "n": 1},
    ]


def test_a_prompt_that_is_nested_too_deeply():
    prompt = "x"
    for _ in range(100_000):
        prompt = [prompt]
    with pytest.raises(CannotGrade, match="nested too deeply"):
        render_all(prompt, NAMES)


def test_hostile_texts_take_no_long():
    text = "{{" * 50_000 + "}}" * 50_000
    assert render(text, NAMES) == text


@given(st.text(st.sampled_from("{} .[]0'\"itemsample\ud800"), max_size=40))
def test_any_text_is_rendered_or_refused(text):
    with suppress(CannotGrade):
        assert isinstance(render(text, NAMES), str)


@given(st.text())
def test_a_value_stands_as_it_is(value):
    assert render("<{{item.v}}>", {"item": {"v": value}}) == f"<{value}>"
