"""Which rollout replays which recording, and what it asks for; no clock, no sockets."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.model import RolloutSpec, ToolCall, Turn
from simulator.plan.distribution import parse_distribution
from simulator.plan.replay import Casting, ReplayPolicy, Take, TakenCall, TakenTurn, Takes, Then, Thinking
from tests.making import item

NOTHING = Then(None, None, None, failed=False)
THINKING = Thinking(parse_distribution("70"), (5.0, 6.0), 100.0)


def take(*thinking, answer="done", trace_id="t"):
    """A take that makes one call after each of these think times but the last."""
    calls = [(TakenCall("search", f'{{"n":{number}}}', NOTHING),) for number in range(len(thinking) - 1)]
    turns = [TakenTurn(think_s, made) for think_s, made in zip(thinking, [*calls, ()], strict=True)]
    return Take(trace_id, tuple(turns), answer, 0.5, 9.0)


def turns_of(taken, thinking=THINKING, *, repeats=False):
    policy = ReplayPolicy(taken, thinking, random.Random(1), repeats=repeats)
    turns = [policy.next(())]
    while turns[-1].calls:
        turns.append(policy.next(()))
    return turns


def test_the_same_calls_after_the_same_thinking():
    first, last = turns_of(take(2.5, 1.5))
    assert first == Turn((ToolCall("search", '{"n":0}'),), think_s=2.5)
    assert last == Turn(answer="done", think_s=1.5)


def test_a_recording_that_ends_with_calls_is_answered_at_once():
    taken = Take("t", (TakenTurn(1.0, (TakenCall("search", "{}", NOTHING),)),), "", None, None)
    assert turns_of(taken)[-1] == Turn()
    assert turns_of(Take("t", (), "at once", None, None)) == [Turn(answer="at once")]


def test_where_no_time_was_recorded_the_distribution_decides_and_none_is_over_the_cap():
    first, second, third = turns_of(take(None, 500.0, 1.0))
    assert (first.tokens, first.think_s) == (70, 0.0)
    assert (second.tokens, second.think_s) == (0, 100.0)
    assert third.think_s == 1.0


def test_a_repetition_thinks_for_times_of_other_turns():
    turns = turns_of(take(*[1.0] * 40), repeats=True)
    assert {turn.think_s for turn in turns} == {5.0, 6.0}
    assert [turn.calls for turn in turns] == [turn.calls for turn in turns_of(take(*[1.0] * 40))]


def test_takes_come_back_as_they_were_and_tell_whether_they_are_replayed_alike():
    takes = Takes()
    for one in (take(1.0), take(2.0), take(1.0, trace_id="another")):
        takes.append(one)
    assert [takes[number] for number in range(len(takes))] == [
        take(1.0), take(2.0), take(1.0, trace_id="another")
    ]  # fmt: skip
    assert takes.content(0) == takes.content(2) != takes.content(1)
    takes.replace(0, take(3.0))
    assert takes[0] == take(3.0)


def spec(index, group, place, of, kind="training"):
    return RolloutSpec(index, 1, kind, group, item(of), place=place)


@given(
    known=st.lists(st.integers(0, 40), min_size=1, max_size=20, unique=True),
    size=st.integers(1, 40),
    group=st.integers(0, 50),
    seed=st.integers(0, 5),
)
def test_a_group_replays_different_recordings_as_long_as_there_are_any(known, size, group, seed):
    casting = Casting({("train", 3): known}, range(100), (), seed)
    specs = [spec(group * size + place, group, place, 3) for place in range(size)]
    chosen = [casting.number_of(one) for one in specs]
    assert len(set(chosen)) == min(size, len(known))
    assert set(chosen) <= set(known)
    assert [casting.is_repeated(one) for one in specs] == [place >= len(known) for place in range(size)]
    assert chosen == [Casting({("train", 3): known}, range(100), (), seed).number_of(one) for one in specs]


def test_all_recordings_of_an_item_are_played_alike_in_the_long_run():
    casting = Casting({("train", 0): [1, 2, 3]}, (), (), seed=1)
    chosen = [casting.number_of(spec(group, group, 0, 0)) for group in range(30)]
    assert [chosen.count(number) for number in (1, 2, 3)] == [10, 10, 10]


def test_an_item_without_recordings_is_given_any():
    casting = Casting({("train", 0): [1]}, range(50), (), seed=1)
    chosen = [casting.number_of(spec(place, 7, place, 5)) for place in range(50)]
    assert sorted(chosen) == list(range(50))


@pytest.mark.parametrize("seed", [0, 1])
def test_as_recorded_means_in_the_recorded_order(seed):
    casting = Casting({("train", 0): [0, 1, 2]}, (), (2, 0, 1), seed)
    specs = [spec(index, 0, 0, 0, "recorded") for index in range(3)]
    assert [casting.number_of(one) for one in specs] == [2, 0, 1]
    assert not any(map(casting.is_repeated, specs))
