"""Tallies add, merge and serialise, and lose nothing on the way."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.faults import NEVER_ANSWERED, Fault, Violation
from simulator.measure.tally import Tally
from simulator.model import Attempt, Outcome, Transcript
from simulator.plan.trainer import endpoints_of
from tests.making import job, spec

ENDPOINTS = endpoints_of(job("search", "cat"))
GRADER = 2
ORIGIN = 100.0


def attempt(endpoint=0, *, number=1, due=ORIGIN, sent=None, service=0.5, fault=None, reused=False):
    sent = due if sent is None else sent
    return Attempt(endpoint, number, due, sent, sent + service, sent + service, 200, fault, reused)


def outcome(endpoint=0, **fields):
    return Outcome(endpoint, None, (), ORIGIN, **fields)


def transcript(index=0, *, group=0, state="graded", turns=None, score=1.0, **fields):
    turns = ((outcome(),),) if turns is None else turns
    grade = outcome(GRADER, score=score) if state == "graded" else None
    fields = {"started": ORIGIN, "ended": ORIGIN + 1, **fields}
    return Transcript(spec(index, group=group), f"trace_{index}", state, turns=turns, grade=grade, **fields)


ATTEMPTS = st.builds(
    attempt,
    endpoint=st.integers(0, 2),
    number=st.integers(1, 4),
    due=st.floats(ORIGIN, ORIGIN + 50),
    service=st.floats(0, 5000),
    fault=st.none() | st.sampled_from(Fault),
    reused=st.booleans(),
)
OUTCOMES = st.builds(
    outcome,
    endpoint=st.integers(0, 1),
    fatal=st.booleans(),
    soft_error=st.booleans(),
    fault=st.none() | st.sampled_from(Fault),
    violations=st.lists(st.sampled_from(Violation), max_size=2).map(tuple),
)
TRANSCRIPTS = st.builds(
    transcript,
    index=st.integers(0, 99),
    group=st.integers(0, 3),
    state=st.sampled_from(["graded", "ungraded", "discarded", "interrupted"]),
    turns=st.lists(st.lists(OUTCOMES, max_size=3).map(tuple), max_size=3).map(tuple),
    score=st.floats(0, 1),
    tokens=st.integers(0, 9),
    think_s=st.floats(0, 9),
)
EVENTS = st.lists(st.tuples(ATTEMPTS | TRANSCRIPTS, st.integers(0, 3)), max_size=40)


def tally_of(events):
    tally = Tally(ENDPOINTS, ORIGIN)
    for event in events:
        if isinstance(event, Attempt):
            tally.add_attempt(event)
        else:
            tally.add_started(event.spec)
            tally.add_transcript(event)
    return tally


def counts(tally):
    """Everything a tally has counted, in a form that compares to the last count."""
    endpoints = {
        name: {
            key: getattr(value, "to_text", lambda value=value: value)() for key, value in vars(part).items()
        }
        for name, part in tally.endpoints.items()
    }
    return endpoints, sorted(map(repr, tally.rollouts)), tally.started_per_group


def merged(*tallies):
    total = Tally(ENDPOINTS, ORIGIN)
    for tally in tallies:
        total.merge(tally)
    return total


@given(EVENTS)
def test_the_shards_merged_are_one_tally_of_everything(events):
    shards = [tally_of([event for event, shard in events if shard == number]) for number in range(4)]
    assert counts(merged(*shards)) == counts(tally_of([event for event, _ in events]))


@given(EVENTS)
def test_merging_is_associative_and_commutative(events):
    a, b, c = ([event for event, shard in events if shard == number] for number in range(3))
    left = merged(merged(tally_of(a), tally_of(b)), tally_of(c))
    right = merged(tally_of(a), merged(tally_of(b), tally_of(c)))
    assert counts(left) == counts(right)
    assert counts(merged(tally_of(c), tally_of(a), tally_of(b))) == counts(left)


@given(EVENTS)
def test_bytes_and_back_is_the_same_tally_and_still_counts(events):
    tally = tally_of([event for event, _ in events])
    again = Tally.from_bytes(tally.to_bytes())
    assert counts(again) == counts(tally)
    assert again.origin == tally.origin
    assert again.rollouts == tally.rollouts
    for each in (tally, again):
        each.add_attempt(attempt(GRADER))
        each.merge(tally_of([transcript()]))
    assert counts(again) == counts(tally)


@pytest.mark.parametrize("data", [b"", b"\x00", b"nonsense", msgspec.msgpack.encode({"a": 1})])
def test_other_bytes_are_refused(data):
    with pytest.raises(msgspec.DecodeError):
        Tally.from_bytes(data)


def test_calls_are_first_attempts_and_retries_the_rest():
    tally = tally_of([attempt(), attempt(number=2), attempt(number=3), attempt()]).endpoints["search"]
    assert (tally.calls, tally.attempts) == (2, 4)


def test_an_unfinished_attempt_is_counted_apart_and_nowhere_else():
    tally = tally_of([attempt(service=0.5)])
    before = counts(tally)
    for seconds in (3.0, 7.5, 1.0):
        tally.add_attempt(attempt(number=1, service=seconds, fault=Fault.UNFINISHED))
    search = tally.endpoints["search"]
    assert (search.unfinished, search.unfinished_max_s) == (3, 7.5)
    search.unfinished, search.unfinished_max_s = 0, 0.0
    assert counts(tally) == before


def test_the_longest_unfinished_attempt_is_the_longest_of_all_shards():
    shards = [
        tally_of([attempt(service=seconds, fault=Fault.UNFINISHED)]).to_bytes() for seconds in (2.0, 9.0, 4.0)
    ]
    search = merged(*map(Tally.from_bytes, shards)).endpoints["search"]
    assert (search.unfinished, search.unfinished_max_s) == (3, 9.0)


def test_an_attempt_that_was_resent_is_counted_as_such():
    resent = msgspec.structs.replace(attempt(), resent=True)
    tally = tally_of([resent, attempt(), resent])
    assert (tally.endpoints["search"].resent, tally.endpoints["search"].attempts) == (2, 3)
    assert merged(tally, tally).endpoints["search"].resent == 4


@pytest.mark.parametrize("fault", [None, *(fault for fault in Fault if fault is not Fault.UNFINISHED)])
def test_service_times_are_those_of_endpoints_that_spoke_and_delays_those_of_all(fault):
    tally = tally_of([attempt(sent=ORIGIN + 0.25, fault=fault)]).endpoints["search"]
    assert tally.service.count == (0 if fault in NEVER_ANSWERED else 1)
    assert tally.delay.max_ms == pytest.approx(250, rel=0.001)
    assert dict(tally.faults) == ({} if fault is None else {fault: 1})


def test_seconds_are_counted_from_the_beginning_of_the_run():
    tally = tally_of([attempt(due=ORIGIN + 2.9, service=1.2, fault=Fault.HTTP_5XX)]).endpoints["search"]
    assert (tally.sent_per_s, tally.done_per_s, tally.faults_per_s) == ({2: 1}, {4: 1}, {4: 1})


def test_each_endpoint_has_its_own_counts():
    tally = tally_of([attempt(0), attempt(1), attempt(1), attempt(GRADER)])
    assert {name: part.attempts for name, part in tally.endpoints.items()} == {
        "search": 1,
        "cat": 2,
        "grader": 1,
    }


def test_a_rollouts_record_says_whether_an_endpoint_had_failed_it():
    fine = transcript(turns=((outcome(), outcome(soft_error=True)),))
    failed = transcript(turns=((outcome(),), (outcome(fault=Fault.HTTP_4XX),)))
    records = tally_of([fine, failed]).rollouts
    assert [(record.endpoint_failed, record.calls) for record in records] == [(False, 2), (True, 2)]


def test_only_a_graded_rollout_has_a_score():
    records = tally_of(
        [transcript(state=s) for s in ("graded", "ungraded", "discarded", "interrupted")]
    ).rollouts
    assert [record.score for record in records] == [1.0, None, None, None]


def test_outcomes_of_tools_and_grader_are_counted_once_the_rollout_ends():
    tally = tally_of(
        [
            transcript(
                turns=((outcome(fatal=True), outcome(1, soft_error=True, violations=(Violation.WRONG_ID,))),)
            )
        ]
    )
    assert tally.endpoints["search"].given_up == 1
    assert (tally.endpoints["cat"].soft_errors, tally.endpoints["cat"].violations) == (1, {"wrong_id": 1})
