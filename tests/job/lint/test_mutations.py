"""Whatever is done to the files, each finding is one line without a secret, and nothing is raised."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.findings import RULES
from simulator.job.complaints import findings_of
from simulator.job.lint import lint
from simulator.job.scenario import Overrides, load_scenario
from tests.job.folder import ENVIRON, write_folder
from tests.job.mutations import SECRET_JOB, SECRETS, anything, assert_one_safe_line, fuzz, mutations

from .studio import TOML, rows
from .test_grader import GRADERS
from .test_secrets import TOKENS

TOKEN = TOKENS["a GitHub token"]
LONG_SECRETS = (*SECRETS, TOKEN)

telling = st.sampled_from(
    [
        *GRADERS, *GRADERS.values(),
        "${FIND_TOKEN}", "http://tools.test/", f"https://tools.test/?code={TOKEN}",
        f"Bearer {TOKEN}", TOKEN, {TOKEN: TOKEN}, [TOKEN], {"headers": {"X-Key": TOKEN}},
        "{{item.a[0]}}", "{{item.", "{{sample.x}}", f"{{{{item.{TOKEN}}}}}", "{{a\u2028b}}", "{{item.a\nb}}",
        "def grade(a, b):\n return 1", "def grade(", f"def {TOKEN}(): pass", "a ^ (b", TOKEN + " + 1", "1/0",
        {"$ref": "#/a\n"}, {"$ref": "http://tools.test/"}, {"type": "strin\ng"}, {"pattern": "("},
        {"$schema": []}, {"$schema": "http://json-schema.org/draft-04/schema#", "id": 1},
        {"properties": {"a\nb": 1}}, {"required": [{}, {}]}, {"type": [[]]}, {"enum": [{}, {}, 1]},
        ["find"] * 20, 0, 1, -1, 1e300, 0.5, True,
    ]
)  # fmt: skip


def rich(kind):
    """Return a job with that grader, in which much can be found."""
    job = json.loads(SECRET_JOB)
    job["method"]["reinforcement"].update(
        grader=GRADERS[kind],
        hyperparameters={"batch_size": 4, "eval_interval": 99, "n_epochs": 2},
        response_format={"type": "json_schema"},
    )
    return json.dumps(job)


RICH_ROW = json.dumps(
    {
        **rows("train")[0],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "find",
                    "strict": True,
                    "parameters": {
                        "type": "object",
                        "properties": {
                            "a": {"$ref": "#/$defs/b"},
                            "c": {"pattern": "^a+$", "enum": ["a", 1]},
                        },
                        "patternProperties": {"^x": {"anyOf": [{"type": ["null", "string"]}]}},
                        "required": ["a", "c"],
                        "additionalProperties": False,
                        "$defs": {"b": {"type": "array", "items": {"type": "integer", "minimum": 1}}},
                    },
                },
            }
        ],
        "reference_tool_calls": ["find", "read"],
        "notes": {"deep": ["text"]},
    }
)

jobs = st.sampled_from(sorted(GRADERS)).flatmap(lambda kind: mutations(rich(kind), anything | telling))
rows_mutated = mutations(RICH_ROW, anything | telling)


def assert_all_is_well(job, mutated):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = "\n".join(map(json.dumps, rows("train", 3)))
        write_folder(folder, job=job, train=f"{good}\n{mutated}\n{RICH_ROW}\n{mutated}", toml=TOML)
        complaints = []
        try:
            scenario = load_scenario(str(folder / "scenario.toml"), Overrides(), ENVIRON, complaints.append)
        except InputError as error:
            assert_one_safe_line(str(error))
            return
        for finding in lint(scenario):
            assert finding.code in RULES
            assert_one_safe_line(finding.message, LONG_SECRETS)
            assert_one_safe_line(finding.where)
            assert len(finding.message) <= 600
        for finding in findings_of(complaints):
            assert_one_safe_line(finding.message)


@fuzz
@given(jobs)
def test_jobs(job):
    assert_all_is_well(job, RICH_ROW)


@fuzz
@given(rows_mutated)
def test_rows(mutated):
    assert_all_is_well(rich("multi"), mutated)


@pytest.mark.slow
@settings(fuzz, max_examples=20_000)
@given(jobs, rows_mutated)
def test_many(job, mutated):
    assert_all_is_well(job, mutated)


@pytest.mark.parametrize("place", ["messages", "notes", "tools", "grader"])
def test_depths_that_the_reader_just_lets_pass(folder, place):
    """Whatever depth is decoded, the lints, which stand deeper in the stack, must survive."""
    for depth in (*range(50, 950, 100), *range(900, 1000, 2)):
        deep = "[" * depth + "]" * depth
        schema = '{"properties":{"a":' * depth + "{}" + "}}" * depth
        whole = {
            "messages": f'{{"messages": [{{"role": "user", "content": {deep}}}]}}',
            "notes": f'{{"messages": [{{"role": "user", "content": ""}}], "notes": {deep}}}',
            "tools": '{"messages": [{"role": "user"}], "tools": [{"type": "function", "function": '
            f'{{"name": "find", "strict": true, "parameters": {schema}}}}}]}}',
        }.get(place, RICH_ROW)
        grader = '{"type":"multi","calculate_output":"a","graders":{"a":' * depth + "{}" + "}}" * depth
        job = SECRET_JOB.replace(
            '{"type": "endpoint", "url": "http://127.0.0.1:9/grade", "rate_limit": 50}', grader
        )
        assert_all_is_well(job if place == "grader" else SECRET_JOB, whole)
