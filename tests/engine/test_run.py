"""The whole plan on Trio: bursts, limits, ends. Real sockets, time that jumps."""

import itertools
import json

import pytest
import trio

from simulator.errors import PolicyError
from simulator.faults import Fault
from simulator.measure.lines import LineWriter
from simulator.measure.summarise import max_in_flight
from simulator.model import Load, ToolCall, Turn
from simulator.plan.synthetic import SyntheticPolicy, SyntheticSettings
from simulator.redaction import redactor
from simulator.testing import HANG, http
from tests.engine.stage import Played, always_good, good
from tests.making import Turns, answer, ask


def slowly(seconds):
    return lambda request: [seconds, good(request)]


def _phases(played):
    return [(phase.kind, phase.step) for phase in played.phases]


def in_flight_max(played, kind="training"):
    return max_in_flight([record for record in played.tally.rollouts if record.kind == kind])


def starts_of(played):
    return sorted(transcript.started - played.tally.origin for transcript in played.transcripts)


# -- bursts and limits


async def test_a_burst_starts_all_its_rollouts_at_once(clock):
    played = await Played(slowly(1.0), load=Load(batch_size=4, group_size=32)).play()
    assert in_flight_max(played) == 128
    assert {record.started_s for record in played.tally.rollouts} == {0.0}
    assert played.states == ["graded"] * 128
    assert played.endpoint().delay.max_ms < 1.0


@pytest.mark.parametrize(("multiplier", "burst"), [(1, 32), (2, 64), (0.5, 16)])
async def test_the_multiplier_scales_the_burst(clock, multiplier, burst):
    load = Load(batch_size=2, group_size=16, compute_multiplier=multiplier)
    played = await Played(slowly(1.0), load=load).play()
    assert in_flight_max(played) == burst


