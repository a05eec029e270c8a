"""What stands in for the model, and what is said aloud about it."""

import json
import random
import statistics

import pytest

from simulator.errors import InputError
from simulator.model import Load, ToolCall, TrainerRules, Turn
from simulator.plan.assumptions import ALWAYS, assumptions
from simulator.plan.policy import ScriptedPolicy
from simulator.plan.rollout import rollout
from simulator.plan.schedule import arrivals
from simulator.plan.synthetic import MOST_CALLS, SyntheticPolicy, SyntheticSettings
from simulator.testing import replay, reply_to
from tests.making import item, job, spec, trainer

CHOICES = (
    (ToolCall("search", '{"q":"a"}'), ToolCall("search", '{"q":"b"}')),
    (ToolCall("cat", "{}"),),
)


def synthetic(seed, settings=None, choices=CHOICES):
    return SyntheticPolicy(settings or SyntheticSettings(), choices, random.Random(seed))


def turns_of(policy):
    turns = [policy.next(())]
    while turns[-1].calls:
        turns.append(policy.next(()))
    return turns


# -- synthetic


def test_a_synthetic_rollout_is_the_same_for_the_same_seed_and_differs_between_seeds():
    assert turns_of(synthetic("1:0")) == turns_of(synthetic("1:0"))
    assert len({str(turns_of(synthetic(f"1:{index}"))) for index in range(20)}) > 15


def test_synthetic_calls_parallel_calls_and_tokens_follow_their_distributions():
    settings = SyntheticSettings(
        calls="mix:50%*4+50%*5", parallel="2", tokens="lognormal:100:0.5", answer="A"
    )
    rollouts = [turns_of(synthetic(seed, settings)) for seed in range(2000)]
    calls = [sum(len(turn.calls) for turn in turns) for turns in rollouts]
    assert set(calls) == {4, 5}
    assert statistics.fmean(calls) == pytest.approx(4.5, rel=0.05)
    assert {len(turns) for turns in rollouts} == {3, 4}
    tokens = [turn.tokens for turns in rollouts for turn in turns]
    assert statistics.fmean(tokens) == pytest.approx(100 * 1.133, rel=0.05)
    assert {turns[-1].answer for turns in rollouts} == {"A"}
    assert {call for turns in rollouts for turn in turns for call in turn.calls} == {
        call for pool in CHOICES for call in pool
    }


def test_a_turn_makes_at_least_one_call_and_never_more_than_are_left():
    (first, second, last) = turns_of(synthetic(0, SyntheticSettings(calls="3", parallel="2")))
    assert [len(turn.calls) for turn in (first, second, last)] == [2, 1, 0]
    assert len(turns_of(synthetic(0, SyntheticSettings(calls="3", parallel="0")))) == 4


def test_an_item_without_tools_is_answered_at_once():
    (only,) = turns_of(synthetic(0, choices=()))
    assert only.answer == "This is a synthetic answer."


def test_a_rollout_of_endless_calls_has_an_end():
    turns = turns_of(synthetic(0, SyntheticSettings(calls="1e12", parallel="1e11")))
    assert sum(len(turn.calls) for turn in turns) == MOST_CALLS


def test_a_wrong_distribution_is_refused_by_name():
    with pytest.raises(InputError, match=r"^parallel: `many` is no distribution"):
        synthetic(0, SyntheticSettings(parallel="many"))


# -- scripted


class Lookup(ScriptedPolicy):
    def play(self):
        guess = self.rng.randrange(10**9)
        (found,) = yield self.ask("search", query=f"{self.item.row['q']} {guess}", tokens=120)
        first, second = yield self.turn(
            [self.call("cat", path=found.output), self.call("cat", path=self.options["fallback"])], tokens=30
        )
        return self.answer(first.output + second.output, tokens=40)


