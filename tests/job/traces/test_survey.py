"""What recordings hold, and what stands out in them."""

import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.findings import RULES
from simulator.job.traces.passes import most_in_flight
from simulator.job.traces.recording import PARALLEL, RecordedCall, RecordedTurn, Recording
from simulator.job.traces.survey import Survey
from simulator.job.traces.told import findings_of
from simulator.job.traces.whatif import pass_seconds
from simulator.measure.recorded import Reading
from tests.job.traces.played import BEGAN, Apart, Queue, play, survey

replace = msgspec.structs.replace


def call(seconds=None, at=0.0, name="find", **more):
    times = {} if seconds is None else {"started": BEGAN + at, "ended": BEGAN + at + seconds}
    return RecordedCall(name, more.pop("arguments", "{}"), **times, **more)


def rollout(*calls, at=None, seconds=10.0, key="k", **more):
    """A rollout of which each call, or tuple of calls, is a turn."""
    turns = tuple(RecordedTurn(one if isinstance(one, tuple) else (one,), 1.0) for one in calls)
    times = {} if at is None else {"started": BEGAN + at, "ended": BEGAN + at + seconds}
    known = {"answer": "blue", "group": key, "trace_id": "t", "turns": (*turns, RecordedTurn((), 2.0))}
    return Recording(key=key, **{**known, **times, **more})


def codes(recordings):
    return [one.code for one in findings_of(survey(recordings))]


def message(code, recordings):
    (said,) = [one.message for one in findings_of(survey(recordings)) if one.code == code]
    return said


def inside(*names, prefix="functions."):
    uses = [{"recipient_name": f"{prefix}{name}", "parameters": {}} for name in names]
    return msgspec.json.encode({"tool_uses": uses}).decode()


# -- counting


def test_percentiles_are_nearest_rank():
    latency = survey([rollout(*(call(float(n)) for n in range(10, 0, -1)))]).latency_s
    assert (latency.count, latency.p50, latency.p90, latency.p99, latency.max) == (10, 5.0, 9.0, 10.0, 10.0)
    assert latency.mean == 5.5
    exact = survey([rollout(*(call(float(n)) for n in range(1, 101)))]).latency_s
    assert (exact.p50, exact.p90, exact.p99) == (50.0, 90.0, 99.0)


def test_calls_are_counted_as_recorded_and_as_sent():
    several = call(name=PARALLEL, arguments=inside("find", "cat", "cat"))
    nobody = call(name=PARALLEL, arguments=inside("find", prefix=""))
    found = survey([rollout(call(), several), rollout(nobody, key="other"), rollout()])
    assert (found.rollouts, found.items, found.groups) == (3, 2, 2)
    assert (found.calls, found.calls_max, found.by_calls) == (3, 2, (1, 1, 1))
    assert (found.sent, found.by_sent, found.at_once) == (4, (2, 0, 0, 0, 1), (0, 1, 0, 1))
    assert (found.turns, found.turns_at_once, found.at_once_max) == (6, 1, 3)
    assert found.sent_by_tool == {"find": 2, "cat": 2}
    assert [(one.name, one.calls) for one in found.tools] == [(PARALLEL, 2), ("find", 1)]
    assert found.oddities.unreadable == 1


def test_tools_and_scores_are_told():
    one = rollout(
        call(1.0), call(3.0, failed=True), call(2.0, name="cat", output="Error: no file"), score=1.0
    )
    found = survey([one, rollout(score=0.0), rollout(score=0.5), rollout()])
    assert [(t.name, t.calls, t.share, t.failed, t.soft_errors) for t in found.tools] == [
        ("find", 2, 2 / 3, 1, 0), ("cat", 1, 1 / 3, 0, 1)
    ]  # fmt: skip
    assert [one.latency_s.mean for one in found.tools] == [2.0, 2.0]
    scores = found.scores
    assert (scores.count, scores.missing, scores.zero, scores.one, scores.mean) == (3, 1, 1, 1, 0.5)
    assert scores.std == pytest.approx(math.sqrt(1 / 6))


def test_without_times_nothing_is_said_of_them():
    found = survey([rollout(call()) for _ in range(50)])
    assert (found.latency_s, found.rollout_s, found.passes_in_all, found.passes) == (None, None, 0, ())
    assert found.calls == 50
    assert survey([]).calls_per_rollout == 0.0


# -- passes


def test_a_pause_of_more_than_a_minute_parts_passes():
    def passes(*starts):
        found = survey([rollout(call(1.0, at), at=at, seconds=10.0) for at in starts])
        return [one.rollouts for one in found.passes]

    assert passes(0.0, 5.0, 75.0) == [3]
    assert passes(0.0, 75.5, 5.0) == [2, 1]
    assert passes(*[100.0 * n for n in range(70)]) == [1] * 50


