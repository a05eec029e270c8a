"""What no model could do, as `problem_with` tells it: a table of everything a policy may get wrong."""

import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import PolicyError
from simulator.model import ToolCall, Turn
from simulator.plan.policy import ScriptedPolicy, guarded, problem_with
from simulator.plan.rollout import rollout
from simulator.testing import replay, reply_to
from tests.making import ask, item, spec, trainer

TOOLS = ("search", "cat")
HALF = "\ud800"  # half of a surrogate pair: UTF-8 cannot encode it


class NoText(str):
    """A name that is a subclass of text is text all the same."""


@pytest.mark.parametrize(
    "turn",
    [
        Turn(answer="done"),
        Turn(answer="é 𝄞 \0 \n"),
        Turn(calls=(ToolCall("search", "{}"), ToolCall("cat", "no json"))),
        Turn(calls=[ToolCall("search", "")]),
        Turn(calls=[], answer="done"),
        Turn(calls=(ToolCall(NoText("cat"), "{}"),)),
        Turn(answer="x", tokens=0, think_s=0),
        Turn(answer="x", tokens=10**6, think_s=3600.5),
    ],
    ids=repr,
)
def test_what_a_model_could_do_has_no_problem(turn):
    assert problem_with(turn, TOOLS) == ""


AMOUNTS = [math.nan, math.inf, -math.inf, -1, -0.5, None, "7", "", [], (1,), 1j, 10**400]


@pytest.mark.parametrize("amount", AMOUNTS, ids=lambda amount: repr(amount)[:20])
@pytest.mark.parametrize("field", ["tokens", "think_s"])
def test_an_amount_of_thinking_is_a_finite_number_that_is_not_negative(field, amount):
    problem = problem_with(Turn(**{field: amount}), TOOLS)
    assert problem.startswith("thought for ")
    assert f"{field}={amount!r}"[:40] in problem


@pytest.mark.parametrize("answer", [None, b"bytes", 7, ["a"], {"a": 1}, HALF, f"so {HALF} far"], ids=ascii)
def test_an_answer_is_text_that_can_be_sent(answer):
    assert problem_with(Turn(answer=answer), TOOLS).startswith("gave an answer that is no text: ")


@pytest.mark.parametrize("calls", [None, 7, ToolCall("search", "{}"), {"search"}, iter(())], ids=repr)
def test_calls_are_a_sequence(calls):
    assert problem_with(Turn(calls=calls), TOOLS).endswith("which is no sequence of calls")


@pytest.mark.parametrize("asked", [None, "search", ("search", "{}"), {"name": "search"}, Turn()], ids=repr)
def test_a_call_is_a_tool_call(asked):
    assert problem_with(Turn(calls=(asked,)), TOOLS).endswith("which is no ToolCall")
    good = ToolCall("search", "{}")
    assert problem_with(Turn(calls=(good, asked)), TOOLS).endswith("which is no ToolCall")


@pytest.mark.parametrize(
    "name", ["", "Search", "grader", None, 7, ["search"], {}, b"search", HALF], ids=ascii
)
def test_a_call_names_a_tool_of_the_job(name):
    problem = problem_with(Turn(calls=(ToolCall(name, "{}"),)), (*TOOLS, "7"))
    assert problem.startswith("called `")
    assert problem.endswith("`; the job's tools: search, cat, 7")
    problem.encode()  # it goes into the report


def test_a_job_without_tools_says_so():
    problem = problem_with(Turn(calls=(ToolCall("search", "{}"),)), ())
    assert problem == "called `search`; the job's tools: none"


@pytest.mark.parametrize("arguments", [None, {"n": 1}, b"{}", 7, HALF], ids=ascii)
def test_the_arguments_of_a_call_are_text_that_can_be_sent(arguments):
    problem = problem_with(Turn(calls=(ToolCall("search", arguments),)), TOOLS)
    assert problem.startswith("called `search` with arguments that are no text: ")


