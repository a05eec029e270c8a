"""Tallies add, merge and serialise, and lose nothing on the way."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.faults import NEVER_ANSWERED, Fault, Violation
from simulator.measure.histogram import Histogram
from simulator.measure.summarise import RunFacts, summarise
from simulator.measure.summary import LoadSummary
from simulator.measure.tally import Tally
from simulator.measure.trust import GeneratorSample
from simulator.model import Attempt, Outcome, RolloutSpec, Transcript
from simulator.plan.trainer import endpoints_of
from tests.making import job, spec

ENDPOINTS = endpoints_of(job("search", "cat"))
GRADER = 2
ORIGIN = 100.0


def attempt(endpoint=0, *, number=1, due=ORIGIN, sent=None, service=0.5, fault=None, **fields):
    sent = due if sent is None else sent
    return Attempt(endpoint, number, due, sent, sent + service, sent + service, 200, fault, **fields)


def outcome(endpoint=0, **fields):
    return Outcome(endpoint, None, (), ORIGIN, **fields)


def transcript(index=0, *, group=0, phase=(1, "training"), state="graded", turns=None, score=1.0, **fields):
    turns = ((outcome(),),) if turns is None else turns
    grade = outcome(GRADER, score=score) if state == "graded" else None
    fields = {"started": ORIGIN, "ended": ORIGIN + 1, **fields}
    step, kind = phase
    of = msgspec.structs.replace(spec(index, group=group), step=step, kind=kind)
    return Transcript(of, f"trace_{index}", state, turns=turns, grade=grade, **fields)


ATTEMPTS = st.builds(
    attempt,
    endpoint=st.integers(0, 2),
    number=st.integers(1, 4),
    due=st.floats(ORIGIN, ORIGIN + 50),
    service=st.floats(0, 5) | st.sampled_from([600.0, 5000.0]),
    fault=st.none() | st.sampled_from(Fault),
    reused=st.booleans(),
    resent=st.booleans(),
    read_delay=st.floats(0, 1),
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
    state=st.sampled_from(["graded", "ungraded", "discarded", "interrupted"]),
    phase=st.sampled_from([(1, "training"), (1, "evaluation"), (2, "training"), (1, "steady"), (1, "rate")]),
    turns=st.lists(st.lists(OUTCOMES, max_size=2).map(tuple), max_size=2).map(tuple),
    score=st.floats(0, 1) | st.sampled_from([0.0, 0.1, 1.0]),
    started=st.floats(ORIGIN, ORIGIN + 50),
    ended=st.floats(ORIGIN + 50, ORIGIN + 100),
    tokens=st.integers(0, 9),
    think_s=st.floats(0, 9),
    cut_short=st.booleans(),
)
ROLLOUTS = st.lists(
    st.tuples(TRANSCRIPTS, st.lists(ATTEMPTS, max_size=2), st.integers(0, 4), st.booleans()), max_size=12
)
GROUP_SIZE = 3
SHARDS = 3


@st.composite
def events(draw):
    """What happens in a run: rollouts start in order, a few are in flight, and not all of them end."""
    in_flight, happened = [], []
    for index, (end, attempts, place, ends) in enumerate(draw(ROLLOUTS)):
        of = msgspec.structs.replace(end.spec, index=index, group=index // GROUP_SIZE)
        happened += [of, *((of.group, attempt) for attempt in attempts)]
        if ends:
            in_flight.insert(place, msgspec.structs.replace(end, spec=of))
        while len(in_flight) > 4:
            happened.append(in_flight.pop(0))
    return happened + in_flight


def tally_of(happened):
    tally = Tally(ENDPOINTS, ORIGIN)
    for event in happened:
        match event:
            case RolloutSpec():
                tally.add_started(event)
            case Transcript():
                tally.add_transcript(event)
            case (_, made):
                tally.add_attempt(made)
    return tally


def group_of(event):
    match event:
        case RolloutSpec(group=group) | Transcript(spec=RolloutSpec(group=group)):
            return group
        case (group, _):
            return group


def played(*transcripts):
    return tally_of([event for end in transcripts for event in (end.spec, end)])


def attempted(*attempts):
    return tally_of([(0, each) for each in attempts])


def counts(tally):
    """Everything a tally has counted, in a form that compares to the last count."""
    rollouts = sorted(tally.rollouts, key=lambda record: record.index)
    return tally.started, tally.endpoints, tally.phases, tally.groups, rollouts


def merged(*tallies):
    total = Tally(ENDPOINTS, ORIGIN)
    for tally in tallies:
        total.merge(tally)
    return total


def summary_of(tally):
    load = LoadSummary("training", 1, 1, 1, 1.0, 1, 1.0, "synthetic", ())
    facts = RunFacts(
        scenario="s",
        seed=1,
        started_at="2026-01-01T00:00:00Z",
        duration_s=100.0,
        interrupted=False,
        load=load,
        planned=tally.started,
        grader_type="endpoint",
        failure="",
        generator=[GeneratorSample(1.0, 100.0, Histogram())],
    )
    return summarise(tally, ENDPOINTS, facts)


def sharded(happened, shard_of_group):
    """Each shard's tally, of whole groups, as it arrives from another process."""
    parts = [[e for e in happened if shard_of_group[group_of(e)] == shard] for shard in range(SHARDS)]
    return [Tally.from_bytes(tally_of(part).to_bytes()) for part in parts]


