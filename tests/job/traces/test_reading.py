"""Rollouts of each format, and files that are none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.job.traces.reading import Traces, is_recording
from simulator.model import ToolCall

OWN = {
    "rollout": 0, "step": 1, "kind": "training", "group": 3, "item": 2, "item_line": 3, "split": "train",
    "trace_id": "trace_a", "state": "graded", "reason": "", "score": 0.5, "answer": "blue", "tokens": 1,
    "turns": [[{"endpoint": "search", "call_id": "call_1", "arguments": "{}", "fault": None},
               {"endpoint": "cat", "call_id": "call_2", "arguments": "{}", "fault": "http_5xx"}]],
}  # fmt: skip

SPANS = [
    {"trace_id": "trace_b", "span_data": {"type": "generation"}},
    {"trace_id": "trace_b", "error": None,
     "span_data": {"type": "FUNCTION", "name": "functions.find", "input": "{\"a\":1}"}},
]  # fmt: skip
ROW = {"messages": [{"role": "user", "content": "?"}], "colour": "blue", "trace": {"spans": SPANS}}

TRAINING = {
    "run_id": "r", "data_source_idx": 7, "item": ROW, "grades": {"judge-1": 0.25},
    "sample": {"outputs": [{"role": "assistant", "content": "It is blue."}]},
}  # fmt: skip

EVALUATION = {
    "run_id": "r",
    "items": [
        {"datasource_item": ROW, "results": [{"score": 1.0}], "sample": {"output": [{"content": "blue"}]}},
        {"datasource_item": ROW, "results": [], "sample": {"output": [{"content": None}]}},
    ],
}


def read(path, **settings):
    return list(Traces([path], **settings))


def written(tmp_path, *values, indent=None):
    path = tmp_path / "some.jsonl"
    path.write_text("\n".join(json.dumps(value, indent=indent) for value in values) + "\n")
    return path


def test_our_own_rollouts(tmp_path):
    (one,) = read(written(tmp_path, OWN))
    assert (one.key, one.split, one.index, one.score, one.failed) == ("train 2", "train", 2, 0.5, True)
    assert one.calls == (("call_1", ToolCall("search", "{}")), ("call_2", ToolCall("cat", "{}")))
    assert one.as_item(0) is None
    assert one.finished
    assert not read(written(tmp_path, OWN | {"state": "discarded"}))[0].finished


def test_a_training_step_of_the_platform(tmp_path):
    one, two = read(written(tmp_path, TRAINING, TRAINING | {"data_source_idx": 8}))
    assert (one.answer, one.score, one.trace_id) == ("It is blue.", 0.25, "trace_b")
    assert one.calls == (("call_0", ToolCall("find", '{"a":1}')),)
    assert one.key == two.key == one.group
    assert one.as_item(4).row == {"messages": ROW["messages"], "colour": "blue"}


@pytest.mark.parametrize("indent", [None, 2])
def test_an_evaluation_pass_of_the_platform(tmp_path, indent):
    path = written(tmp_path, EVALUATION, indent=indent)
    assert is_recording(path)
    one, two = read(path)
    assert [(r.answer, r.score) for r in (one, two)] == [("blue", 1.0), ("", None)]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ([{"messages": []}], "some.jsonl:1: is no rollout"),
        ([OWN, {"messages": []}], "some.jsonl:2: is no rollout"),
        ([OWN, OWN | {"turns": 7}], "some.jsonl:2: a part is missing or of the wrong type"),
        ([OWN, OWN | {"score": "high"}], "some.jsonl:2: a part is missing or of the wrong type"),
        ([{"run_id": 1, "items": []}], "some.jsonl: holds no rollouts"),
    ],
)
def test_what_is_no_rollout_is_told_with_its_line(tmp_path, monkeypatch, values, said):
    monkeypatch.chdir(tmp_path)
    path = written(tmp_path, *values)
    with pytest.raises(InputError, match="some") as problem:
        read(path.relative_to(tmp_path))
    assert str(problem.value).startswith(said)


def test_a_line_that_is_no_json_is_told(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps(OWN) + "\n{\n")
    with pytest.raises(InputError, match=r"x\.jsonl:2: not JSON"):
        read(path)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (json.dumps(OWN), True),
        ('{"tools": [], "grader": {}}', False),
        ("not json", False),
        ("", False),
        ("[]", False),
    ],
)
def test_recordings_are_told_from_jobs_and_datasets(tmp_path, text, is_one):
    path = tmp_path / "x"
    path.write_text(text)
    assert is_recording(path) is is_one
    assert not is_recording(tmp_path / "missing")
    assert not is_recording(tmp_path)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([OWN, TRAINING, EVALUATION]), st.data())
def test_any_part_may_be_anything(tmp_path_factory, value, data):
    mutated = json.loads(json.dumps(value))
    at = mutated
    while isinstance(at, dict | list) and at:
        key = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if data.draw(st.booleans()) or not isinstance(at[key], dict | list):
            at[key] = data.draw(JSON)
            break
        at = at[key]
    path = written(tmp_path_factory.mktemp("any"), mutated)
    try:
        for one in read(path):
            assert isinstance(one.answer, str)
            one.as_item(0)
    except InputError:
        pass
