import json
import tomllib

import msgspec
import pytest

from endpoints_mock.server import Site
from endpoints_mock.settings import decode_settings
from scenarios.finqa.build import datasets
from simulator.model import Load
from tests.scenarios.play import DOMAIN, FOLDER, items

SCENARIO = tomllib.loads((FOLDER / "scenario.toml").read_text())
JOB = json.loads((FOLDER / "job.json").read_text())


@pytest.mark.parametrize("name", ["train.jsonl", "valid.jsonl"])
def test_datasets_are_what_the_module_writes(name):
    assert (FOLDER / name).read_bytes() == datasets()[name]


def test_no_question_is_in_both_datasets():
    train, valid = ({item.row["question"] for item in items(f"{n}.jsonl")} for n in ("train", "valid"))
    assert len(train) >= 100
    assert len(valid) >= 50
    assert not train & valid


def test_rows_end_with_the_question_and_describe_the_jobs_tools():
    reinforcement = JOB["method"]["reinforcement"]
    names = {tool["name"] for tool in reinforcement["tools"]}
    assert names == set(DOMAIN.tools)
    for item in items("train.jsonl"):
        assert item.row["messages"][-1] == {"role": "user", "content": item.row["question"]}
        assert {tool["function"]["name"] for tool in item.row["tools"]} == names


def test_the_job_leads_to_what_the_domain_serves():
    reinforcement = JOB["method"]["reinforcement"]
    for tool in reinforcement["tools"]:
        assert tool["server_url"] == f"${{FINQA_URL}}/tools/{tool['name']}"
    assert reinforcement["grader"]["url"].rpartition("/")[2] in DOMAIN.graders


def test_the_scenarios_settings_and_load_are_usable():
    settings = decode_settings(msgspec.json.encode(SCENARIO["endpoints"]["settings"]))
    Site(DOMAIN, settings)
    assert msgspec.convert(SCENARIO["load"], Load).steps == 1
    assert SCENARIO["policy"] in SCENARIO["policies"]
