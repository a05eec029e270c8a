"""Conversations of chat completions, and what only looks like them."""

import copy
import json

import pytest
from hypothesis import given

from simulator.job.traces.format import BROKEN
from simulator.job.traces.formats.chat import CHAT

from .mutating import anything, assert_read_or_broken, fuzz, mutated


def call(call_id, name, arguments="{}"):
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


PROMPT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which colour?", "ts": 100}]
SAID = [
    {"role": "assistant", "content": "Let me see.", "ts": 102,
     "tool_calls": [call("a", "find", '{"x":1}'), call("b", "read")]},
    {"role": "tool", "tool_call_id": "b", "content": "second", "ts": 103},
    {"role": "tool", "tool_call_id": "a", "ts": 107,
     "content": [{"type": "text", "text": "fi"}, {"type": "text", "text": "rst"}]},
    {"role": "assistant", "content": "Light or dark?", "ts": 108},
    {"role": "user", "content": "Dark.", "ts": 150},
    {"role": "assistant", "content": None, "ts": 153, "tool_calls": [call("c", "read", {"page": 2})]},
    {"role": "tool", "tool_call_id": "c", "content": "no such page", "is_error": True, "ts": 154},
    {"role": "assistant", "content": "Blue.", "ts": 160},
]  # fmt: skip
ROW = {"messages": PROMPT, "tools": [], "reference": "blue"}
WHOLE = {**ROW, "messages": [*PROMPT, *SAID], "reward": 0.5, "trace_id": "trace_a"}


def read(value):
    assert CHAT.is_one(value)
    (one,) = CHAT.reader().read(copy.deepcopy(value))
    return one


def names(one):
    return [[asked.name for asked in turn.calls] for turn in one.turns]


def test_a_turn_is_a_set_and_users_are_no_part_of_its_time():
    one = read(WHOLE)
    assert names(one) == [["find", "read"], ["read"], []]
    assert [turn.think_s for turn in one.turns] == [2, 1 + 3, 6]
    assert (one.answer, one.score, one.trace_id, one.finished) == ("Blue.", 0.5, "trace_a", True)
    assert (one.started, one.ended) == (100, 160)


def test_outputs_find_their_calls_by_id():
    first, second, third = read(WHOLE).recorded_calls
    assert [(made.output, made.seconds, made.failed) for made in (first, second, third)] == [
        ("first", 5, False),
        ("second", 1, False),
        ("no such page", 1, True),
    ]
    assert (first.arguments, third.arguments) == ('{"x":1}', '{"page":2}')


def test_the_row_is_what_the_conversation_began_with():
    one = read(WHOLE)
    assert one.item == ROW
    assert one.as_item(0).row == ROW
    assert one.key == one.group == read([*PROMPT, *SAID]).key != ""
    assert one.key != read([{"role": "user", "content": "Which?"}, *SAID]).key


ALONE = {name: value for name, value in ROW.items() if name != "messages"}


@pytest.mark.parametrize(
    "value",
    [
        [*PROMPT, *SAID],
        {**ROW, "completion": SAID},
        {**ROW, "trajectory": [*PROMPT, *SAID]},
        {**ALONE, "prompt": PROMPT, "completion": SAID},
        {"item": ROW, "messages": [*PROMPT, *SAID]},
        {"input_item": {"item": ROW}, "conversation": SAID, "messages": PROMPT},
        {"traj": [*PROMPT, *SAID], "metadata": {"score": 1}},
    ],
)
def test_where_the_conversation_may_stand(value):
    one = read(value)
    assert names(one) == names(read(WHOLE))
    assert [turn.think_s for turn in one.turns] == [2, 4, 6]
    assert one.key == read(WHOLE).key
    assert one.item["messages"] == PROMPT
    assert one.item.get("reference") == (None if "traj" in value or isinstance(value, list) else "blue")


