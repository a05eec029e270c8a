"""What is told of two runs: no more than there is, and what there is."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.comparing.columns import columns_of
from simulator.comparing.telling import BRIEF, FEW, SMALL, compared_lines
from simulator.faults import Fault
from tests.comparing.made import call, columns, lines, rollout

MIRROR = {"better": "worse", "worse": "better"}


def told(base, now, *, paired=True, **more):
    return {line.name: line for line in compared_lines(base, now, paired=paired, **more)}


def verdicts(base, now, verdict, **more):
    return {name for name, line in told(base, now, **more).items() if line.verdict == verdict}


@pytest.mark.parametrize("paired", [True, False])
def test_the_same_run_twice_has_no_difference(paired):
    run = columns(1, failing=0.1)
    for line in compared_lines(run, run, paired=paired):
        if line.note == FEW:
            continue
        assert (line.change, line.verdict) == (0, "same") or not paired, line
        assert line.change == 0
        assert line.verdict in {"same", "unclear"}
        if paired:
            assert (line.low, line.high) == (0, 0)


@settings(max_examples=4)
@given(st.integers(0, 10_000), st.sampled_from([(), ("cat",), ("search", "grader")]), st.booleans())
def test_to_swap_the_runs_mirrors_what_is_told(seed, slower, paired):
    base, now = columns(seed, 60), columns(seed + 1, 60, slower=slower, factor=1.5, failing=0.1)
    there, back = told(base, now, paired=paired), told(now, base, paired=paired)
    for name, line in there.items():
        assert back[name].verdict == MIRROR.get(line.verdict, line.verdict)
        if line.change is not None and line.relative:
            assert 1 + back[name].change == pytest.approx(1 / (1 + line.change))
            assert 1 + back[name].low == pytest.approx(1 / (1 + line.high), rel=0.01)
        elif line.change is not None:
            assert back[name].change == pytest.approx(-line.change)


@pytest.mark.parametrize("slower", ["search", "cat", "grader"])
def test_a_slower_endpoint_is_found_and_no_other_one(slower):
    base, now = columns(11, 400), columns(12, 400, slower=(slower,))
    worse = verdicts(base, now, "worse")
    assert {name.partition(".")[0] for name in worse} - {"rollouts"} == {slower}
    line = told(base, now)[f"{slower}.middle"]
    assert line.low < 0.2 < line.high
    assert 0.1 < line.change < 0.3
    assert verdicts(now, base, "better") == worse


def test_a_change_within_the_tolerance_is_no_news():
    base, now = columns(1, 300, spread=0.02), columns(2, 300, spread=0.02, slower=("search",), factor=1.04)
    assert not verdicts(base, now, "worse")
    assert told(base, now)["search.middle"].verdict == "same"
    assert "search.middle" in verdicts(base, now, "worse", tolerance=0.02)


def test_what_was_seen_for_a_moment_alone_is_not_told_of_the_whole():
    base, now = columns(3, 400, spread=0.05), columns(4, 400, spread=0.05, stall_ms=400.0)
    line = told(base, now)["search.p90"]
    assert not verdicts(base, now, "worse")
    assert told(base, now)["search.p99"].now > 5 * told(base, now)["search.p99"].base
    assert (line.verdict, told(base, now)["search.p99"].note) in {("unclear", BRIEF), ("same", BRIEF)}


def test_a_tail_that_moves_by_hiccups_alone_is_unclear_and_one_with_its_middle_is_worse():
    base = columns(5, 400, ms=2.0, spread=0.2)
    tail = msgspec.structs.replace(
        base, endpoints={**base.endpoints, "cat": _longer_tail(base, "cat", 0.004)}
    )
    line = told(base, tail)["cat.p90"]
    assert (line.verdict, line.note) == ("unclear", SMALL)
    now = columns(6, 400, ms=2.0, spread=0.2, slower=("cat",), factor=1.6)
    assert {"cat.p50", "cat.p90"} <= verdicts(base, now, "worse")


def _longer_tail(run, name, seconds):
    endpoint = run.endpoints[name]
    slow = np.arange(len(endpoint.s)) % 6 == 0
    return msgspec.structs.replace(endpoint, s=endpoint.s + seconds * slow)


def test_errors_are_worse_only_where_there_are_enough_of_them():
    base = columns(7, 400)
    assert "search.error_rate" in verdicts(base, columns(8, 400, failing=0.06), "worse")
    assert "search.error_rate" not in verdicts(base, columns(8, 400, failing=0.006), "worse")
    assert told(base, base)["search.error_rate"].verdict == "same"


@pytest.mark.parametrize(("failed", "worse"), [(3, False), (16, True)])
def test_a_few_errors_beside_none_are_an_accident(failed, worse):
    def run(errors):
        for number in range(400):
            fault = Fault.HTTP_4XX if number * errors % 400 < errors else None
            yield rollout(number, [[call("search", 10.0 * number, 5.0, fault=fault)]])

    line = told(columns_of(run(0)), columns_of(run(failed)))["search.error_rate"]
    assert line.now == failed / 400
    assert (line.verdict == "worse") is worse


def test_scores_discarded_rollouts_and_false_zeros_have_lines_of_their_own():
    def run(bad):
        for number in range(200):
            is_bad = bad and number % 5 == 0
            fault = Fault.HTTP_4XX if is_bad else None
            discarded = is_bad and number % 10 == 0
            yield rollout(
                number,
                [[call("search", 10.0 * number, 5.0, fault=fault)]],
                score=0.0 if is_bad else 0.8,
                state="discarded" if discarded else "graded",
            )

    base, now = columns_of(run(bad=False)), columns_of(run(bad=True))
    assert {"rollouts.discarded_rate", "rollouts.false_zero_rate", "scores.mean"} <= verdicts(
        base, now, "worse"
    )
    assert {"rollouts.discarded_rate", "scores.mean"} <= verdicts(now, base, "better")


def test_more_calls_are_a_change_and_neither_worse_nor_better():
    def run(calls):
        for number in range(100):
            made = calls + number % 2
            yield rollout(number, [[call("search", 10.0 * number + n, 5.0)] for n in range(made)])

    line = told(columns_of(run(2)), columns_of(run(4)))["rollouts.calls_per_rollout"]
    assert line.verdict == "changed"


def test_percentiles_of_a_few_answers_are_shown_without_a_verdict():
    line = told(columns(1, 100), columns(2, 100))["cat.p99"]
    assert line.base is not None
    assert (line.change, line.verdict, line.note) == (None, "unclear", FEW)


def test_an_endpoint_of_one_run_has_no_lines():
    one = columns(1, 40)
    other = msgspec.structs.replace(one, endpoints={"search": one.endpoints["search"]})
    assert {line.subject for line in compared_lines(one, other, paired=True)} == {
        "search", "rollouts", "scores", "learnability",
    }  # fmt: skip


@pytest.mark.parametrize("empty", [0, 1, 2])
def test_next_to_nothing_gives_no_verdict_and_no_warning(empty):
    base, now = columns_of(lines(1, empty)), columns_of(lines(2, empty))
    assert not verdicts(base, now, "worse", paired=False)


def test_endpoints_that_never_answer_and_rollouts_without_calls_are_no_hindrance():
    def run(seed, fault):
        for number in range(50):
            calls = [[call("search", 10.0 * number + seed, 5.0, fault=fault)]] if fault else []
            yield rollout(number, calls, began_ms=10.0 * number, ended_ms=10.0 * number + 50)

    refused = columns_of(run(0, Fault.CONNECT_REFUSED))
    for line in compared_lines(refused, columns_of(run(1, Fault.HTTP_4XX)), paired=True):
        assert line.verdict in {"same", "unclear"}, line
    assert "search.p50" not in verdicts(refused, refused, "same")
    idle = columns_of(run(0, None))
    assert told(idle, idle)["rollouts.calls_per_rollout"].verdict == "same"


def test_rollouts_that_only_one_run_has_are_no_hindrance_to_pairing():
    base, now = columns_of(list(lines(1, 200))[:150]), columns_of(list(lines(2, 200))[50:])
    assert not verdicts(base, now, "worse")


@pytest.mark.slow
def test_all_intervals_hold_together():
    """Of pairs none of whose lines differs in truth 95% should have 0 in every interval: here 113 of 120."""
    held, pairs = 0, 120
    for seed in range(pairs):
        base, now = columns(1000 + seed, 128), columns(50_000 + seed, 128)
        held += all(
            line.low <= 0 <= line.high
            for line in compared_lines(base, now, paired=True)
            if line.low is not None
        )
    assert held >= 0.92 * pairs