def test_files_that_count_from_their_own_beginning_are_passes_of_their_own():
    def passes(shift):
        taken = Survey()
        for file in (1, 2):
            times = {"started": shift + 1.0, "ended": shift + 2.0}
            taken.add(replace(rollout(), **times), file)
        return taken.recorded(Reading(2, {"some": 2}, 2)).passes

    assert [one.began_at for one in passes(0.0)] == [None, None]
    assert [one.began_at for one in passes(BEGAN)] == ["2023-11-14T22:13:21+00:00"]


def test_what_starts_as_another_ends_takes_its_place():
    def most(*spans):
        return most_in_flight(*(np.array(moments) for moments in zip(*spans, strict=True)))

    assert most((0.0, 1.0), (1.0, 2.0)) == 1
    assert most((0.0, 1.0), (0.5, 2.0), (1.0, 2.0)) == 2
    assert most((1.0, 1.0), (1.0, 1.0)) == 2
    assert most_in_flight(np.empty(0), np.empty(0)) == 0


def test_a_pass_says_how_calls_finished():
    (one,) = survey([rollout(call(4.0), call(2.3, 2.0), call(4.0, 4.0), call(2.0, 8.0), at=0.0)]).passes
    assert (one.duration_s, one.in_flight_max, one.calls_in_flight_max) == (10.0, 1, 2)
    assert (one.first_finished_s, one.first_finished) == (4.0, 2)
    assert one.finished_per_s == pytest.approx(3 / 6)
    assert one.gap_s == pytest.approx(2.0)
    assert one.series.finished == (0, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1)
    assert one.series.in_flight == pytest.approx((1, 1, 2, 2, 1.3, 1, 1, 1, 1, 1, 0), abs=0.01)


def test_what_ends_before_it_begins_took_no_time():
    found = survey([rollout(call(-3.0), at=0.0, seconds=-5.0)])
    assert (found.latency_s.max, found.rollout_s.max) == (0.0, 0.0)


def test_a_series_is_never_long():
    (one,) = survey([rollout(call(10_000.0), call(1.0, 20_000.0), at=0.0, seconds=20_001.0)]).passes
    assert len(one.series.finished) <= 600
    assert sum(one.series.finished) == 2
    assert sum(one.series.in_flight) * one.series.point_s == pytest.approx(10_001.0, rel=0.01)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(*[st.floats(allow_nan=False, allow_infinity=False) | st.none()] * 4),
        min_size=1,
        max_size=40,
    )
)
def test_any_moments_will_do(times):
    def one(times):
        begun, asked, answered, ended = times
        turn = RecordedTurn((RecordedCall("find", "{}", started=asked, ended=answered),), begun)
        return rollout(turns=(turn,), started=begun, ended=ended)

    found = survey([one(each) for each in times])
    assert found.calls == len(times)
    msgspec.json.encode(found)


# -- what queued


def even(seconds):
    return lambda _: seconds


def drawn(mean):
    return lambda rng: rng.expovariate(1 / mean)


def rough(mean):
    return lambda rng: mean * rng.lognormvariate(-0.125, 0.5)


@pytest.mark.parametrize("in_order", [True, False])
@pytest.mark.parametrize("servers", [1, 2, 4, 8])
@pytest.mark.parametrize("service", [even, rough])
def test_servers_that_calls_wait_for_are_found_and_counted(service, servers, in_order):
    counts = []
    for seed in range(7):
        recordings = play(seed, Queue(servers, service(float(servers)), in_order=in_order))
        (one,) = survey(recordings).passes
        if one.queue is not None:
            assert one.queue.per_s == pytest.approx(1.0, rel=0.15)
            assert one.queue.what_if[0].duration_s == pytest.approx(one.duration_s, rel=0.2)
            counts.append(one.queue.at_a_time)
    assert len(counts) >= 6
    assert sorted(counts)[3] == pytest.approx(servers, rel=0.25)


@pytest.mark.parametrize("rollouts", [50, 300])
def test_service_that_varies_much_is_found_too(rollouts):
    (one,) = survey(play(3, Queue(1, drawn(1.0)), rollouts=rollouts)).passes
    assert one.queue.per_s == pytest.approx(1.0, rel=0.12)
    assert one.queue.at_a_time <= 3


APART = {
    "exponential": lambda rng, _: rng.expovariate(1 / 20),
    "short": lambda rng, _: rng.expovariate(1.0),
    "long tail": lambda rng, _: 5 * rng.lognormvariate(0, 1.5),
    "nearly alike": lambda rng, _: 15 * rng.lognormvariate(0, 0.3),
    "alike": lambda *_: 15.0,
    "any up to 30 s": lambda rng, _: 30 * rng.random(),
    "two kinds": lambda rng, _: 30.0 if rng.random() < 0.3 else 0.3,
    "mostly slow": lambda rng, _: 30.0 if rng.random() < 0.6 else 0.3,
    "the first is slow": lambda rng, turn: rng.expovariate(0.5 if turn else 1 / 30),
}