def test_moments_of_a_repeated_prompt_count():
    untimed = {"messages": [{"role": said["role"], "content": said["content"]} for said in PROMPT]}
    one = read({"item": untimed, "messages": [*PROMPT, *SAID]})
    assert (one.turns[0].think_s, one.item) == (2, untimed)


def test_few_shot_calls_of_the_prompt_are_not_the_rollouts():
    prompt = [*PROMPT, *SAID, {"role": "user", "content": "Once more?"}]
    one = read({"messages": prompt, "completion": [{"role": "assistant", "content": "Blue still."}]})
    assert (names(one), one.answer, one.item["messages"]) == ([[]], "Blue still.", prompt)


def test_a_conversation_without_moments_has_no_think_times():
    bare = [{name: value for name, value in message.items() if name != "ts"} for message in [*PROMPT, *SAID]]
    one = read(bare)
    assert [turn.think_s for turn in one.turns] == [None, None, None]
    assert (one.started, one.ended) == (None, None)


def test_older_and_stringified_calls():
    one = read(
        [
            *PROMPT,
            {"role": "assistant", "function_call": {"name": "find", "arguments": "{}"}},
            {"role": "function", "name": "find", "content": "here"},
            {"role": "assistant", "content": "", "tool_calls": [json.dumps(call("z", "read"))]},
            {"role": "tool", "tool_call_id": "z", "content": None},
        ]
    )
    assert names(one) == [["find"], ["read"]]
    assert [made.output for made in one.recorded_calls] == ["here", None]
    assert (one.answer, one.finished) == ("", False)


@pytest.mark.parametrize(
    ("fields", "score"),
    [
        ({"score": 2}, 2.0),
        ({"metrics": {"reward": 0.25}}, 0.25),
        ({"metadata": {"score": True}, "grade": 0}, 0.0),
        ({"reward": True}, 1.0),
        ({"reward": "high"}, None),
        ({}, None),
    ],
)
def test_scores(fields, score):
    assert read({"messages": [*PROMPT, *SAID], **fields}).score == score


@pytest.mark.parametrize(
    "value",
    [
        ROW,
        {"messages": [*PROMPT, *SAID, {"role": "user", "content": "?"}], "tools": []},
        {"messages": [*SAID, {"role": "developer", "content": "!"}], "answer": "blue", "output": "blue"},
        {"messages": PROMPT, "completion": "Blue."},
        {"item": {**ROW, "trace": {"spans": []}}, "grades": {}, "sample": {"outputs": SAID}},
        {"datasource_item": ROW, "results": [], "sample": {"input": PROMPT, "output": SAID}},
        [{"type": "message", "role": "assistant", "content": []}],
        [ROW, WHOLE],
        {"messages": [{"role": ["assistant"]}]},
        {"messages": 7, "completion": [7]},
        [],
        {},
        None,
        "assistant",
    ],
)
def test_what_is_no_conversation(value):
    assert not CHAT.is_one(value)


@pytest.mark.parametrize(
    "broken",
    [
        {"tool_calls": [{"id": "a", "function": {"arguments": "{}"}}]},
        {"tool_calls": [{"id": "a", "function": {"name": 7}}]},
        {"tool_calls": [{"id": [], "function": {"name": "x"}}]},
        {"tool_calls": 7},
        {"tool_calls": ["{"]},
        {"role": "assistant", "function_call": "find"},
    ],
)
def test_what_is_broken(broken):
    with pytest.raises(BROKEN):
        read([*PROMPT, {"role": "assistant", "content": "", **broken}, *SAID])


@fuzz
@given(mutated({**WHOLE, "completion": SAID, "item": ROW}))
def test_any_part_may_be_anything(value):
    assert_read_or_broken(CHAT, value)


def test_a_look_at_a_role_that_is_none_does_not_raise():
    assert CHAT.is_one({"messages": [*SAID, {"role": ["user"]}]})


@fuzz
@given(anything)
def test_a_look_never_raises(value):
    assert CHAT.is_one(value) in (False, True)
