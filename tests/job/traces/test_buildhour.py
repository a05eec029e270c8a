"""Rows of the Build Hour's `results.jsonl`."""

import copy

import pytest
from hypothesis import given

from simulator.job.traces.format import BROKEN
from simulator.job.traces.formats.buildhour import BUILD_HOUR
from simulator.job.traces.formats.chat import CHAT
from simulator.job.traces.formats.responses import RESPONSES

from .mutating import anything, assert_read_or_broken, fuzz, mutated


def call(call_id, name, **other):
    return {"event": "tool_call", "name": name, "arguments": '{"q":"x"}', "call_id": call_id, **other}


def result(call_id, output, **other):
    return {
        "event": "tool_result", "type": "function_call_output", "call_id": call_id, "output": output, **other,
    }  # fmt: skip


TRACE = [
    {"event": "reasoning_summary", "summary": []},
    {"event": "preamble_message", "text": "Let me see."},
    call("a", "find"),
    {"event": "reasoning_summary", "summary": []},
    call("b", "read"),
    result("b", "second"),
    result("a", "first"),
    {"event": "weather", "text": "rain"},
    call("c", "read"),
    result("c", "third"),
    {"event": "final_message", "text": "Blue."},
]
ITEM = {"messages": [{"role": "user", "content": "Which colour?"}], "reference": "blue"}
ROW = {
    "sample_index": 3, "input_item": ITEM, "trace": TRACE, "final_message_text": "Blue.",
    "metrics": {"exact": 0.25}, "grader_durations": {"exact": 0.1}, "error": None, "duration_seconds": 12.5,
}  # fmt: skip


def read(value):
    assert BUILD_HOUR.is_one(value)
    assert not CHAT.is_one(value)
    assert not RESPONSES.is_one(value)
    (one,) = BUILD_HOUR.reader().read(copy.deepcopy(value))
    return one


def names(one):
    return [[asked.name for asked in turn.calls] for turn in one.turns]


def test_a_row_of_the_harness():
    one = read(ROW)
    assert names(one) == [["find", "read"], ["read"], []]
    assert [made.output for made in one.recorded_calls] == ["first", "second", "third"]
    assert [turn.think_s for turn in one.turns] == [None, None, None]
    assert (one.answer, one.score, one.started, one.ended) == ("Blue.", 0.25, 0.0, 12.5)
    assert one.fields["sample_index"] == 3
    assert one.finished
    assert not one.failed


def test_samples_of_one_item_have_one_key():
    one, other = read(ROW), read(ROW | {"trace": [], "input_item": {"item": ITEM}})
    assert one.key == other.key == other.group != ""
    assert one.item == other.item == ITEM
    assert other.answer == "Blue."
    assert read(ROW | {"input_item": {"id": 7}}).key == ""


def test_an_error_is_of_the_first_call_that_is_unanswered():
    trace = [call("a", "find"), call("b", "read"), {"event": "tool_error", "name": "find", "error": "down"},
             result("b", "second")]  # fmt: skip
    broke = {"trace": trace, "final_message_text": None, "error": "down", "metrics": {"reward": -1}}
    one = read(ROW | broke)
    assert [(made.output, made.failed) for made in one.recorded_calls] == [("down", True), ("second", False)]
    assert (one.finished, one.score, one.answer) == (False, None, "")


@pytest.mark.parametrize(
    ("key", "start", "moments"),
    [("timestamp", 1_000.0, (1_000, 1_001.5, 1_004, 1_006)), ("elapsed", 0.0, (2, 3.5, 6, 8))],
)
def test_moments_of_events(key, start, moments):
    first, asked, answered, last = moments
    trace = [
        {"event": "preamble_message", "text": "Let me see.", key: first},
        call("a", "find", **{key: asked}),
        result("a", "first", **{key: answered}),
        {"event": "message", "content": "Blue.", key: last},
    ]
    one = read(ROW | {"trace": trace, "final_message_text": None})
    assert one.recorded_calls[0].seconds == 2.5
    assert one.turns[-1].think_s == 2
    assert (one.started, one.ended) == (asked if key == "timestamp" else start, last)
    assert one.turns[0].think_s == (None if key == "timestamp" else 3.5)


@pytest.mark.parametrize(
    ("changes", "score"),
    [
        ({"metrics": {"exact": {"reward": 0.75, "why": ""}}}, 0.75),
        ({"metrics": {"exact": True, "close": 0.5}}, 0.5),
        ({"metrics": {"exact": True}}, 1.0),
        ({"metrics": {"close": 0.5, "reward": 1}}, 1.0),
        ({"metrics": {}, "score": 0.125}, 0.125),
        ({"metrics": None}, None),
    ],
)
def test_scores(changes, score):
    assert read(ROW | changes).score == score


@pytest.mark.parametrize(
    "value",
    [ITEM, {"input_item": ITEM, "trace": TRACE}, {"item": ITEM, "grades": {}}, [ROW], [], None, "trace"],
)
def test_what_is_no_row(value):
    assert not BUILD_HOUR.is_one(value)


@pytest.mark.parametrize(
    "changes",
    [
        {"trace": None},
        {"trace": [7]},
        {"trace": [{"name": "find"}]},
        {"trace": [call("a", None)]},
        {"trace": [call([], "find")]},
        {"input_item": {"messages": ["?"]}},
    ],
)
def test_what_is_broken(changes):
    with pytest.raises(BROKEN):
        read(ROW | changes)


@fuzz
@given(mutated(ROW))
def test_any_part_may_be_anything(value):
    assert_read_or_broken(BUILD_HOUR, value)


@fuzz
@given(anything)
def test_a_look_never_raises(value):
    assert BUILD_HOUR.is_one(value) in (False, True)