DEALT = st.lists(st.integers(0, SHARDS - 1), min_size=12, max_size=12)


@settings(max_examples=15, deadline=None)
@given(events(), DEALT, st.permutations(range(SHARDS)))
def test_the_shards_merged_in_any_order_are_one_tally_of_everything(happened, dealt, order):
    shards = sharded(happened, dealt)
    assert counts(merged(*(shards[shard] for shard in order))) == counts(tally_of(happened))


@settings(max_examples=6, deadline=None)
@given(events(), DEALT)
def test_the_shards_merged_have_the_summary_of_one_tally_of_everything(happened, dealt):
    assert summary_of(merged(*sharded(happened, dealt))) == summary_of(tally_of(happened))


@settings(max_examples=10, deadline=None)
@given(events(), DEALT)
def test_merging_is_associative(happened, dealt):
    a, b, c = sharded(happened, dealt)
    left = counts(merged(merged(a, b), c))
    a, b, c = sharded(happened, dealt)
    assert counts(merged(a, merged(b, c))) == left


@settings(max_examples=15, deadline=None)
@given(events())
def test_bytes_and_back_is_the_same_tally_and_still_counts(happened):
    tally = tally_of(happened)
    again = Tally.from_bytes(tally.to_bytes())
    assert counts(again) == counts(tally)
    assert again.origin == tally.origin
    for each in (tally, again):
        of = transcript(index=99, group=99)
        each.add_started(of.spec)
        each.add_attempt(attempt(GRADER))
        each.add_transcript(of)
    assert counts(again) == counts(tally)


@pytest.mark.parametrize("data", [b"", b"\x00", b"nonsense", msgspec.msgpack.encode({"a": 1})])
def test_other_bytes_are_refused(data):
    with pytest.raises(msgspec.DecodeError):
        Tally.from_bytes(data)


def test_calls_are_first_attempts_and_retries_the_rest():
    tally = attempted(attempt(), attempt(number=2), attempt(number=3), attempt()).endpoints["search"]
    assert (tally.calls, tally.attempts) == (2, 4)


def test_an_unfinished_attempt_is_counted_apart_and_nowhere_else():
    tally, before = attempted(attempt(service=0.5)), attempted(attempt(service=0.5))
    for seconds in (3.0, 7.5, 1.0):
        tally.add_attempt(attempt(number=1, service=seconds, fault=Fault.UNFINISHED))
    search = tally.endpoints["search"]
    assert (search.unfinished, search.unfinished_max_s) == (3, 7.5)
    search.unfinished, search.unfinished_max_s = 0, 0.0
    assert counts(tally) == counts(before)


def test_the_longest_unfinished_attempt_is_the_longest_of_all_shards():
    shards = [
        attempted(attempt(service=seconds, fault=Fault.UNFINISHED)).to_bytes() for seconds in (2.0, 9.0, 4.0)
    ]
    search = merged(*map(Tally.from_bytes, shards)).endpoints["search"]
    assert (search.unfinished, search.unfinished_max_s) == (3, 9.0)


def test_an_attempt_that_was_resent_is_counted_as_such():
    resent = msgspec.structs.replace(attempt(), resent=True)
    tally = attempted(resent, attempt(), resent)
    assert (tally.endpoints["search"].resent, tally.endpoints["search"].attempts) == (2, 3)
    assert merged(tally, tally).endpoints["search"].resent == 4


@pytest.mark.parametrize("fault", [None, *(fault for fault in Fault if fault is not Fault.UNFINISHED)])
def test_service_times_are_those_of_endpoints_that_spoke_and_delays_those_of_all(fault):
    tally = attempted(attempt(sent=ORIGIN + 0.25, fault=fault, read_delay=0.01)).endpoints["search"]
    assert tally.service.count == tally.read_delay.count == (0 if fault in NEVER_ANSWERED else 1)
    assert tally.delay.max_ms == pytest.approx(250, rel=0.001)
    assert dict(tally.faults) == ({} if fault is None else {fault: 1})