async def test_a_limit_in_flight_is_never_exceeded_and_always_used(clock):
    load = Load(batch_size=2, group_size=10, in_flight_limit=5)
    played = await Played(slowly(1.0), load=load).play()
    assert in_flight_max(played) == 5
    starts = sorted(record.started_s for record in played.tally.rollouts)
    assert starts == pytest.approx([2.0 * (n // 5) for n in range(20)]), "each takes two calls of a second"


async def test_an_ungraded_rollout_keeps_its_place_until_its_last_thought(clock):
    load = Load(batch_size=1, group_size=4, in_flight_limit=2, tokens_per_s=100.0)
    turns = lambda *_: Turns(ask(), answer(tokens=500))  # noqa: E731
    played = await Played(slowly(1.0), load=load, make_policy=turns, graded=False).play()
    assert played.states == ["ungraded"] * 4
    spans = sorted((record.started_s, record.ended_s) for record in played.tally.rollouts)
    assert [start for start, _ in spans] == pytest.approx([0, 0, 6, 6])
    assert [end for _, end in spans] == pytest.approx([6, 6, 12, 12])
    assert in_flight_max(played) == 2


async def test_evaluation_passes_have_a_limit_of_their_own_and_follow_the_step(clock):
    load = Load(batch_size=1, group_size=10, eval_samples=4, eval_in_flight_limit=3, steps=2, eval_interval=1)
    played = await Played(slowly(1.0), load=load, valid=2).play()
    assert _phases(played) == [
        ("training", 1), ("evaluation", 1), ("training", 2), ("evaluation", 2),
    ]  # fmt: skip
    assert (in_flight_max(played), in_flight_max(played, "evaluation")) == (10, 3)
    of = {phase: [r for r in played.tally.rollouts if (r.kind, r.step) == phase] for phase in _phases(played)}
    ends = [max(record.ended_s for record in of["training", step]) for step in (1, 2)]
    starts = [min(record.started_s for record in of["evaluation", step]) for step in (1, 2)]
    assert starts == pytest.approx(ends)


async def test_the_update_pauses_between_steps(clock):
    load = Load(batch_size=1, group_size=2, steps=2, update_s=100.0, time_scale=0.5)
    played = await Played(slowly(1.0), load=load).play()
    assert sorted({round(record.started_s, 3) for record in played.tally.rollouts}) == [0.0, 52.0]


async def test_the_parallel_calls_of_a_turn_go_out_together_up_to_the_limit(clock):
    played = await Played(
        slowly(10.0), make_policy=lambda *_: Turns(ask(*["search"] * 5), answer("done")), parallel_calls=2
    ).play()
    (transcript,) = played.transcripts
    sent = sorted(outcome.attempts[0].sent for outcome in transcript.turns[0])
    assert sent == pytest.approx([0, 0, 10, 10, 20])
    assert [json.loads(outcome.call.arguments)["n"] for outcome in transcript.turns[0]] == [0, 1, 2, 3, 4]


async def test_a_call_beyond_the_limit_is_due_when_the_one_whose_place_it_takes_is_done(clock):
    seconds = {0: 10.0, 1: 3.0, 2: 4.0, 3: 1.0, 4: 9.0}

    def respond(request):
        asked = request.json().get("arguments")
        return [seconds[json.loads(asked)["n"]] if asked else 0.0, good(request)]

    played = await Played(
        respond, make_policy=lambda *_: Turns(ask(*["search"] * 5), answer("done")), parallel_calls=2
    ).play()
    (transcript,) = played.transcripts
    attempts = [outcome.attempts[0] for outcome in transcript.turns[0]]
    began = transcript.started
    assert [attempt.due - began for attempt in attempts] == pytest.approx([0, 0, 3, 7, 8])
    assert [attempt.due for attempt in attempts[2:]] == [attempts[n].done for n in (1, 2, 3)]
    assert played.endpoint().delay.max_ms < 1.0
    assert transcript.ended - began == pytest.approx(17.0)


async def test_thinking_takes_the_time_it_should(clock):
    load = Load(batch_size=1, group_size=1, tokens_per_s=100.0)
    turns = lambda *_: Turns(ask(tokens=300), answer(tokens=200))  # noqa: E731
    played = await Played(slowly(1.0), load=load, make_policy=turns).play()
    (transcript,) = played.transcripts
    (call,) = transcript.turns[0]
    assert call.attempts[0].sent == pytest.approx(3.0)
    assert transcript.grade.attempts[0].sent == pytest.approx(6.0)
    assert transcript.ended == pytest.approx(7.0)


# -- steady and rate


async def test_steady_keeps_its_number_in_flight_until_the_time_is_up(clock):
    load = Load(mode="steady", in_flight=4, duration_s=9.0, ramp_s=0.0)
    played = await Played(slowly(1.0), load=load).play()
    assert starts_of(played) == pytest.approx([2.0 * (n // 4) for n in range(20)])
    assert played.states == ["graded"] * 20, "those that had started may end"


async def test_steady_comes_up_over_its_ramp_and_each_place_is_taken_as_soon_as_it_is_free(clock):
    load = Load(mode="steady", in_flight=4, duration_s=9.0, ramp_s=1.0)
    played = await Played(slowly(1.0), load=load).play()
    assert starts_of(played) == pytest.approx([2.0 * (n // 4) + 0.25 * (n % 4) for n in range(20)])


async def test_steady_ends_after_a_number_of_rollouts(clock):
    played = await Played(slowly(1.0), load=Load(mode="steady", in_flight=4, rollouts=10)).play()
    assert len(played.transcripts) == 10


async def test_rate_starts_rollouts_whatever_comes_back(clock):
    played = await Played(slowly(50.0), load=Load(mode="rate", rollouts_per_s=2.0, duration_s=10.0)).play()
    assert starts_of(played) == pytest.approx([n / 2 for n in range(20)])
    assert min(transcript.ended for transcript in played.transcripts) > played.tally.origin + 10.0


# -- ends


async def test_stop_starts_no_more_and_gives_those_in_flight_their_grace(clock):
    def respond(request):
        second = request.json()["item"]["messages"][0]["content"] == "q1"
        return [HANG] if second else [4.0, good(request)]

    async def stop_soon(run):
        await trio.sleep(6.5)
        run.stop(grace_s=5.0)

    # Two rows: rollouts of the first take 8 s, those of the second would take for ever.
    load = Load(mode="steady", in_flight=2, rollouts=100, group_size=1)
    played = await Played(respond, load=load, train=2).play(stop_soon)
    assert [spec.index for spec in played.started] == [0, 1]
    by_index = {transcript.spec.index: transcript for transcript in played.transcripts}
    assert (by_index[0].state, by_index[0].ended) == ("graded", pytest.approx(8.0))
    assert (by_index[1].state, by_index[1].ended) == ("interrupted", pytest.approx(11.5))
    assert played.run.stopped
    assert played.run.in_flight == 0
    assert trio.current_time() == pytest.approx(11.5, abs=1.0)


async def test_the_grace_ends_early_when_nothing_is_in_flight(clock):
    async def stop_soon(run):
        await trio.sleep(10.0)
        run.stop(grace_s=500.0)

    load = Load(batch_size=1, group_size=2, steps=2, update_s=1000.0)
    played = await Played(load=load).play(stop_soon)
    assert len(played.transcripts) == 2
    assert trio.current_time() < 11.0


async def test_a_second_stop_shortens_the_grace(clock):
    async def stop_twice(run):
        run.stop(grace_s=500.0)
        await trio.sleep(1.0)
        run.stop(grace_s=0)

    played = await Played(lambda _: [HANG]).play(stop_twice)
    assert played.states in ([], ["interrupted"])
    assert trio.current_time() < 2.0


def stopping_after(seconds):
    async def stop(run):
        await trio.sleep(seconds)
        run.stop(grace_s=0)

    return stop


def hanging_at(*hanging, path="/search"):
    """Hang on the calls of `path` with these numbers, on all where none is given."""

    def respond(request):
        number = json.loads(request.json().get("arguments", '{"n":0}'))["n"]
        hangs = request.target == path and (not hanging or number in hanging)
        return [HANG] if hangs else [1.0, good(request)]

    return respond


@pytest.mark.parametrize("count", [1, 3], ids=["one call", "parallel calls"])
async def test_what_was_interrupted_is_recorded_with_what_it_had(clock, count):
    first = Turn(calls=(ToolCall("search", '{"n":7}'),))
    played = await Played(
        hanging_at(0, 1, 2),
        load=Load(batch_size=1, group_size=3),
        make_policy=lambda *_: Turns(first, ask(*["search"] * count)),
    ).play(stopping_after(5.0))
    assert played.states == ["interrupted"] * 3
    for transcript in played.transcripts:
        assert [[outcome.fault for outcome in turn] for turn in transcript.turns] == [
            [None],
            [Fault.UNFINISHED] * count,
        ]
        assert transcript.ended == pytest.approx(5.0)
    assert played.endpoint().unfinished == 3 * count
    await trio.testing.wait_all_tasks_blocked(0.01)
    assert played.server.open == 0


async def test_a_call_that_hangs_at_the_end_is_unfinished_and_no_fault(clock):
    played = await Played(hanging_at(1), make_policy=lambda *_: Turns(ask(), asks(1))).play(
        stopping_after(5.0)
    )
    (transcript,) = played.transcripts
    (answered,), (hanging,) = transcript.turns
    assert (answered.fault, hanging.fault) == (None, Fault.UNFINISHED)
    (attempt,) = hanging.attempts
    assert (attempt.due, attempt.sent) == (answered.done, answered.done)
    assert attempt.done == transcript.ended == pytest.approx(5.0)
    search = played.endpoint()
    assert (search.unfinished, search.unfinished_max_s) == (1, pytest.approx(4.0))
    assert (search.attempts, search.calls, search.faults, search.given_up) == (1, 1, {}, 0)
    assert search.service.max_ms == pytest.approx(1000, rel=0.01)
    assert sum(search.sent_per_s.values()) == 1


def asks(*numbers):
    return Turn(calls=tuple(ToolCall("search", f'{{"n":{number}}}') for number in numbers))


async def test_a_finished_call_is_kept_beside_an_unfinished_one_and_what_was_not_due_leaves_nothing(clock):
    # Two at a time: 0 hangs, 1 is answered, 2 takes its place and hangs, so 3 never becomes due.
    played = await Played(
        hanging_at(0, 2), make_policy=lambda *_: Turns(asks(0, 1, 2, 3)), parallel_calls=2
    ).play(stopping_after(5.0))
    (transcript,) = played.transcripts
    (turn,) = transcript.turns
    assert [(outcome.call.arguments, outcome.fault) for outcome in turn] == [
        ('{"n":0}', Fault.UNFINISHED), ('{"n":1}', None), ('{"n":2}', Fault.UNFINISHED),
    ]  # fmt: skip
    assert [outcome.attempts[0].due for outcome in turn] == pytest.approx([0.0, 0.0, 1.0])
    assert turn[1].output == "found"
    assert (played.endpoint().attempts, played.endpoint().unfinished) == (1, 2)
    assert len(played.server.requests) == 3


async def test_a_rollout_that_is_still_thinking_at_the_end_leaves_no_call(clock):
    load = Load(batch_size=1, group_size=1, tokens_per_s=100.0)
    played = await Played(load=load, make_policy=lambda *_: Turns(ask(tokens=1000))).play(stopping_after(5.0))
    (transcript,) = played.transcripts
    assert (transcript.state, transcript.turns, transcript.ended) == ("interrupted", (), pytest.approx(5.0))
    assert (played.endpoint().attempts, played.endpoint().unfinished) == (0, 0)


async def test_a_retry_that_waits_for_its_back_off_at_the_end_leaves_its_attempts_in_the_tally(clock):
    played = await Played(lambda _: [http(503, b"")], retry_backoff_s=100.0).play(stopping_after(5.0))
    assert played.states == ["interrupted"]
    assert (played.endpoint().attempts, played.endpoint().unfinished) == (1, 0)
    assert played.endpoint().faults == {Fault.HTTP_5XX: 1}


async def test_a_grader_call_that_hangs_at_the_end_is_an_unfinished_grade(clock):
    played = await Played(hanging_at(path="/grade")).play(stopping_after(5.0))
    (transcript,) = played.transcripts
    assert (transcript.state, [len(turn) for turn in transcript.turns]) == ("interrupted", [1])
    assert (transcript.grade.fault, transcript.grade.score, transcript.grade.fatal) == (
        Fault.UNFINISHED, None, False,
    )  # fmt: skip
    grader = played.endpoint("grader")
    assert (grader.unfinished, grader.unfinished_max_s) == (1, pytest.approx(4.0))
    assert (grader.attempts, grader.faults, grader.given_up) == (0, {}, 0)
    assert played.tally.rollouts[0].score is None


class Breaking:
    """Plays one turn and then fails, as a policy with a mistake in it does."""

    def __init__(self, breaks):
        self.breaks, self.turns = breaks, iter([ask("search")] * 50)

    def next(self, seen):
        if seen and self.breaks:
            raise ValueError("no such key")
        return next(self.turns)


async def test_a_policy_that_fails_stops_the_run_and_is_its_failure(clock):
    made = itertools.count()
    played = await Played(
        slowly(1.0),
        load=Load(batch_size=1, group_size=4, steps=3),
        make_policy=lambda *_: Breaking(next(made) == 2),
    ).play()
    assert isinstance(played.run.failure, PolicyError)
    assert str(played.run.failure).startswith("policy Breaking raised ValueError: no such key at ")
    assert played.states == ["interrupted"] * 3
    assert [phase.step for phase in played.phases] == [1]
    assert played.run.in_flight == 0


async def test_a_policy_that_cannot_even_be_made_stops_the_run(clock):
    made = itertools.count()

    def sometimes(*_):
        if next(made) == 2:
            raise LookupError("no such option")
        return Turns(ask("search"), answer("done"))

    load = Load(batch_size=1, group_size=4, steps=3)
    played = await Played(slowly(1.0), load=load, make_policy=sometimes).play()
    assert isinstance(played.run.failure, PolicyError)
    said = str(played.run.failure)
    assert said.startswith("the policy's constructor raised LookupError: no such option at ")
    assert [phase.step for phase in played.phases] == [1]
    assert "graded" not in played.states
    assert played.run.in_flight == 0


async def test_a_turn_that_no_model_could_take_stops_the_run(clock):
    impossible = Turn(answer="x", tokens=float("nan"))
    played = await Played(make_policy=lambda *_: Turns(impossible)).play()
    assert str(played.run.failure) == "policy Turns thought for tokens=nan, think_s=0.0"
    assert (played.transcripts, played.run.stopped) == ([], True)


# -- the same again


async def test_the_same_seed_sends_the_same_calls_whatever_the_timing(clock):
    choices = (tuple(ToolCall("search", f'{{"q":{n}}}') for n in range(50)),)

    def policy(_item, rng):
        return SyntheticPolicy(SyntheticSettings(), choices, rng)

    async def lines(seed, delay):
        def respond(request):
            return [delay * (len(request.body) % 3), good(request)]

        load = Load(batch_size=2, group_size=4, in_flight_limit=3)
        played = await Played(respond, load=load, make_policy=policy, seed=seed).play()
        writer = LineWriter((), 0.0, redactor(()))
        writer._names = ["search", "grader"]
        decoded = [json.loads(writer.line(transcript)) for transcript in played.transcripts]
        return [_timeless(line) for line in sorted(decoded, key=lambda line: line["rollout"])]

    first = await lines(1, 0.5)
    assert first == await lines(1, 3.0)
    assert first != await lines(2, 0.5)


def _timeless(value):
    if isinstance(value, dict):
        return {key: _timeless(inner) for key, inner in value.items() if not key.endswith("_ms")}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


async def test_every_rollout_has_one_trace_id_from_its_first_call_to_its_grade(clock):
    played = await Played(
        always_good,
        load=Load(batch_size=2, group_size=8),
        make_policy=lambda *_: Turns(ask("search", "search"), ask("search"), answer("done")),
    ).play()
    sent = [request.json()["trace_id"] for request in played.server.requests]
    assert len(set(sent)) == 16
    assert all(sent.count(trace_id) == 4 for trace_id in sent)
    calls = [request.json() for request in played.server.requests if request.target == "/search"]
    assert len({request["call_id"] for request in calls}) == len(calls) == 48


async def test_a_burst_against_a_server_with_few_connections_open_at_once_is_all_there(clock):
    played = await Played(load=Load(batch_size=2, group_size=16)).play()
    assert played.endpoint().attempts == played.endpoint("grader").attempts == 32
    assert not any(Fault(fault) for tally in played.tally.endpoints.values() for fault in tally.faults)
    assert len(played.server.requests) == 64
