"""The grader object of every type: complete, with known values, and with a threshold that can be met."""

import json

import pytest

from tests.job.folder import JOB

from .studio import at, findings, only, with_grader

pytestmark = pytest.mark.usefixtures("folder")

SOURCE = "def grade(sample, item):\n    return float(sample['output_text'] == str(item['target']))\n"
COMPARED = {"name": "same", "input": "{{sample.output_text}}", "reference": "{{ item.target }}"}
PROMPT = [
    {"role": "developer", "content": "Grade {{sample.output_text}}."},
    {"role": "user", "type": "message", "content": {"type": "input_text", "text": "It was {{item.target}}."}},
    {"role": "assistant", "content": [{"type": "output_text", "text": "Then ..."}, "and"]},
]
GRADERS = {
    "string_check": {"type": "string_check", **COMPARED, "operation": "eq"},
    "text_similarity": {"type": "text_similarity", **COMPARED, "evaluation_metric": "rouge_5"},
    "python": {"type": "python", "source": SOURCE, "image_tag": "2025-05-08"},
    "score_model": {
        "type": "score_model",
        "input": PROMPT,
        "model": "o3-mini",
        "range": [-1, 5.5],
        "sampling_params": {"temperature": 0},
        "pass_threshold": 5.5,
    },
    "label_model": {
        "type": "label_model",
        "input": PROMPT,
        "model": "o3-mini",
        "labels": ["good", "bad"],
        "passing_labels": ["good"],
    },
}
GRADERS["multi"] = {
    "type": "multi",
    "graders": {"same": GRADERS["string_check"], "is": GRADERS["python"], "_z": GRADERS["score_model"]},
    "calculate_output": "0.5 * same + max(is, _z)^2 / 1e1",
}


def changed(kind, **fields):
    """Return the grader with other fields; None takes one out."""
    grader = {**GRADERS[kind], **fields}
    return {key: value for key, value in grader.items() if value is not None}


@pytest.mark.parametrize("kind", GRADERS)
def test_a_good_grader(kind):
    assert findings(job=with_grader(GRADERS[kind])) == ()


@pytest.mark.parametrize("kind", [kind for kind in GRADERS if kind != "multi"])
def test_a_good_grader_inside_another(kind):
    multi = {"type": "multi", "graders": {"one": GRADERS[kind]}, "calculate_output": "one"}
    assert findings(job=with_grader(multi)) == ()


REQUIRED = [
    ("string_check", "input"), ("string_check", "reference"), ("string_check", "operation"),
    ("text_similarity", "input"), ("text_similarity", "reference"), ("text_similarity", "evaluation_metric"),
    ("python", "source"),
    ("score_model", "input"), ("score_model", "model"),
    ("label_model", "input"), ("label_model", "model"), ("label_model", "labels"),
    ("label_model", "passing_labels"),
    ("multi", "graders"), ("multi", "calculate_output"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "field"), REQUIRED)
def test_a_field_is_missing(kind, field):
    job = with_grader(changed(kind, **{field: None}))
    finding = only("grader.incomplete", job=job)
    line = next(n for n, text in enumerate(job.splitlines(), start=1) if text == '   "grader": {')
    assert finding.where == f"job.json:{line}:14"
    assert finding.message == f"method.reinforcement.grader has no `{field}`"


