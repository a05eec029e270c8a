"""The summary, computed from hand-made tallies."""

import itertools
import random
import statistics
from collections import Counter

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.faults import Fault
from simulator.measure.histogram import Histogram
from simulator.measure.summarise import RunFacts, ideal_sampling_s, max_in_flight, summarise
from simulator.measure.summary import LoadSummary
from simulator.measure.tally import RolloutRecord, Tally
from simulator.measure.trust import GeneratorSample, Measured, judge
from simulator.model import Attempt, Outcome
from simulator.plan.pacer import Pacer
from simulator.plan.trainer import endpoints_of
from tests.making import job

LOAD = LoadSummary("training", 1, 1, 1, 1.0, 1, 1.0, "synthetic", ())
JOB = job("search", "cat")


def record(index=0, **fields):
    defaults = {
        "item": 0, "group": 0, "step": 1, "kind": "training", "state": "graded", "started_s": 0.0,
        "ended_s": 10.0, "think_s": 4.0, "calls": 2, "tokens": 100, "score": 1.0, "endpoint_failed": False,
        "cut_short": False,
    }  # fmt: skip
    fields = defaults | fields
    if fields["state"] != "graded":
        fields["score"] = None
    return RolloutRecord(index, **fields)


def summary(
    *records,
    of=JOB,
    mode="training",
    interrupted=False,
    planned=None,
    attempts=(),
    per_group=None,
    duration_s=10.0,
    lag_s=0.0,
):
    tally = Tally(endpoints_of(of))
    started = Counter(record.group for record in records) | Counter(per_group)
    for group in sorted(started.elements()):
        tally.groups.add_started(group)
    for record in records:
        tally.add_record(record)
    for attempt in attempts:
        tally.add_attempt(attempt)
    lag = Histogram()
    lag.record(lag_s)
    facts = RunFacts(
        scenario="s",
        seed=1,
        started_at="2026-01-01T00:00:00Z",
        duration_s=duration_s,
        interrupted=interrupted,
        load=msgspec.structs.replace(LOAD, mode=mode),
        planned=len(records) if planned is None else planned,
        grader_type=of.grader.type,
        failure="",
        generator=[GeneratorSample(1.0, duration_s, lag)],
    )
    return summarise(tally, endpoints_of(of), facts)


# -- rollouts


def test_rollouts_are_counted_by_what_became_of_them():
    got = summary(
        record(0), record(1, state="ungraded"), record(2, state="discarded"), record(3, state="interrupted"),
        planned=6,
    ).rollouts  # fmt: skip
    assert (got.planned, got.completed, got.graded, got.discarded, got.interrupted) == (6, 2, 1, 1, 3)
    assert got.completed + got.discarded + got.interrupted == got.planned
    assert got.discarded_rate == pytest.approx(1 / 3), "of those that ended"


def test_a_false_zero_is_a_graded_zero_in_which_an_endpoint_had_failed():
    got = summary(
        record(0, score=0.0, endpoint_failed=True),
        record(1, score=0.0, endpoint_failed=False),
        record(2, score=0.5, endpoint_failed=True),
        record(3, state="discarded", endpoint_failed=True),
        record(4, score=1.0),
    ).rollouts
    assert (got.false_zero, got.false_zero_rate) == (1, 0.25)


def test_a_group_that_misses_one_of_its_rollouts_is_incomplete():
    got = summary(
        record(0, group=0), record(1, group=0),
        record(2, group=1), record(3, group=1, state="discarded"),
        record(4, group=2), record(5, group=2, state="interrupted"),
        record(6, group=3), record(7, group=3, state="ungraded"),
        record(8, group=4),
        per_group={0: 2, 1: 2, 2: 2, 3: 2, 4: 2, 5: 1},
    ).rollouts  # fmt: skip
    assert (got.groups, got.groups_incomplete) == (6, 4)


def test_calls_and_tokens_are_those_of_rollouts_that_completed():
    got = summary(
        record(0, calls=3, tokens=10),
        record(1, calls=6, tokens=30, cut_short=True),
        record(2, calls=40, state="discarded"),
        record(3, calls=50, state="interrupted", cut_short=True),
    ).rollouts
    assert (got.calls_per_rollout.mean, got.calls_per_rollout.max) == (4.5, 6)
    assert (got.tokens_per_rollout, got.cut_short) == (20, 1)


def test_nothing_at_all_is_summarised_too():
    got = summary(planned=0)
    assert (got.rollouts.discarded_rate, got.rollouts.false_zero_rate, got.steps) == (0.0, 0.0, ())
    assert got.rollouts.calls_per_rollout.mean == 0
    assert (got.grader.scores.mean, got.grader.scores.std) == (None, None)
    assert got.endpoints[0].service_ms.p99 == 0.0