RUBBISH = st.sampled_from([None, True, 7, -1, 10**400, math.nan, b"x", (), ["x"], {}, HALF, ToolCall, 1j])
ANY_CALL = RUBBISH | st.builds(ToolCall, st.sampled_from(TOOLS) | st.text() | RUBBISH, st.text() | RUBBISH)
ANY_AMOUNT = st.integers(0, 100) | st.integers() | st.floats() | RUBBISH
ANY_TURN = RUBBISH | st.builds(
    Turn,
    calls=st.lists(ANY_CALL, max_size=2).map(tuple) | RUBBISH,
    answer=st.text() | RUBBISH,
    tokens=ANY_AMOUNT,
    think_s=ANY_AMOUNT,
)


@given(ANY_TURN)
def test_whatever_a_policy_returns_is_played_or_refused_in_a_line_that_can_be_written(turn):
    problem = problem_with(turn, TOOLS)
    assert isinstance(problem, str)
    problem.encode()
    if not problem:
        ends = replay(rollout(trainer(), spec(), _Then(turn), 0.0), _good)
        assert ends.state == "graded"


def play(policy):
    """Play a rollout of a policy that is guarded, as all policies are that somebody else wrote."""
    make = guarded(lambda *_: policy, ("search",))
    return replay(rollout(trainer(), spec(), make(item(), random.Random(0)), 0.0), _good)


def _good(send):
    return reply_to(send, 200, b'{"score":1,"output":"x"}')


class _Then:
    """Plays a turn and then answers."""

    def __init__(self, turn):
        self.turns = iter([turn, Turn(answer="done")])

    def next(self, _seen):
        return next(self.turns)


# -- policies whose own code fails


class Unmade(ScriptedPolicy):
    def __init__(self, *args):
        super().__init__(*args)
        raise LookupError("no such option")


def test_a_policy_that_cannot_be_made_is_a_policy_error_with_file_and_line():
    with pytest.raises(PolicyError) as error:
        guarded(Unmade, TOOLS)(item(), random.Random(0))
    said = str(error.value)
    assert said.startswith("the policy's constructor raised LookupError: no such option at ")
    assert f"{__file__}:" in said
    assert isinstance(error.value.__cause__, LookupError)


# -- policies that fail as they play


class Raising(ScriptedPolicy):
    def play(self):
        yield self.ask("search", n=0, tokens=1)
        raise KeyError("path")  # the line that the message names


def test_a_policy_that_raises_is_named_with_file_and_line():
    line = 1 + next(
        number for number, text in enumerate(Path(__file__).read_text().splitlines()) if "KeyError(" in text
    )
    with pytest.raises(PolicyError) as error:
        play(Raising(item(), None))
    assert str(error.value) == f"policy Raising raised KeyError: 'path' at {__file__}:{line}"
    assert isinstance(error.value.__cause__, KeyError)


class Rubbish:
    def __init__(self, turn):
        self.turn = turn

    def next(self, _seen):
        return self.turn


@pytest.mark.parametrize(
    ("turn", "message"),
    [
        (None, "policy Rubbish returned NoneType, not a Turn"),
        ("search", "policy Rubbish returned str, not a Turn"),
        (ask("fly"), "policy Rubbish called `fly`; the job's tools: search"),
        (ask("grader"), "policy Rubbish called `grader`; the job's tools: search"),
        (Turn(calls=("search",)), "policy Rubbish asked for 'search', which is no ToolCall"),
        (
            Turn(calls=(ToolCall("search", {"n": 1}),)),
            "policy Rubbish called `search` with arguments that are no text: {'n': 1}",
        ),
        (Turn(answer={"a": 1}), "policy Rubbish gave an answer that is no text: {'a': 1}"),
    ],
)
def test_a_policy_that_returns_what_no_model_could_is_refused(turn, message):
    with pytest.raises(PolicyError) as error:
        play(Rubbish(turn))
    assert str(error.value) == message


def test_a_scripted_policy_that_goes_on_after_its_answer_is_an_error_and_no_endless_rollout():
    class Twice(ScriptedPolicy):
        def play(self):
            yield self.answer("early", tokens=1)

    policy = Twice(item(), None)
    policy.next(())
    with pytest.raises(PolicyError, match="returned NoneType"):
        play(policy)
