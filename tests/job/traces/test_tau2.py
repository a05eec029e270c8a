"""Simulations of tau2-bench, in which a user takes part who has tools as well."""

import copy

import pytest
from hypothesis import given

from simulator.job.traces.format import BROKEN
from simulator.job.traces.formats.tau2 import TAU2

from .mutating import anything, assert_read_or_broken, fuzz, mutated


def at(second):
    return f"2025-06-01T12:00:{second:09.6f}"


def call(call_id, name, **more):
    return {"id": call_id, "name": name, "arguments": {"of": call_id}, "requestor": "assistant", **more}


def answer(call_id, content, second, **more):
    return {"id": call_id, "role": "tool", "content": content, "requestor": "assistant", "error": False,
            "timestamp": at(second), **more}  # fmt: skip


def said(role, second, content=None, *calls):
    return {"role": role, "content": content, "tool_calls": list(calls) or None, "timestamp": at(second)}


MESSAGES = [
    said("assistant", 0, "Hi! How can I help you today?"),
    said("user", 4, "My phone has no signal."),
    said("assistant", 6, None, call("a", "get_line"), call("b", "get_plan")),
    answer("a", "active", 7), answer("b", "basic", 8),
    said("assistant", 11, "Please reboot it."),
    said("user", 20, None, call("u", "reboot", requestor="user")),
    answer("u", "done", 22, requestor="user"),
    said("user", 30, "I did."),
    said("assistant", 33, None, call("c", "reset_line")),
    answer("c", "Error: line is locked", 34, error=True),
    said("assistant", 39, "It is locked."),
    said("user", 45, "###STOP###"),
]  # fmt: skip
WHOLE = {
    "id": "sim-1", "task_id": "12", "trial": 2, "seed": 7, "start_time": at(0), "end_time": at(46),
    "duration": 46.0, "termination_reason": "user_stop", "agent_cost": 0.1, "messages": MESSAGES,
    "reward_info": {"reward": 0.5, "db_check": None, "info": {"note": "partly"}},
}  # fmt: skip


def read(value):
    assert TAU2.is_one(value)
    reader = TAU2.reader()
    (one,) = reader.read(copy.deepcopy(value))
    assert list(reader.rest()) == []
    return one


def with_messages(*messages):
    return WHOLE | {"messages": list(messages)}


def names(one):
    return [[asked.name for asked in turn.calls] for turn in one.turns]


def test_a_turn_is_a_set_and_only_the_assistants_calls_are_the_models():
    one = read(WHOLE)
    assert names(one) == [["get_line", "get_plan"], ["reset_line"], []]
    assert (one.key, one.group, one.trace_id) == ("task 12", "task 12", "sim-1")
    assert (one.answer, one.score, one.finished, one.item) == ("It is locked.", 0.5, True, None)
    assert (one.fields["trial"], one.fields["seed"], "messages" in one.fields) == (2, 7, False)


def test_the_time_of_the_user_and_of_the_users_tools_is_not_the_models():
    one = read(WHOLE)
    assert [turn.think_s for turn in one.turns[1:]] == [3 + 3, 5]
    assert one.ended - one.started == 45


def test_the_greeting_that_opens_every_simulation_took_a_time_that_nobody_recorded():
    assert read(WHOLE).turns[0].think_s is None
    assert read(with_messages(*MESSAGES[1:])).turns[0].think_s == 2


def test_what_calls_were_answered():
    first, second, third = read(WHOLE).recorded_calls
    assert (first.call_id, first.arguments, first.output, first.seconds) == ("a", '{"of":"a"}', "active", 1)
    assert (second.output, second.seconds) == ("basic", 2)
    assert third.output == "Error: line is locked"


def test_what_a_tool_calls_an_error_is_shown_to_the_model_and_no_failure_of_the_endpoint():
    assert not read(WHOLE).failed


def test_a_call_is_the_assistants_where_nothing_says_whose_it_is():
    bare = [{k: v for k, v in call("a", "get_line").items() if k != "requestor"}]
    result = {k: v for k, v in answer("a", "active", 7).items() if k != "requestor"}
    one = read(with_messages(*MESSAGES[:2], said("assistant", 6, None, *bare), result))
    assert [(asked.name, asked.output) for asked in one.recorded_calls] == [("get_line", "active")]


