"""The trainer's reactions, row by row of the contract's table."""

import pytest

from simulator.faults import Fault
from simulator.model import TrainerRules
from simulator.plan.retry import Reaction, backoff_s, react

RULES = TrainerRules()
UNANSWERED = [
    Fault.DNS,
    Fault.CONNECT_REFUSED,
    Fault.CONNECT_TIMEOUT,
    Fault.CONNECT_FAILED,
    Fault.TLS,
    Fault.RESET,
    Fault.TRUNCATED,
    Fault.MALFORMED_HTTP,
    Fault.TIMEOUT,
    Fault.NO_SOCKET,
]
TOOL_TABLE = {
    None: Reaction.ACCEPT,
    Fault.HTTP_5XX: Reaction.RETRY,
    Fault.HTTP_4XX: Reaction.SHOW,
    Fault.HTTP_3XX: Reaction.SHOW,
    Fault.TOO_LARGE: Reaction.SHOW,
    Fault.REQUEST_TOO_LARGE: Reaction.SHOW,
    Fault.MALFORMED_ANSWER: Reaction.SHOW,
    Fault.UNFINISHED: Reaction.SHOW,  # the run is over: nothing may follow
    **dict.fromkeys(UNANSWERED, Reaction.RETRY),
}


def test_the_table_below_knows_every_fault():
    assert set(TOOL_TABLE) == {None, *Fault}


@pytest.mark.parametrize(("fault", "reaction"), TOOL_TABLE.items())
def test_the_first_attempt_of_a_tool_call(fault, reaction):
    assert react(RULES, "tool", fault, 1) is reaction


@pytest.mark.parametrize(("fault", "reaction"), TOOL_TABLE.items())
def test_the_fourth_attempt_of_a_tool_call_is_the_last(fault, reaction):
    last = Reaction.DISCARD if reaction is Reaction.RETRY else reaction
    assert react(RULES, "tool", fault, 3) is reaction
    assert react(RULES, "tool", fault, 4) is last


def test_an_unfinished_grader_call_is_followed_by_nothing():
    assert {react(RULES, "grader", Fault.UNFINISHED, number) for number in (1, 4)} == {Reaction.SHOW}


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.UNFINISHED])
def test_a_grader_call_is_retried_whatever_the_reason_and_then_discards(fault):
    hopeless = fault is Fault.REQUEST_TOO_LARGE
    assert react(RULES, "grader", fault, 1) is (Reaction.DISCARD if hopeless else Reaction.RETRY)
    assert react(RULES, "grader", fault, 3) is (Reaction.DISCARD if hopeless else Reaction.RETRY)
    assert react(RULES, "grader", fault, 4) is Reaction.DISCARD


@pytest.mark.parametrize("kind", ["tool", "grader"])
@pytest.mark.parametrize("retries", [0, 1, 7])
def test_the_number_of_retries_is_a_setting_for_each_kind(kind, retries):
    rules = TrainerRules(**{f"{kind}_retries": retries})
    other = "grader" if kind == "tool" else "tool"
    assert react(rules, kind, Fault.HTTP_5XX, retries + 1) is Reaction.DISCARD
    if retries:
        assert react(rules, kind, Fault.HTTP_5XX, retries) is Reaction.RETRY
    assert react(rules, other, Fault.HTTP_5XX, 3) is Reaction.RETRY
    assert react(rules, other, Fault.HTTP_5XX, 4) is Reaction.DISCARD


@pytest.mark.parametrize("fault", UNANSWERED)
@pytest.mark.parametrize(
    ("setting", "reaction"),
    [("retry", Reaction.RETRY), ("show", Reaction.SHOW), ("discard", Reaction.DISCARD)],
)
def test_what_follows_no_usable_answer_is_a_setting(fault, setting, reaction):
    rules = TrainerRules(unanswered=setting)
    assert react(rules, "tool", fault, 1) is reaction
    assert react(rules, "grader", fault, 1) is Reaction.RETRY


def test_the_back_off_doubles_and_can_be_set():
    assert [backoff_s(RULES, number) for number in (1, 2, 3)] == [1.0, 2.0, 4.0]
    rules = TrainerRules(retry_backoff_s=0.5, retry_backoff_factor=3)
    assert [backoff_s(rules, number) for number in (1, 2, 3)] == [0.5, 1.5, 4.5]