@pytest.mark.parametrize("rollouts", [50, 200])
@pytest.mark.parametrize("latency", APART)
def test_calls_that_do_not_wait_for_one_another_are_not_said_to(latency, rollouts):
    for seed in range(4):
        for in_flight in (4, 32):
            recordings = play(
                seed, Apart(APART[latency]), rollouts=rollouts, in_flight=in_flight, tools=("first", "find")
            )
            assert not {"recorded.serial", "recorded.cold_start"} & {*codes(recordings)}


@pytest.mark.parametrize(
    ("latency", "rollouts", "seed"),
    [("mostly slow", 50, 5), ("the first is slow", 100, 1), ("the first is slow", 200, 10)],
)
def test_chance_that_looks_like_a_queue_does_not_deceive(latency, rollouts, seed):
    recordings = play(seed, Apart(APART[latency]), rollouts=rollouts, tools=("first", "find"))
    assert "recorded.serial" not in codes(recordings)


def test_a_queue_that_is_always_full_is_found_too():
    (one,) = survey(play(2, Queue(2, even(2.0)), rollouts=300)).passes
    assert (one.queue.at_a_time, one.queue.per_s) == (2, pytest.approx(1.0, rel=0.05))


def test_few_in_flight_cannot_tell():
    assert "recorded.serial" not in codes(play(1, Queue(1, even(5.0)), rollouts=200, in_flight=3))
    assert "recorded.serial" not in codes(play(1, Queue(1, even(1.0)), rollouts=5))


def test_more_servers_are_told_with_the_largest_pass():
    small = play(1, Queue(1, even(1.0)), began=BEGAN + 10_000)
    large = play(2, Queue(1, even(2.0)), rollouts=60)
    said = message("recorded.serial", [*small, *large])
    assert "while 0.501 finished per second" in said
    assert "one at a time, for 2 s each; with 8 at a time the pass would have taken about" in said
    assert said.endswith("(in the pass from 2023-11-14T22:13:20+00:00); likewise in 1 more pass")


def test_calls_that_reached_nobody_do_not_hide_a_queue():
    recordings = play(4, Queue(1, even(1.0)), cold_s=12.0)
    early = call(0.0003, 1.0, name=PARALLEL, arguments="?")
    odd = [replace(one, turns=(RecordedTurn((early,), 1.0), *one.turns)) for one in recordings[:3]]
    assert {"recorded.serial", "recorded.cold_start"} <= {*codes([*odd, *recordings[3:]])}


def test_a_pass_is_replayed():
    two = [[(1.0, 1), (2.0, 0)], [(1.0, 2), (0.0, 1)]]
    assert pass_seconds(two, in_flight=2, at_a_time=3, service_s=4.0) == 1 + 4 + 4
    assert pass_seconds(two, in_flight=2, at_a_time=1, service_s=4.0) == 1 + 3 * 4 + 4
    assert pass_seconds(two, in_flight=1, at_a_time=3, service_s=4.0) == (1 + 4 + 2) + (1 + 4 + 4)
    assert pass_seconds([], in_flight=1, at_a_time=1, service_s=1.0) == 0.0
    assert pass_seconds([[(5.0, 0)], [], [(2.0, 0)]], in_flight=2, at_a_time=1, service_s=1.0) == 5.0


# -- what stands out


def test_a_cold_start_of_a_queue():
    said = message("recorded.cold_start", play(1, Queue(1, even(1.0)), cold_s=12.0))
    assert said.startswith("nothing finished in the first 11")
    assert "s, then 11 calls within half a second; the median gap between two is 1 s" in said
    assert "recorded.cold_start" not in codes(play(1, Queue(1, even(1.0))))
    assert "recorded.cold_start" not in codes(play(1, Queue(8, even(8.0))))


def test_a_cold_start_of_calls_that_do_not_wait():
    latency = APART["short"]
    assert "recorded.cold_start" in codes(play(1, Apart(latency), cold_s=12.0))
    assert "recorded.cold_start" not in codes(play(1, Apart(latency)))


def test_a_slow_tool_that_goes_first_is_no_cold_start():
    def slow_at_first(rng, turn):
        return rng.expovariate(1.0) if turn else 10 + 0.2 * rng.random()

    assert "recorded.cold_start" not in codes(play(1, Apart(slow_at_first), tools=("first", "find")))


def test_latencies_that_something_polls_for():
    def polled(rng, _turn):
        return math.ceil(rng.expovariate(1 / 6)) + 0.25 + rng.gauss(0, 0.03)

    said = message("recorded.polled", play(1, Apart(polled)))
    assert "whole seconds and 0.25 s" in said