def test_a_call_that_an_assistant_makes_for_the_user_is_none_of_its_own():
    mixed = said("assistant", 6, None, call("a", "get_line"), call("u", "reboot", requestor="user"))
    assert names(read(with_messages(*MESSAGES[:2], mixed, MESSAGES[3]))) == [["get_line"]]


def test_several_answers_may_be_one_message():
    together = {"role": "tool", "tool_messages": [MESSAGES[4], MESSAGES[3]]}
    assert read(with_messages(*MESSAGES[:3], together, *MESSAGES[5:])).turns == read(WHOLE).turns


def test_answers_to_users_among_several_are_not_the_models():
    together = {
        "role": "tool",
        "tool_messages": [MESSAGES[3], MESSAGES[4], MESSAGES[7] | {"timestamp": at(9)}],
    }
    one = read(with_messages(*MESSAGES[:3], together, MESSAGES[5]))
    assert names(one) == [["get_line", "get_plan"], []]
    assert one.turns[1].think_s == 2


@pytest.mark.parametrize("messages", [MESSAGES, [], None])
def test_simulations_that_the_infrastructure_ended_are_left_out(messages):
    ended = WHOLE | {"termination_reason": "infrastructure_error", "messages": messages}
    assert TAU2.is_one(ended)
    assert list(TAU2.reader().read(ended)) == []


@pytest.mark.parametrize(
    "reason", ["max_steps", "too_many_errors", "agent_error", "user_error", "timeout", None]
)
def test_simulations_that_ended_otherwise_are_read(reason):
    one = read(WHOLE | {"termination_reason": reason})
    assert (names(one), one.finished) == (names(read(WHOLE)), reason is None)


def test_a_simulation_that_breaks_off_has_no_answer():
    one = read(with_messages(*MESSAGES[:5]) | {"termination_reason": "max_steps"})
    assert (one.answer, one.finished, names(one)) == ("", False, [["get_line", "get_plan"]])


@pytest.mark.parametrize(
    ("reward_info", "score"),
    [({"reward": 1}, 1.0), ({"reward": 0.0}, 0.0), ({"reward": None}, None), ({}, None), (None, None)],
)
def test_scores(reward_info, score):
    assert read(WHOLE | {"reward_info": reward_info}).score == score


def test_tasks_are_numbers_or_names():
    assert read(WHOLE | {"task_id": 12}).key == read(WHOLE).key
    assert read(WHOLE | {"task_id": "[mobile]no_signal"}).key == "task [mobile]no_signal"


@pytest.mark.parametrize(
    "value",
    [
        {"timestamp": at(0), "info": {}, "tasks": [], "simulations": [WHOLE]},
        {"task_id": "12", "termination_reason": "user_stop"},
        {"messages": MESSAGES, "reward_info": {}},
        {"messages": MESSAGES, "task_id": "12"},
        MESSAGES,
        {},
        None,
        "messages",
    ],
)
def test_what_is_no_simulation(value):
    assert not TAU2.is_one(value)


@pytest.mark.parametrize(
    "broken",
    [
        {"task_id": []},
        {"id": {}},
        {"messages": None},
        {"messages": [7]},
        {"messages": [{"content": "who?"}]},
        {"messages": [said("assistant", 0, None, {"id": "a", "arguments": {}})]},
        {"messages": [said("assistant", 0, None, call("a", 7))]},
        {"messages": [said("assistant", 0, None, call([], "get_line"))]},
        {"messages": [said("assistant", 0, None, "get_line")]},
        {"messages": [{"role": "tool", "tool_messages": ["active"]}]},
        {"reward_info": {"reward": "high"}},
        {"reward_info": [1]},
    ],
)
def test_what_is_broken(broken):
    with pytest.raises(BROKEN):
        read(WHOLE | broken)


@fuzz
@given(mutated(WHOLE))
def test_any_part_may_be_anything(value):
    assert_read_or_broken(TAU2, value)


@fuzz
@given(anything)
def test_a_look_never_raises(value):
    assert TAU2.is_one(value) in (False, True)
    assert TAU2.is_one({"messages": value, "task_id": value, "reward_info": value}) is True
