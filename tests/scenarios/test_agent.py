import random
from statistics import fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scenarios.finqa.agent import BUDGET, FilingsAgent, understand
from tests.scenarios.play import items, options, outcome, play

PUBLISHED = {"baseline": (6.9, 2_500, 0.59), "trained": (4.2, 1_500, 0.63)}
ITEMS = items("train.jsonl")
GROUP = 32


def groups(of, seed, policy, size):
    chances = options(policy)
    return [[play(item, seed, item.index * size + n, **chances) for n in range(size)] for item in of]


def means(played):
    flat = [rollout for group in played for rollout in group]
    return (
        fmean(rollout.calls for rollout in flat),
        fmean(rollout.tokens for rollout in flat),
        fmean(rollout.reward for rollout in flat),
    )


@pytest.mark.parametrize("policy", PUBLISHED)
@pytest.mark.parametrize("seed", [7, 1, 2])
def test_the_bundled_step_has_the_published_figures(policy, seed):
    played = groups(ITEMS[:16], seed, policy, GROUP)
    calls, tokens, reward = PUBLISHED[policy]
    assert means(played) == (
        pytest.approx(calls, abs=0.3),
        pytest.approx(tokens, rel=0.05),
        pytest.approx(reward, abs=0.04),
    )
    assert max(rollout.calls for group in played for rollout in group) <= BUDGET
    assert all(len({rollout.reward for rollout in group}) > 1 for group in played)


@pytest.mark.parametrize("policy", PUBLISHED)
def test_the_whole_dataset_has_the_published_figures(policy):
    calls, tokens, reward = PUBLISHED[policy]
    assert means(groups(ITEMS, 7, policy, 8)) == (
        pytest.approx(calls, abs=0.2),
        pytest.approx(tokens, rel=0.05),
        pytest.approx(reward, abs=0.03),
    )


@pytest.mark.parametrize("file", ["train.jsonl", "valid.jsonl"])
def test_without_chance_every_answer_is_right(file):
    assert {play(item, 0, item.index).reward for item in items(file)} == {1.0}


def test_the_reference_is_not_looked_at():
    item = ITEMS[0]
    blind = {**item.row, "reference_answer": "nothing", "company": "nothing"}
    agent = type(item)(item.index, item.split, item.line, item.json, blind)
    assert play(agent, 3, 0, **options("baseline")).answer == play(item, 3, 0, **options("baseline")).answer


def test_the_same_seed_plays_the_same_rollout_and_some_turns_are_parallel():
    chances = options("baseline")
    first = [play(item, 7, item.index, **chances) for item in ITEMS]
    assert first == [play(item, 7, item.index, **chances) for item in ITEMS]
    assert 0 < sum(rollout.parallel_turns for rollout in first) < sum(rollout.calls for rollout in first) / 4


def test_every_question_is_understood():
    for item in ITEMS:
        task = understand(item.row["question"])
        assert task is not None
        assert task.company == item.row["company"]


outputs = st.one_of(
    st.text(),
    st.sampled_from(
        [
            "Error: not a valid document: x",
            '{"error":{"code":502,"message":"the tool could not be reached: reset"}}',
            '{"error":"internal error"}',
            '[{"path":"/filings/ABCD/2014/page_1.txt","score":1,"snippet":',
            '[{"path":1,"snippet":[]}]',
            '[{"path":"/filings/ABCD/2014/page_1.txt","snippet":"A (ABCD) annual report 2014, page"}]',
            "[" * 5_000,
            "\ud800",
        ]
    ),
)


@settings(max_examples=100)
@given(st.data(), st.sampled_from(ITEMS[:8]), st.integers(0, 1000))
def test_any_output_is_coped_with_within_the_budget(data, item, seed):
    agent = FilingsAgent(item, random.Random(seed), **options("baseline"))
    turn, calls = agent.next(()), 0
    while turn.calls:
        calls += len(turn.calls)
        assert calls <= BUDGET
        turn = agent.next(tuple(outcome(call, data.draw(outputs)) for call in turn.calls))
    assert turn.answer


def page(company, rows):
    return "\n".join(
        [
            f"{company} (ABCD) annual report 2014, page 3: x",
            "",
            f"{'(in millions of dollars)':<44}{2014:>14}{2013:>14}",
            *rows,
        ]
    )


@pytest.mark.slow
@settings(max_examples=100)
@given(st.data(), st.sampled_from(ITEMS[:8]))
def test_any_table_is_coped_with(data, item):
    cells = st.from_regex(r"[a-z][a-z' -]{0,20}  ?[0-9,]{1,9}\.[0-9] {1,3}[0-9,]{1,9}\.[0-9]", fullmatch=True)
    agent = FilingsAgent(item, random.Random(0), misread=0.5, slip=0.5)
    turn = agent.next(())
    while turn.calls:
        text = page(item.row["company"], data.draw(st.lists(cells, max_size=4)))
        turn = agent.next(tuple(outcome(call, text) for call in turn.calls))
    assert turn.answer


@pytest.mark.parametrize(
    "row",
    [
        {},
        {"messages": []},
        {"messages": [{"role": "user", "content": "What is new?"}]},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": ["x"]},
    ],
)
def test_a_row_of_another_kind_gets_an_answer_at_once(row):
    item = type(ITEMS[0])(0, "train", 1, ITEMS[0].json, row)
    assert play_blind(item).answer == "I cannot tell what is asked."


def play_blind(item):
    return FilingsAgent(item, random.Random(0)).next(())
