import json

import pytest

from simulator.dialects.openai import OpenAI
from simulator.job.scenario import Overrides, load_scenario
from simulator.model import ToolCall
from tests.job.folder import ENVIRON, FIND

from .studio import TOML, findings, only, row, rows

pytestmark = pytest.mark.usefixtures("folder")


def test_nothing_is_found_in_a_healthy_folder():
    assert findings() == ()


@pytest.mark.parametrize(("split", "count", "said"), [("train", 9, "9 rows"), ("valid", 1, "1 row")])
def test_too_few_rows(split, count, said):
    finding = only("dataset.too_few_rows", **{split: rows(split, count)})
    assert finding.where == f"{split}.jsonl"
    assert finding.message == f"{said}, fewer than the 10 that are asked for"


def test_rows_that_cannot_be_used_are_rows_all_the_same():
    train = rows("train")
    train[3] = {}
    assert only("dataset.no_messages", train=train)


def test_rows_without_tools_are_one_finding_for_each_file():
    bare = [row(f"what is {number}?", tools=()) for number in range(12)]
    train = [*rows("train", 3), *bare]
    finding = only("dataset.rows_without_tools", train=train)
    assert finding.where == "train.jsonl:4:1"
    assert finding.message == (
        "the row declares no `tools`; likewise on 11 more lines: 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, ..."
    )
    valid = [*rows("valid"), row("what is 77?", tools=())]
    both = findings(train=train, valid=valid)
    assert [(f.code, f.where) for f in both] == [
        ("dataset.rows_without_tools", "train.jsonl:4:1"),
        ("dataset.rows_without_tools", "valid.jsonl:11:1"),
    ]


def test_rows_without_tools_do_not_matter_to_a_job_that_has_none():
    job = '{"training_file": "train.jsonl", "validation_file": "valid.jsonl", "grader": {"type": "endpoint", '
    job += '"url": "http://127.0.0.1:9/"}}'
    bare = [row(f"what is {number}?", tools=()) for number in range(20)]
    assert findings(job=job, train=bare[:10], valid=bare[10:]) == ()


def test_a_row_is_too_large_once_it_is_wrapped(folder):
    """At the limit nothing is said; one byte less, and the larger of the two calls is told with its size."""
    train = [*rows("train"), row("long?", [FIND], text="x" * 5000)]
    findings(train=train)
    item = load_scenario("scenario.toml", Overrides(), ENVIRON).train[-1]
    dialect, key = OpenAI(), "0" * 32
    call = dialect.tool_request(dialect.call_ids(key, 1), ToolCall("find", "{}"), f"trace_{key}", item)
    grade = dialect.grader_request("", [], f"trace_{key}", item, as_json=False)
    largest = max(len(call), len(grade))
    assert findings(train=train, toml=f"{TOML}[trainer]\nmax_request_bytes = {largest}") == ()
    finding = only(
        "dataset.row_too_large", train=train, toml=f"{TOML}[trainer]\nmax_request_bytes = {largest - 1}"
    )
    assert finding.where == "train.jsonl:11:1"
    assert f"is {largest:,} bytes, and {largest - 1:,} are allowed" in finding.message
    assert finding.message.startswith("the tool call" if len(call) > len(grade) else "the grader call")


def test_a_row_over_1_mb_cannot_be_sent():
    finding = only("dataset.row_too_large", valid=[*rows("valid"), row("long?", text="x" * 1_000_000)])
    assert finding.where == "valid.jsonl:11:1"
    assert "1,000,000 are allowed" in finding.message


def test_a_conversation_that_stands_twice_in_a_file():
    again = row("how many train in year 2?", target=99)
    again["messages"] = [dict(reversed(again["messages"][0].items()))]
    finding = only("dataset.duplicate_rows", train=[*rows("train"), again, again])
    column = json.dumps(again).index("[") + 1
    assert finding.where == f"train.jsonl:11:{column}"
    assert finding.message == "this conversation stands on line 3 already; likewise on 1 more line: 12"


def test_a_conversation_of_training_in_validation():
    finding = only("dataset.leak", valid=[*rows("valid"), *rows("train")[4:6]])
    assert finding.where.startswith("valid.jsonl:11:")
    assert finding.message == "this conversation is trained on: train.jsonl:5; likewise on 1 more line: 12"


def test_other_fields_do_not_make_a_conversation_another_one():
    assert only("dataset.leak", valid=[*rows("valid"), row("how many train in year 0?", target="other")])


def test_a_longer_conversation_is_another_one():
    longer = row("how many train in year 0?")
    longer["messages"].insert(0, {"role": "system", "content": ""})
    assert findings(valid=[*rows("valid"), longer]) == ()