@pytest.mark.parametrize(("kind", "field"), [*REQUIRED, ("score_model", "range"), ("python", "image_tag")])
def test_a_field_of_the_wrong_type(kind, field):
    job = with_grader(changed(kind, **{field: 54321}))
    finding = only("grader.incomplete", job=job)
    assert finding.where == at(job, 54321)
    assert finding.message.startswith(f"method.reinforcement.grader.{field} must be ")


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("python", {"source": " " * 0}, "source is empty"),
        ("score_model", {"input": []}, "input is empty"),
        ("score_model", {"model": ""}, "model is empty"),
        ("score_model", {"input": ["grade it"]}, "input[0] must be a message, with role and content"),
        ("score_model", {"input": [{"role": "user"}]}, "input[0] has no `content`"),
        ("score_model", {"input": [{"content": "x"}]}, "input[0] has no `role`"),
        ("score_model", {"input": [{"role": 1, "content": "x"}]}, "input[0].role must be a string"),
        ("score_model", {"input": [{"role": "user", "content": 1}]}, "input[0].content must be a string, or"),
        (
            "score_model",
            {"input": [{"role": "user", "content": [1]}]},
            "input[0].content[0] must be a string",
        ),
        ("score_model", {"range": [0]}, "range must be two numbers"),
        ("score_model", {"range": [1, 0]}, "range must be two numbers"),
        ("score_model", {"range": [False, True]}, "range must be two numbers"),
        ("score_model", {"sampling_params": []}, "sampling_params must be an object"),
        ("label_model", {"labels": []}, "labels is empty"),
        ("label_model", {"passing_labels": []}, "passing_labels is empty"),
        ("label_model", {"passing_labels": [1]}, "passing_labels[0] must be a string"),
        ("multi", {"graders": {}}, "graders is empty"),
        ("multi", {"graders": {"one": 1}, "calculate_output": "one"}, "graders.one must be a grader object"),
        ("multi", {"graders": {"one": {}}, "calculate_output": "one"}, "graders.one has no `type`"),
        (
            "multi",
            {"graders": {"one": changed("string_check", reference=None)}, "calculate_output": "one"},
            "graders.one has no `reference`",
        ),
    ],
)
def test_incomplete(kind, fields, said):
    finding = only("grader.incomplete", job=with_grader(changed(kind, **fields)))
    assert said in finding.message


@pytest.mark.parametrize(
    ("kind", "fields", "place", "said"),
    [
        ("string_check", {"operation": "equals"}, "equals", "equals\", and known are eq, ilike, like, ne"),
        ("text_similarity", {"evaluation_metric": "rouge_6"}, "rouge_6", "rouge_1, rouge_2, rouge_3"),
        ("score_model", {"input": [{"role": "tool", "content": ""}]}, "tool", "assistant, developer, system"),
        ("label_model", {"passing_labels": ["fine"]}, "fine", 'is "fine", which is not among `labels`'),
        (
            "multi",
            {"graders": {"one": {"type": "judge"}}, "calculate_output": "one"},
            "judge",
            "known are endpoint, label_model",
        ),
    ],
)  # fmt: skip
def test_unknown_values(kind, fields, place, said):
    job = with_grader(changed(kind, **fields), tools=[])
    (finding,) = (f for f in findings(job=job) if f.code.startswith("grader."))
    assert finding.code == "grader.unknown_value"
    assert finding.where == at(job, place)
    assert said in finding.message


@pytest.mark.parametrize(
    ("kind", "fields", "said"),
    [
        ("string_check", {"pass_threshold": 1.5}, "pass_threshold is 1.5, and scores are from 0 to 1"),
        ("text_similarity", {"pass_threshold": 75}, "pass_threshold is 75, and scores are from 0 to 1"),
        ("label_model", {"pass_threshold": -1}, "pass_threshold is -1, and scores are from 0 to 1"),
        ("score_model", {"pass_threshold": 6}, "pass_threshold is 6, and scores are from -1 to 5.5"),
        ("score_model", {"pass_threshold": 5, "range": None}, "pass_threshold is 5, and scores are from 0"),
    ],
)  # fmt: skip
def test_a_threshold_that_no_score_reaches(kind, fields, said):
    job = with_grader(changed(kind, **fields))
    finding = only("grader.threshold", job=job)
    assert finding.message.startswith(said)
    line = next(line for line in job.splitlines() if "pass_threshold" in line)
    assert finding.where.endswith(f":{line.index(':') + 3}")


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("string_check", {"pass_threshold": 1}),
        ("text_similarity", {"pass_threshold": 0}),
        ("score_model", {"pass_threshold": -1}),
        ("score_model", {"pass_threshold": 0.5, "range": None}),
        ("python", {"pass_threshold": 75}),
        ("multi", {"pass_threshold": 75}),
    ],
)
def test_a_threshold_that_a_score_may_reach(kind, fields):
    assert findings(job=with_grader(changed(kind, **fields))) == ()


def test_an_endpoint_says_for_itself_what_it_scores():
    assert findings(job=JOB.replace('"rate_limit": 50', '"pass_threshold": 75')) == ()


def test_a_grader_that_the_reader_refused_is_not_looked_at_again():
    job = json.loads(JOB)
    for grader in (None, 1, [], {}, {"type": 1}, {"type": "judge"}, {"type": "endpoint"}):
        job["method"]["reinforcement"]["grader"] = grader
        assert {finding.code for finding in findings(job=json.dumps(job))} == {"job.unusable"}
