"""A grader of texts renders its templates and compares."""

import sys
from subprocess import run

import pytest

from simulator.grading.judgement import CannotGrade
from simulator.grading.local import LOCAL, grade_locally
from simulator.model import Grader

NAMES = {"item": {"target": "forty cats"}, "sample": {"output_text": "forty cats", "output_json": {"n": 40}}}
COMPARED = {"input": "{{sample.output_text}}", "reference": "{{ item.target }}"}


def grader(kind, **settings):
    return Grader(kind, "mine", settings={**COMPARED, **settings})


def test_the_types():
    assert {"string_check", "text_similarity"} == LOCAL


@pytest.mark.parametrize(
    ("one", "score"),
    [
        (grader("string_check", operation="eq"), 1),
        (grader("string_check", operation="ne"), 0),
        (grader("string_check", operation="like", reference="cat"), 1),
        (grader("string_check", operation="eq", input="{{sample.output_json}}", reference='{"n":40}'), 1),
        (grader("text_similarity", evaluation_metric="fuzzy_match"), 1),
        (grader("text_similarity", evaluation_metric="rouge_1", reference="{{item.target}} two"), 0.8),
    ],
)
def test_grading(one, score):
    assert grade_locally(one, NAMES) == pytest.approx(score)


@pytest.mark.parametrize(
    ("one", "problem"),
    [
        (grader("string_check"), "other_error: the grader 'mine' has no `operation`"),
        (grader("text_similarity"), "other_error: the grader 'mine' has no `evaluation_metric`"),
        (grader("string_check", operation="eq", input=None), "other_error: .* has no `input`"),
        (
            grader("string_check", operation="eq", reference=1),
            "other_error: .* wants a string as `reference`",
        ),
        (grader("string_check", operation="neq"), "other_error: there is no operation 'neq'"),
        (grader("text_similarity", evaluation_metric="f1"), "other_error: there is no metric 'f1'"),
        (
            grader("string_check", operation="eq", input="{{item.x}}"),
            "invalid_variable_error: .*names nothing",
        ),
        (grader("multi"), "other_error: a 'multi' grader does not compare texts"),
    ],
)
def test_what_cannot_be_graded(one, problem):
    with pytest.raises(CannotGrade, match=problem):
        grade_locally(one, NAMES)


def test_the_libraries_are_imported_only_when_they_are_needed():
    libraries = {"nltk", "rapidfuzz", "rouge_score"}
    code = f"import sys, simulator.grading.local as _; print({libraries} & set(sys.modules))"
    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