def test_seconds_are_counted_from_the_beginning_of_the_run():
    tally = attempted(attempt(due=ORIGIN + 2.9, service=1.2, fault=Fault.HTTP_5XX)).endpoints["search"]
    assert (tally.sent_per_s, tally.done_per_s, tally.faults_per_s) == ({2: 1}, {4: 1}, {4: 1})


def test_each_endpoint_has_its_own_counts():
    tally = attempted(attempt(0), attempt(1), attempt(1), attempt(GRADER))
    assert {name: part.attempts for name, part in tally.endpoints.items()} == {
        "search": 1,
        "cat": 2,
        "grader": 1,
    }


def test_a_rollouts_record_says_whether_an_endpoint_had_failed_it():
    fine = transcript(turns=((outcome(), outcome(soft_error=True)),))
    failed = transcript(turns=((outcome(),), (outcome(fault=Fault.HTTP_4XX),)))
    records = played(fine, failed).rollouts
    assert [(record.endpoint_failed, record.calls) for record in records] == [(False, 2), (True, 2)]


def test_only_a_graded_rollout_has_a_score():
    states = ("graded", "ungraded", "discarded", "interrupted")
    records = played(*[transcript(state=state) for state in states]).rollouts
    assert [record.score for record in records] == [1.0, None, None, None]


def test_outcomes_of_tools_and_grader_are_counted_once_the_rollout_ends():
    turn = (outcome(fatal=True), outcome(1, soft_error=True, violations=(Violation.WRONG_ID,)))
    tally = played(transcript(turns=(turn,)))
    assert tally.endpoints["search"].given_up == 1
    assert (tally.endpoints["cat"].soft_errors, tally.endpoints["cat"].violations) == (1, {"wrong_id": 1})


# -- how much is kept


def test_rollouts_are_counted_as_they_start_and_end():
    tally = played(transcript(0), transcript(1, state="discarded"), transcript(2, state="interrupted"))
    tally.add_started(spec(3))
    assert (tally.started, tally.ended, tally.discarded) == (4, 3, 1)


@pytest.mark.parametrize(
    ("kind", "remembered"),
    [("training", 2), ("evaluation", 2), ("recorded", 2), ("steady", 0), ("rate", 0)],
)
def test_only_rollouts_that_were_laid_out_are_remembered_one_by_one(kind, remembered):
    tally = played(*[transcript(index, phase=(1, kind)) for index in range(2)])
    assert len(tally.rollouts) == remembered
    assert (tally.ended, tally.phases[1, kind].completed) == (2, 2)


@pytest.mark.parametrize("state", ["graded", "discarded", "interrupted"])
def test_a_load_that_goes_on_needs_no_more_for_its_rollouts_than_for_its_seconds(state):
    sizes = []
    for rollouts in (1_000, 4_000):
        tally = Tally(ENDPOINTS, ORIGIN)
        for index in range(rollouts):
            of = transcript(index, group=index // 2, phase=(1, "steady"), state=state, score=index / rollouts)
            tally.add_started(of.spec)
            tally.add_attempt(attempt(service=0.5))
            tally.add_transcript(of)
        assert (tally.groups.begun, tally.groups.incomplete) == (
            (rollouts // 2, 0) if state == "graded" else (rollouts // 2, rollouts // 2)
        )
        sizes.append(len(tally.to_bytes()))
    assert sizes[1] < sizes[0] + 100


def test_a_group_is_incomplete_while_one_of_its_rollouts_is_in_flight():
    tally = Tally(ENDPOINTS, ORIGIN)
    first, second, other = transcript(0), transcript(1), transcript(2, group=1)
    for of in (first, second, other):
        tally.add_started(of.spec)
    for ended, incomplete in ((other, 1), (first, 1), (second, 0)):
        tally.add_transcript(ended)
        assert (tally.groups.begun, tally.groups.incomplete) == (2, incomplete)


def test_recorded_groups_lie_scattered_and_are_counted_once_each():
    tally = Tally(ENDPOINTS, ORIGIN)
    for index, group in enumerate((0, 1, 0, 1, 2, 0)):
        state = "discarded" if index == 3 else "graded"
        of = transcript(index, group=group, phase=(1, "recorded"), state=state)
        tally.add_started(of.spec)
        tally.add_transcript(of)
    assert (tally.groups.begun, tally.groups.incomplete) == (3, 1)
    whole = Tally(ENDPOINTS, ORIGIN)
    whole.merge(tally)
    assert (whole.groups.begun, whole.groups.incomplete) == (3, 1)


def test_a_group_that_is_not_all_started_yet_is_one_group():
    tally = Tally(ENDPOINTS, ORIGIN)
    for index in range(4):
        of = transcript(index, group=0)
        tally.add_started(of.spec)
        tally.add_transcript(of)
    assert (tally.groups.begun, tally.groups.incomplete) == (1, 0)
