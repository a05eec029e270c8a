"""Items of the Responses API, in all the places where they are found."""

import copy

import pytest
from hypothesis import given

from simulator.job.traces.format import BROKEN
from simulator.job.traces.formats.chat import CHAT
from simulator.job.traces.formats.responses import RESPONSES

from .mutating import anything, assert_read_or_broken, fuzz, mutated

PROMPT = [
    {"type": "message", "role": "developer", "content": "Be brief."},
    {"role": "user", "content": [{"type": "input_text", "text": "Which colour?"}], "created_at": 100},
]
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which colour?"}]


def call(call_id, name, at, **other):
    return {
        "type": "function_call",
        "call_id": call_id,
        "name": name,
        "arguments": "{}",
        "created_at": at,
        **other,
    }


def output(call_id, given, at, **other):
    return {"type": "function_call_output", "call_id": call_id, "output": given, "created_at": at, **other}


def message(text, at):
    content = [{"type": "output_text", "text": text}]
    return {"type": "message", "role": "assistant", "content": content, "created_at": at}


SAID = [
    {"type": "reasoning", "id": "rs_1", "summary": []},
    call("a", "find", 103, id="fc_1"),
    message("Let me see.", 103),
    {"type": "reasoning", "id": "rs_2", "summary": []},
    call("b", "read", 103),
    output("b", [{"type": "input_text", "text": "second"}], 104),
    output("a", "first", 108),
    call("c", "read", 110),
    output("c", {"page": 2}, 111, status="error"),
    {"type": "web_search_call", "id": "ws_1"},
    message("Blue.", 115),
]
ROW = {"messages": MESSAGES, "reference": "blue"}
RESPONSE = {"object": "response", "id": "resp_1", "created_at": 50, "output": SAID}
PAIR = {"input": PROMPT, "output": SAID, "trace_id": "trace_a", "reward": 0.5, "reference": "blue"}


def read(value):
    assert RESPONSES.is_one(value)
    assert not CHAT.is_one(value)
    (one,) = RESPONSES.reader().read(copy.deepcopy(value))
    return one


def names(one):
    return [[asked.name for asked in turn.calls] for turn in one.turns]


def test_calls_before_an_output_are_one_turn():
    one = read(PAIR)
    assert names(one) == [["find", "read"], ["read"], []]
    assert [turn.think_s for turn in one.turns] == [3, 2, 4]
    assert (one.answer, one.score, one.trace_id, one.finished) == ("Blue.", 0.5, "trace_a", True)
    assert (one.started, one.ended) == (100, 115)


def test_outputs_find_their_calls_by_id():
    assert [(made.call_id, made.output, made.seconds, made.failed) for made in read(PAIR).recorded_calls] == [
        ("a", "first", 5, False),
        ("b", "second", 1, False),
        ("c", '{"page":2}', 1, True),
    ]


@pytest.mark.parametrize(
    ("value", "item"),
    [
        ([*PROMPT, *SAID], {}),
        (PAIR, {"reference": "blue"}),
        (RESPONSE | {"input": PROMPT}, {}),
        (RESPONSE | {"input": PROMPT[1:], "instructions": "Be brief."}, {}),
        (RESPONSE | {"input": "Which colour?", "instructions": "Be brief."}, {}),
        ({"request": {"input": PROMPT}, "response": RESPONSE}, {}),
        ({"responses_create_params": {"input": PROMPT}, "response": RESPONSE, "x": 1, "reward": 1}, {"x": 1}),
        ({"input": [*PROMPT, *SAID[:-1]], "output": SAID[-1:]}, {}),
        ({"item": ROW, "items": SAID}, {"reference": "blue"}),
        ({"input_item": ROW, "trajectory": [*PROMPT, *SAID]}, {"reference": "blue"}),
        ({**ROW, "output": SAID}, {"reference": "blue"}),
    ],
)
def test_where_the_items_may_stand(value, item):
    one = read(value)
    assert names(one) == [["find", "read"], ["read"], []]
    assert one.key == one.group == read({"item": ROW, "items": SAID}).key != ""
    bare = [
        {name: given for name, given in said.items() if name != "created_at"} for said in one.item["messages"]
    ]
    assert [said["content"] for said in bare] == ["Be brief.", "Which colour?"]
    assert {name: given for name, given in one.item.items() if name != "messages"} == item


def test_a_response_alone_is_of_no_item_that_is_known():
    one = read(RESPONSE)
    assert (one.key, one.item, one.trace_id, one.answer) == ("", None, "resp_1", "Blue.")


def test_a_prompt_without_a_user_is_no_item():
    one = read({"responses_create_params": {"input": PROMPT[:1]}, "response": RESPONSE, "reward": 1.0})
    assert (one.key, one.item, one.score) == ("", None, 1.0)


def test_items_without_moments_have_no_think_times():
    bare = [{name: given for name, given in item.items() if name != "created_at"} for item in SAID]
    assert [turn.think_s for turn in read({"input": "?", "output": bare}).turns] == [None, None, None]


def test_users_may_take_part():
    user = {"type": "message", "role": "user", "content": "Dark or light?", "created_at": 200}
    one = read([*PROMPT, *SAID, user, call("d", "paint", 203)])
    assert names(one) == [["find", "read"], ["read"], ["paint"]]
    assert one.turns[-1].think_s == 4 + 3
    assert not one.finished


@pytest.mark.parametrize(
    "value",
    [
        PROMPT,
        ROW,
        {"input": PROMPT, "output": "Blue."},
        {"object": "response", "output": []},
        [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}],
        {"item": ROW, "grades": {}, "sample": {"outputs": SAID}},
        {"datasource_item": ROW, "results": [], "sample": {"input": PROMPT, "output": SAID}},
        [RESPONSE, PAIR],
        [{"type": ["function_call"]}],
        {"response": 7, "output": [7]},
        [],
        None,
        "function_call",
    ],
)
def test_what_is_no_list_of_items(value):
    assert not RESPONSES.is_one(value)


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "function_call", "call_id": "a", "arguments": "{}"},
        {"type": "function_call", "call_id": "a", "name": 7},
        {"type": "function_call", "call_id": {}, "name": "find"},
        7,
    ],
)
def test_what_is_broken(broken):
    with pytest.raises(BROKEN):
        read([*PROMPT, broken, *SAID])


@fuzz
@given(
    mutated({"responses_create_params": {"input": PROMPT}, "item": ROW, "response": RESPONSE, "reward": 1.0})
)
def test_any_part_may_be_anything(value):
    assert_read_or_broken(RESPONSES, value)


@fuzz
@given(anything)
def test_a_look_never_raises(value):
    assert RESPONSES.is_one(value) in (False, True)
