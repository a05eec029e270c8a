"""Templates name what every row has, or it is said."""

import json

import pytest

from .studio import at, findings, only, rows, with_grader
from .test_grader import changed

pytestmark = pytest.mark.usefixtures("folder")


def compared(reference, **fields):
    return with_grader(changed("string_check", reference=reference), **fields)


def with_field(**fields):
    return {split: rows(split, **fields) for split in ("train", "valid")}


@pytest.mark.parametrize(
    "reference",
    [
        "no template",
        "{{item}}",
        "{{ item.a.b }}{{item.a.c[0].d}}{{item.a.c.0}}",
        "{{item['a']}}",
        "{{item.messages[0].content}} {{item.tools.1.function.name}}",
        "{{sample}} {{sample.output_text}} {{sample.output_tools[0].function.name}} {{sample.choices}}",
        'answer as {{"score": 1}}',
        "{{ not one at all }}",
    ],
)
def test_templates_that_are_there(reference):
    assert findings(job=compared(reference), **with_field(a={"b": None, "c": [{"d": 0}]})) == ()


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("{{item.b}}", 'in no row: "{{item.b}}"'),
        ("{{item.b}} {{item.c}} {{item.b}}", 'in no row: "{{item.b}}", "{{item.c}}"'),
        ("{{item.a.b.c}}", 'in no row: "{{item.a.b.c}}"'),
        ("{{item.a.c[1]}}", 'in no row: "{{item.a.c[1]}}"'),
        ("{{Item.a}}", '"{{Item.a}}" begins with neither `item` nor `sample`'),
        ("{{target}}", '"{{target}}" begins with neither'),
        ("{{reference.a}}", '"{{reference.a}}" begins with neither'),
        ("{{item.}}", '"{{item.}}" cannot be read'),
        ("{{sample.answer}}", '"{{sample.answer}}" is nothing that a sample has, which is choices'),
        ("{{sample.output_text.a}}", '"{{sample.output_text.a}}" is part of a text'),
        ("{{sample.output_json.a}}", "is null in every sample: the job has no `response_format`"),
    ],
)  # fmt: skip
def test_templates_that_are_never_there(reference, said):
    job = compared(reference)
    finding = only("grader.template", job=job, **with_field(a={"b": None, "c": [{"d": 0}]}))
    assert finding.where == at(job, reference)
    assert said in finding.message


def test_output_json_is_there_with_a_response_format():
    job = compared("{{sample.output_json.a}}", response_format={"type": "json_schema"})
    assert findings(job=job) == ()


def test_templates_in_messages_and_in_graders_inside():
    inner = changed("score_model", input=[{"role": "user", "content": [{"text": "of {{item.b}}"}]}])
    job = with_grader(changed("multi", graders={"one": inner}, calculate_output="one"))
    assert only("grader.template", job=job).where == at(job, "of {{item.b}}")


def test_some_rows_lack_what_a_template_names():
    train, valid = rows("train", a={"b": 1}), rows("valid", a={"b": 1})
    train[1]["a"] = {}
    train[3]["a"] = None
    del train[4]["a"]
    finding = only("grader.template_missing", job=compared("{{item.a.b}}"), train=train, valid=valid)
    assert finding.where == f"train.jsonl:2:{json.dumps(train[1]).index('{}') + 1}"
    assert finding.message == 'the row lacks "{{item.a.b}}"; likewise on 2 more lines: 4, 5'


def test_all_rows_of_one_file_lack_it():
    finding = only("grader.template_missing", job=compared("{{item.a}}"), train=rows("train", a=1))
    assert finding.where == "valid.jsonl:1:1"
    assert finding.message.endswith("likewise on 9 more lines: 2, 3, 4, 5, 6, 7, 8, 9, 10")


def test_without_rows_nothing_is_said_of_them(folder):
    assert {f.code for f in findings(job=compared("{{item.a}}"), train=[], valid=[])} == {
        "dataset.unreadable"
    }