def play_lookup(seed):
    of = trainer(job("search", "cat"))
    requests = []

    def answer(send):
        if send.endpoint == of.grader_index:
            return reply_to(send, 200, b'{"score":1}')
        requests.append(json.loads(send.body))
        arguments = json.loads(requests[-1]["arguments"])
        output = arguments.get("path", "/found")
        return reply_to(send, 200, json.dumps({"output": output}).encode())

    row = item(row={"q": "revenue"})
    policy = Lookup(row, random.Random(seed), fallback="/other")
    return replay(rollout(of, spec(of=row), policy, 0.0), answer), requests


def test_a_scripted_policy_sees_each_output_and_decides_by_it():
    transcript, requests = play_lookup(1)
    assert [request["name"] for request in requests] == ["search", "cat", "cat"]
    assert [json.loads(request["arguments"]) for request in requests[1:]] == [
        {"path": "/found"},
        {"path": "/other"},
    ]
    assert transcript.answer == "/found/other"
    assert transcript.tokens == 190


def test_a_scripted_policy_is_the_same_for_the_same_seed():
    assert play_lookup(1) == play_lookup(1)
    assert play_lookup(1)[1] != play_lookup(2)[1]


def test_a_scripted_policy_that_does_not_yield_its_turns_fails_and_does_not_hang():
    class Forgot(ScriptedPolicy):
        def play(self):
            return Turn(answer="x")

    with pytest.raises(TypeError):
        Forgot(item(), random.Random(0)).next(())


# -- assumptions


def said(of=None, load=None, **rules):
    of, load = of or job(batch_size=1, compute_multiplier=1, eval_samples=1), load or Load()
    return assumptions(of, load, TrainerRules(**rules), arrivals(load, of.hyperparameters))


def test_every_assumption_is_a_sentence_of_its_own():
    assert said() == (
        "group_size 32: no source gives it",
        "think time: 70 tokens/s",
        "back-off between retries 1 s, times 2 each: no source gives it",
        "a call without a usable HTTP answer: retried like a 5xx; no source tells",
        "an evaluation pass has at most 32 rollouts in flight",
        *ALWAYS,
    )


def test_what_only_some_runs_have_is_assumed_only_of_them():
    steady = said(load=Load(mode="steady"))
    assert not any("evaluation" in sentence or "update" in sentence for sentence in steady)
    assert "a weight update takes 30 s before the time scale" in said(load=Load(steps=2, update_s=30))
    unlimited = said(load=Load(eval_in_flight_limit=None))
    assert "an evaluation pass has at most all its rollouts in flight" in unlimited
    assert not any("evaluation" in sentence for sentence in said(load=Load(evaluation=False)))


def test_the_time_scale_is_printed_when_it_compresses():
    assert "think time: 50 tokens/s, compressed to 0.1 of real time" in said(
        load=Load(tokens_per_s=50, time_scale=0.1)
    )


@pytest.mark.parametrize(
    ("counts", "words"),
    [("call", "tool calls"), ("turn", "turns"), ("call_and_turn", "tool calls and turns")],
)
def test_what_a_step_of_an_episode_is_taken_for_is_printed(counts, words):
    capped = job(max_episode_steps=10, batch_size=1, compute_multiplier=1, eval_samples=1)
    assert (
        f"max_episode_steps 10 counts {words}; a rollout that is cut short is graded with an empty answer"
        in said(capped, episode_step=counts)
    )


def test_a_grader_that_is_not_called_is_said():
    assert "the string_check grader is run by the platform: nobody is called for it in the burst" in said(
        job(graded=False)
    )


@pytest.mark.parametrize(
    ("setting", "words"), [("show", "shown as an error"), ("discard", "discards the rollout")]
)
def test_what_is_assumed_of_unanswered_calls_is_printed(setting, words):
    assert f"a call without a usable HTTP answer: {words}; no source tells" in said(unanswered=setting)


def test_a_tool_may_have_an_argument_called_name():
    policy = ScriptedPolicy(item(), random.Random(0))
    (call,) = policy.ask("lookup", name="coat", tokens=1).calls
    assert (call.name, call.arguments) == ("lookup", '{"name":"coat"}')