CONSTANTS = {
    "few kinds": lambda rng, _: rng.choice([2.25, 5.25, 9.25, 12.25]),
    "mostly one": lambda rng, _: rng.choice([2.25] * 10 + [4.25, 5.25, 6.25, 7.25, 8.25, 9.25]),
}


@pytest.mark.parametrize("latency", [*APART, *CONSTANTS])
def test_latencies_that_nothing_polls_for(latency):
    assert "recorded.polled" not in codes(play(1, Apart({**APART, **CONSTANTS}[latency])))


PLAIN = [rollout(call(arguments=f'{{"n":{n}}}'), key=str(n)) for n in range(20)]
DECLARING = {"tools": [{"type": "function", "function": {"name": "find"}}, 7, {}]}


def with_first(count, **changes):
    return [replace(one, **changes) for one in PLAIN[:count]] + PLAIN[count:]


def with_calls(count, *calls):
    return [rollout(*calls, key=str(n)) for n in range(count)] + PLAIN[count:]


ODD = {
    "recorded.slow_tool": (
        [rollout(call(6.0, name="slow"), call(1.0)) for _ in range(10)],
        [rollout(call(4.0, name="slow"), call(1.0)) for _ in range(10)],
    ),
    "recorded.failed": (with_calls(1, call(failed=True)), PLAIN),
    "recorded.soft_errors": (
        with_calls(1, call(output="Error: no such file")),
        with_calls(1, call(output="All is well: no error")),
    ),
    "recorded.unreadable_parallel": (
        with_calls(1, call(name=PARALLEL, arguments="{}")),
        with_calls(1, call(name=PARALLEL, arguments=inside("find"))),
    ),
    "recorded.undeclared_tool": (
        [rollout(call(name="fly"), item=DECLARING)],
        [rollout(call(), item=DECLARING), rollout(call(name="fly"), item={"tools": 7})],
    ),
    "recorded.bad_arguments": (
        with_calls(1, call(arguments="[1]")),
        with_calls(1, call(arguments=' {"a": 1}')),
    ),
    "recorded.no_answer": (with_first(1, answer=" "), with_first(0)),
    "recorded.capped": (
        with_first(0) + [rollout(*(call(arguments=f"{{{n}}}") for n in range(5)), finished=False)] * 3,
        with_first(0) + [rollout(*(call(arguments=f"{{{n}}}") for n in range(5)), finished=False)] * 2,
    ),
    "recorded.repeated_call": (with_calls(2, call(), call()), with_calls(1, call(), call())),
}  # fmt: skip


@pytest.mark.parametrize("code", ODD)
def test_what_is_odd_is_told(code):
    assert code in codes(ODD[code][0])


@pytest.mark.parametrize("code", ODD)
def test_what_is_not_odd_is_not_told(code):
    assert code not in codes(ODD[code][1])


def test_what_is_rare_is_not_told():
    nine = [rollout(call(6.0, name="slow"), call(1.0)) for _ in range(9)]
    assert "recorded.slow_tool" not in codes(nine)
    longest = [rollout(*(call(arguments=f"{{{n}}}") for n in range(5)))] * 4
    assert "recorded.capped" not in codes([*ODD["recorded.capped"][0], *longest])


def test_nothing_stands_out_where_all_is_well():
    assert codes(PLAIN) == []
    assert codes([]) == []


def test_every_code_of_recordings_has_a_test():
    tested = {*ODD, "recorded.serial", "recorded.cold_start", "recorded.polled"}
    assert {code for code in RULES if code.startswith("recorded.")} == tested


@pytest.mark.parametrize(
    ("code", "recordings", "said"),
    [
        ("recorded.failed", with_calls(2, call(failed=True), call(name="cat", failed=True)),
         "4 of 22 calls are recorded as errors: cat 2, find 2"),
        ("recorded.soft_errors", with_calls(3, call(output="Error: no")), "find 3 of 20"),
        ("recorded.no_answer", with_first(20, finished=False), "perhaps the recording leaves answers out"),
        ("recorded.capped", ODD["recorded.capped"][0],
         "of 3 rollouts with 5 calls, the most that any made, 3 have no answer"),
        ("recorded.slow_tool", ODD["recorded.slow_tool"][0], "takes 6 s at the median of 10 calls"),
        ("recorded.unreadable_parallel", with_calls(1, call(name=PARALLEL, arguments="")),
         "1 of 1 calls of multi_tool_use.parallel reached nobody"),
    ],
)  # fmt: skip
def test_figures_are_told(code, recordings, said):
    assert said in message(code, recordings)


def test_recordings_without_any_answer_say_nothing_of_a_cap():
    assert "recorded.capped" not in codes(with_first(20, answer=""))