def test_scores_are_those_of_graded_rollouts():
    got = summary(
        record(0, score=0.0), record(1, score=1.0), record(2, score=0.5), record(3, state="discarded")
    ).grader.scores
    assert (got.mean, got.zero, got.one) == (0.5, 1, 1)
    assert got.std == pytest.approx((0.5 / 3) ** 0.5)


KINDS = [(1, "training"), (1, "evaluation"), (2, "training"), (1, "steady"), (1, "rate")]
SECONDS = st.floats(0, 60).map(lambda seconds: round(seconds, 3)) | st.integers(0, 20).map(float)


@st.composite
def rollouts_of_any_kind(draw):
    records = []
    for index in range(draw(st.integers(0, 15))):
        step, kind = draw(st.sampled_from(KINDS))
        started_s = draw(SECONDS)
        records.append(
            record(
                index, step=step, kind=kind, group=index // 3,
                started_s=started_s, ended_s=started_s + draw(SECONDS),
                state=draw(st.sampled_from(["graded", "ungraded", "discarded", "interrupted"])),
                think_s=draw(SECONDS), calls=draw(st.integers(0, 9)), tokens=draw(st.integers(0, 999)),
                score=draw(st.sampled_from([0.0, 0.1, 1 / 3, 1.0])),
                endpoint_failed=draw(st.booleans()), cut_short=draw(st.booleans()),
            )
        )  # fmt: skip
    return records


@settings(max_examples=40, deadline=None)
@given(rollouts_of_any_kind())
def test_what_is_counted_on_the_way_is_what_all_rollouts_together_would_tell(records):
    got = summary(*records, duration_s=130.0)
    ended = [r for r in records if r.state != "interrupted"]
    completed = [r for r in ended if r.state != "discarded"]
    scores = [r.score for r in records if r.score is not None]
    lost = {r.group for r in records if r not in completed}
    assert (got.rollouts.completed, got.rollouts.discarded) == (len(completed), len(ended) - len(completed))
    assert got.rollouts.cut_short == sum(r.cut_short for r in ended)
    assert got.rollouts.false_zero == sum(r.score == 0 and r.endpoint_failed for r in ended)
    assert (got.rollouts.groups, got.rollouts.groups_incomplete) == (
        len({r.group for r in records}),
        len(lost),
    )
    assert got.rollouts.calls_per_rollout.mean == statistics.fmean([r.calls for r in completed] or [0])
    assert got.rollouts.calls_per_rollout.max == max((r.calls for r in completed), default=0)
    assert got.rollouts.tokens_per_rollout == statistics.fmean([r.tokens for r in completed] or [0])
    assert (got.grader.scores.zero, got.grader.scores.one) == (scores.count(0.0), scores.count(1.0))
    assert got.grader.scores.mean == (statistics.mean(scores) if scores else None)
    assert got.grader.scores.std == (statistics.pstdev(scores) if scores else None)
    assert got.series.in_flight == [
        sum(int(r.started_s) <= second <= int(r.ended_s) for r in records) for second in range(131)
    ]
    for step in got.steps:
        phase = [r for r in records if (r.step, r.kind) == (step.step, step.kind)]
        assert (step.rollouts, step.discarded) == (len(phase), sum(r.state == "discarded" for r in phase))
        assert step.started_s == min(r.started_s for r in phase)
        assert step.sampling_s == max(r.ended_s for r in phase) - step.started_s
    assert sum(step.rollouts for step in got.steps) == len(records)


# -- in flight

SPANS = st.lists(st.tuples(st.integers(0, 20), st.integers(0, 10)), max_size=12)


@given(SPANS)
def test_the_most_in_flight_is_the_most_at_any_moment(spans):
    records = [record(i, started_s=float(s), ended_s=float(s + d)) for i, (s, d) in enumerate(spans)]
    moments = [half / 2 for half in range(62)]
    between = [
        sum(r.started_s < m < r.ended_s or r.started_s == r.ended_s == m for r in records)
        + sum(r.started_s == m < r.ended_s for r in records)
        for m in moments
    ]
    assert max_in_flight(records) == max(between)


def test_a_place_that_is_handed_on_is_not_counted_twice():
    spans = [(0.0, 1.0), (1.0, 2.0), (2.0, 3.0)]
    assert max_in_flight([record(i, started_s=s, ended_s=e) for i, (s, e) in enumerate(spans)]) == 1


def test_rollouts_that_took_no_time_were_there_all_the_same():
    assert max_in_flight([record(i, started_s=1.0, ended_s=1.0) for i in range(5)]) == 5
    assert max_in_flight([]) == 0


@settings(max_examples=40)
@given(SPANS)
def test_of_a_load_that_goes_on_the_most_in_flight_is_that_of_any_second_as_it_began(spans):
    moved = [(s + 0.3 * (s % 2), s + d + 0.6 * (d % 2)) for s, d in spans]
    records = [
        record(i, kind="steady", group=i, started_s=start, ended_s=end)
        for i, (start, end) in enumerate(moved)
    ]
    counted = [sum(start <= second < end for start, end in moved) for second in range(40)]
    assert [step.in_flight_max for step in summary(*records).steps] == ([max(1, *counted)] if spans else [])


def test_of_a_load_that_goes_on_short_rollouts_in_turn_are_not_taken_for_many_at_once():
    records = [
        record(i, kind="steady", started_s=i * 0.1, ended_s=(i + 1) * 0.1, score=None) for i in range(100)
    ]
    (step,) = summary(*records).steps
    assert step.in_flight_max == 1


# -- the ideal


def slot_by_slot(thinking, slots, per_s):
    """The same by brute force: walk time in milliseconds and give each free slot the next rollout."""
    waiting, running, ends, now = list(thinking), [], [], 0
    while waiting or running:
        running = [end for end in running if end > now]
        while waiting and len(running) < slots:
            end = now + waiting.pop(0)
            ends.append(end)
            if end > now:
                running.append(end)
        now += 1
    if not per_s:
        return max(ends, default=0)
    free, last = 0, 0
    for end in sorted(ends):
        last = max(end, free)
        free = last + 1000 / per_s
    return last


@given(
    st.lists(st.integers(0, 40), max_size=10),
    st.integers(1, 5),
    st.none() | st.sampled_from([50, 100, 250, 1000]),
)
def test_the_ideal_is_what_brute_force_finds(thinking, slots, per_s):
    ideal = ideal_sampling_s([ms / 1000 for ms in thinking], slots, per_s)
    assert ideal * 1000 == pytest.approx(slot_by_slot(thinking, slots, per_s))


def test_inflation_is_the_step_as_it_was_over_the_ideal():
    (step,) = summary(record(0, think_s=4.0, ended_s=10.0), record(1, think_s=5.0, ended_s=8.0)).steps
    assert (step.sampling_s, step.ideal_s, step.inflation, step.in_flight_max) == (10.0, 5.0, 2.0, 2)


def test_the_graders_own_rate_limit_is_part_of_the_ideal():
    records = [record(i, think_s=1.0, ended_s=10.0) for i in range(5)]
    (step,) = summary(*records, of=job("search", rate_limit=2.0)).steps
    pacer = Pacer(2.0)
    assert step.ideal_s == [pacer.reserve(1.0) for _ in range(5)][-1] == 3.0


def test_there_is_nothing_to_compare_without_think_time_or_an_end():
    (instant,) = summary(record(think_s=0.0)).steps
    (steady,) = summary(record(kind="steady")).steps
    (stopped,) = summary(record(0), record(1, state="interrupted")).steps
    assert [(step.ideal_s, step.inflation) for step in (instant, steady, stopped)] == [
        (0.0, None), (None, None), (None, None),
    ]  # fmt: skip


def test_steps_are_in_order_with_their_evaluation_behind():
    records = [
        record(0, step=2), record(1, step=1, kind="evaluation", started_s=10, ended_s=12), record(2, step=1),
        record(3, step=2, kind="evaluation"), record(4, step=1),
    ]  # fmt: skip
    steps = summary(*records).steps
    assert [(step.step, step.kind, step.rollouts) for step in steps] == [
        (1, "training", 2), (1, "evaluation", 1), (2, "training", 1), (2, "evaluation", 1),
    ]  # fmt: skip
    assert (steps[1].started_s, steps[1].sampling_s) == (10, 2)


@settings(max_examples=5)
@given(st.permutations(range(6)))
def test_the_order_in_which_rollouts_ended_or_were_merged_does_not_matter(order):
    records = [
        record(i, think_s=float(i % 4) * 3, started_s=float(i // 3) * 5, ended_s=float(i // 3) * 5 + 5)
        for i in range(6)
    ]
    assert summary(*[records[i] for i in order]) == summary(*records)


# -- endpoints


def calls(endpoint, times, service, *, fault=None, number=1):
    return [Attempt(endpoint, number, t, t, t + service, t + service, 200, fault) for t in times]


def test_each_endpoint_and_all_tools_together():
    attempts = [
        *calls(0, [0, 1, 2], 0.1), *calls(0, [3], 0.1, fault="http_5xx"), *calls(0, [4], 0.1, number=2),
        *calls(1, [0], 0.3), *calls(2, [9], 0.5),
    ]  # fmt: skip
    got = summary(record(), attempts=attempts)
    search, cat, grader = got.endpoints
    assert [(e.name, e.kind) for e in got.endpoints] == [
        ("search", "tool"),
        ("cat", "tool"),
        ("grader", "grader"),
    ]
    assert (search.calls, search.attempts, search.retries) == (4, 5, 1)
    assert (search.faults, search.error_rate) == ({"http_5xx": 1}, 0.2)
    assert (got.tools.attempts, got.tools.error_rate) == (6, pytest.approx(1 / 6))
    assert got.tools.service_ms.max == pytest.approx(300, rel=0.001)
    assert grader.service_ms.p50 == pytest.approx(500, rel=0.001)
    assert cat.service_ms.min == pytest.approx(300, rel=0.001)


def test_a_tool_that_was_never_called_does_not_change_what_the_others_did():
    got = summary(record(), attempts=calls(0, [0, 1, 2], 0.1))
    assert got.tools.service_ms == got.endpoints[0].service_ms
    assert got.tools.plateau_per_s is None


def queued(per_s, sent_at, seconds):
    """A server that answers `per_s`, first come first served."""
    free, attempts = 0.0, []
    for sent in itertools.islice(sent_at, int(per_s * seconds)):
        free = max(free, sent) + 1 / per_s
        attempts.append(Attempt(0, 1, sent, sent, free, free, 200))
    return attempts


def test_a_rate_that_does_not_follow_what_is_sent_is_a_plateau():
    burst = queued(50, itertools.repeat(0.0), 10)
    (search, *_) = summary(record(), attempts=burst, duration_s=10.5).endpoints
    assert search.plateau_per_s == pytest.approx(50, rel=0.05)


def test_answers_that_come_in_bursts_are_no_plateau():
    burst = [Attempt(0, 1, 0.0, 0.0, done, done, 200) for n in range(5) for done in [2.0 * n + 0.5] * 80]
    bursts = [*calls(0, [0.0] * 5, 0.01), *burst]
    (search, *_) = summary(record(), attempts=bursts, duration_s=10.5).endpoints
    assert search.plateau_per_s is None


def test_an_endpoint_that_keeps_up_has_no_plateau():
    quick = calls(0, [n / 50 for n in range(500)], 0.02)
    (search, *_) = summary(record(), attempts=quick).endpoints
    assert search.plateau_per_s is None


def test_a_backlog_that_is_gone_at_once_is_no_plateau():
    (search, *_) = summary(record(), attempts=queued(500, itertools.repeat(0.0), 1)).endpoints
    assert search.plateau_per_s is None


def test_the_series_count_per_second_from_the_first_to_the_last():
    attempts = [*calls(0, [0.1, 0.2, 1.5], 1.0), *calls(2, [2.2], 0.1, fault="timeout")]
    got = summary(record(ended_s=2.5, started_s=0.0), attempts=attempts, duration_s=2.7).series
    assert got.in_flight == [1, 1, 1]
    assert got.sent == {"search": [2, 1, 0], "cat": [0, 0, 0], "grader": [0, 0, 1]}
    assert got.done["search"] == [0, 2, 1]
    assert got.faults["grader"] == [0, 0, 1]


def test_what_happens_on_the_last_full_second_is_in_the_series():
    got = summary(record(started_s=0.0, ended_s=2.0), attempts=calls(0, [1.0], 1.0), duration_s=2.0).series
    assert sum(got.done["search"]) == 1


def test_a_steady_load_has_no_plateau_for_it_sends_as_fast_as_it_is_answered():
    closed = queued(50, itertools.repeat(0.0), 10)
    (search, *_) = summary(record(), attempts=closed, duration_s=10.5, mode="steady").endpoints
    assert search.plateau_per_s is None


def test_one_fast_answer_among_many_even_ones_makes_no_plateau():
    even = [Attempt(0, 1, n / 50, n / 50, n / 50 + 2.0, n / 50 + 2.0, 200) for n in range(1000)]
    attempts = [*even, *calls(0, [0.0], 0.001)]
    (search, *_) = summary(record(), attempts=attempts, duration_s=22.5).endpoints
    assert search.plateau_per_s is None, "what is merely slow waits for nobody"


@pytest.mark.parametrize("seed", range(5))
def test_an_idle_endpoint_with_a_long_tail_has_no_plateau(seed):
    rng = random.Random(seed)
    sent = [n / 50 for n in range(1000)]
    attempts = [
        Attempt(0, 1, t, t, t + took, t + took, 200) for t in sent for took in [rng.lognormvariate(0.0, 1.0)]
    ]
    (search, *_) = summary(record(), attempts=attempts, duration_s=60.0).endpoints
    assert search.plateau_per_s is None


def test_unfinished_attempts_are_told_and_in_no_other_number():
    answered = calls(0, [0, 1], 0.1)
    hanging = calls(0, [2], 6.0, fault=Fault.UNFINISHED)
    with_them, without = (
        summary(record(), attempts=attempts).endpoints[0] for attempts in (answered + hanging, answered)
    )
    assert (with_them.unfinished, with_them.unfinished_max_ms) == (1, 6000.0)
    assert msgspec.structs.replace(with_them, unfinished=0, unfinished_max_ms=0.0) == without
    assert (without.attempts, without.faults, without.error_rate) == (2, {}, 0.0)


def test_requests_that_went_out_twice_are_told():
    attempts = [msgspec.structs.replace(attempt, resent=True) for attempt in calls(0, [0, 1], 0.1)]
    got = summary(record(), attempts=[*attempts, *calls(1, [0], 0.1)])
    assert (got.endpoints[0].resent, got.endpoints[1].resent, got.tools.resent) == (2, 0, 2)


def test_how_long_answers_may_have_lain_here_is_told_beside_the_service_times():
    read_late = [msgspec.structs.replace(attempt, read_delay=0.02) for attempt in calls(0, [0, 1], 0.1)]
    never_answered = calls(0, [2], 0.0, fault=Fault.CONNECT_REFUSED)
    search, cat, _ = summary(record(), attempts=[*read_late, *never_answered, *calls(1, [0], 0.1)]).endpoints
    assert (search.read_delay_ms.min, search.read_delay_ms.p99) == pytest.approx((20, 20), rel=0.001)
    assert (cat.read_delay_ms.max, cat.read_delay_ms.p50) == (0, 0)


# -- trust


def test_a_run_whose_own_loop_kept_time_is_trustworthy():
    got = summary(record(), attempts=calls(0, [0], 1.0), lag_s=0.001).generator
    assert (got.trustworthy, got.reasons, got.cpu) == (True, (), 0.1)


def test_a_loop_that_ran_late_makes_the_numbers_its_own():
    got = summary(record(), lag_s=0.5).generator
    assert not got.trustworthy
    assert got.reasons[0].startswith("the generator's own loop ran 500 ms late at p99")


@pytest.mark.parametrize(
    ("late", "service", "trusted"),
    [(0.1, 0.001, True), (0.3, 1.0, False), (0.3, 10.0, True), (5.0, 10.0, False)],
)
def test_a_delay_counts_against_us_when_it_is_long_and_a_sizeable_part(late, service, trusted):
    attempts = [Attempt(0, 1, t, t + late, t + late + service, None, 200) for t in range(5)]
    got = summary(record(), attempts=attempts, duration_s=30.0).generator
    assert got.trustworthy is trusted
    assert all("search" in reason for reason in got.reasons)


def test_attempts_that_found_no_socket_make_the_numbers_the_generators_own():
    attempts = [*calls(0, [0], 0.1), *calls(1, [0, 1, 2], 0.0, fault="no_socket")]
    got = summary(record(), attempts=attempts).generator
    assert not got.trustworthy
    (reason,) = got.reasons
    assert reason.startswith("3 attempts at cat found no socket left on this machine: raise its limit")
    assert "(`ulimit -n`)" in reason


def test_the_judge_reads_its_endpoints_once():
    measured = iter([Measured("search", 1000.0, 10.0, 0), Measured("cat", 10.0, 900.0, 1)])
    got = judge([GeneratorSample(1.0, 10.0, Histogram())], measured)
    assert (got.trustworthy, [reason.count("cat") for reason in got.reasons]) == (False, [1, 1])


def test_outcomes_give_the_counts_that_only_the_end_of_a_call_tells():
    tally = Tally(endpoints_of(JOB))
    tally.endpoints["search"].add_outcome(Outcome(0, None, (), 0.0, fatal=True, soft_error=True))
    assert (tally.endpoints["search"].given_up, tally.endpoints["search"].soft_errors) == (1, 1)
