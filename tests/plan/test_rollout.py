"""The rollout core, driven by hand and in time that costs nothing: no clock, no socket."""

import json
import re

import pytest

from simulator.faults import Fault
from simulator.measure.lines import LineWriter
from simulator.model import Load
from simulator.plan.call import Interrupted, Wait
from simulator.plan.rollout import rollout
from simulator.plan.trainer import endpoints_of
from simulator.redaction import redactor
from simulator.testing import replay, replay_calls, reply_to, respond
from tests.making import Turns, answer, ask, endlessly, item, job, shown, spec, trainer


class Endpoints:
    """Answers what the core sends: `calls` by position of the tool call, the grader with `score`."""

    def __init__(self, of, *, score=1.0, seconds=1.0, calls=None, grader=None):
        self._of, self._score, self._seconds = of, score, seconds
        self._calls, self._grader = calls or {}, grader
        self.sent = []

    def __call__(self, send):
        self.sent.append(send)
        if send.endpoint == self._of.grader_index:
            if self._grader is not None:
                return reply_to(send, *self._grader)
            return reply_to(send, 200, b'{"score":%f}' % self._score, seconds=self._seconds)
        request = json.loads(send.body)
        position = json.loads(request["arguments"])["n"]
        if position in self._calls:
            return self._calls[position](send)
        output = f"{request['name']} {position}"
        body = {"type": "function_call_output", "id": request["id"], "call_id": request["call_id"]}
        return reply_to(send, 200, json.dumps(body | {"output": output}).encode(), seconds=self._seconds)

    @property
    def requests(self):
        return [json.loads(send.body) for send in self.sent]


def play(policy, of=None, *, started=0.0, **endpoints):
    of = of or trainer()
    served = Endpoints(of, **endpoints)
    return replay(rollout(of, spec(), policy, started), served), served


# -- a rollout that goes well


def test_the_model_sees_what_its_calls_answered_turn_by_turn():
    policy = Turns(ask(), ask("search", "cat"), answer("done"))
    transcript, served = play(policy, trainer(job("search", "cat")), score=0.5)
    assert shown(policy.seen) == [[], ["search 0"], ["search 0", "cat 1"]]
    assert (transcript.state, transcript.grade.score, transcript.answer) == ("graded", 0.5, "done")
    assert [len(turn) for turn in transcript.turns] == [1, 2]
    assert [send.endpoint for send in served.sent] == [0, 0, 1, 2]


def test_a_rollout_without_calls_is_graded():
    transcript, served = play(Turns(answer("at once")))
    assert (transcript.state, transcript.turns, len(served.sent)) == ("graded", (), 1)


def test_thinking_moves_due_and_so_do_answers():
    policy = Turns(ask(tokens=200), ask(think_s=0.5), answer(tokens=100))
    transcript, served = play(policy, started=10.0, seconds=3.0)
    assert [send.due for send in served.sent] == [12.0, 15.5, 19.5]
    assert (transcript.started, transcript.ended) == (10.0, 22.5)
    assert (transcript.tokens, transcript.think_s) == (300, 3.5)


def test_the_time_scale_compresses_thinking_and_not_the_endpoints():
    of = trainer(load=Load(tokens_per_s=100.0, time_scale=0.1))
    transcript, served = play(Turns(ask(tokens=200), answer()), of, seconds=3.0)
    assert [send.due for send in served.sent] == pytest.approx([0.2, 3.2])
    assert transcript.think_s == pytest.approx(0.2)


def test_a_late_driver_cannot_hide_it():
    core = rollout(trainer(), spec(), Turns(ask(tokens=100), answer()), 0.0)
    assert next(core).due == 1.0


def test_a_late_driver_cannot_hide_it_when_calls_are_made_at_the_same_time_either():
    core = rollout(trainer(), spec(), Turns(ask("search", "search", tokens=100), answer()), 0.0)
    calls = next(core)
    assert [start(calls.due).send(None).due for start in calls.calls] == [1.0, 1.0]


def took(seconds, status=200):
    return lambda send: reply_to(send, status, b'{"output":"x"}', seconds=seconds)


def test_a_call_beyond_the_parallel_ones_is_due_when_the_one_whose_place_it_takes_is_done():
    durations = dict(enumerate(map(took, (10.0, 3.0, 4.0, 1.0, 9.0))))
    transcript, served = play(
        Turns(ask(*["search"] * 5), answer()), trainer(parallel_calls=2), calls=durations
    )
    assert [send.due for send in served.sent] == [0.0, 0.0, 3.0, 7.0, 8.0, 17.0]
    first = [outcome.attempts[0] for outcome in transcript.turns[0]]
    assert [(attempt.due, attempt.done) for attempt in first] == [
        (0.0, 10.0), (0.0, 3.0), (3.0, 7.0), (7.0, 8.0), (8.0, 17.0),
    ]  # fmt: skip
    assert all(attempt.sent == attempt.due for attempt in first), "waiting for a place is not our delay"


def test_a_call_that_is_retried_keeps_its_place():
    calls = {0: took(1.0, 500), 1: took(2.0)}
    of = trainer(parallel_calls=1, tool_retries=1)
    _, served = play(Turns(ask("search", "search"), answer()), of, calls=calls)
    assert [send.due for send in served.sent] == [0.0, 2.0, 3.0], "a second of service, one of back-off"


def test_calls_of_a_turn_are_due_at_once_and_the_next_turn_when_the_slowest_is_back():
    slow = {1: lambda send: reply_to(send, 200, b'{"output":"slow"}', seconds=9.0)}
    policy = Turns(ask("search", "search", "search"), answer())
    transcript, served = play(policy, calls=slow, seconds=1.0)
    assert [send.due for send in served.sent] == [0.0, 0.0, 0.0, 9.0]
    assert shown(policy.seen)[1] == ["search 0", "slow", "search 2"]
    assert transcript.ended == 10.0


# -- ids


def test_ids_are_unique_to_the_call_and_the_trace_id_is_the_same_for_tools_and_grader():
    _, served = play(Turns(*[ask("search", "search")] * 6, answer()))
    *calls, grade = served.requests
    assert len({request["id"] for request in calls}) == len({request["call_id"] for request in calls}) == 12
    assert len({request["trace_id"] for request in served.requests}) == 1
    assert re.fullmatch(r"trace_[0-9a-f]{32}", grade["trace_id"])


def test_ids_differ_between_rollouts_and_between_runs_and_are_the_same_again():
    def first_request(index, run_key):
        of = trainer(run_key=run_key)
        served = Endpoints(of)
        replay(rollout(of, spec(index), Turns(ask(), answer()), 0.0), served)
        return served.requests[0]["trace_id"], served.requests[0]["id"]

    seen = [first_request(index, key) for index in (0, 1, 10, 11) for key in ("a", "b", "1")]
    assert len({trace for trace, _ in seen}) == len({id_ for _, id_ in seen}) == len(seen)
    assert first_request(1, "a") == first_request(1, "a")


def test_retries_send_the_same_bytes():
    failing = {0: lambda send: reply_to(send, 500)}
    _, served = play(Turns(ask(), answer()), calls=failing)
    assert len(served.sent) == 4
    assert len({send.body for send in served.sent}) == 1


def test_the_grader_is_told_every_call_the_answer_and_the_item():
    row = {"messages": [{"role": "user", "content": "?"}], "gold": 7}
    of = trainer(job("search", "cat", response_format={"type": "object"}))
    served = Endpoints(of)
    policy = Turns(ask("search", "cat"), ask("cat"), answer('{"a":1}'))
    replay(rollout(of, spec(of=item(row=row)), policy, 0.0), served)
    grade = served.requests[-1]
    assert grade["item"] == row
    assert grade["sample"]["output_text"] == '{"a":1}'
    assert grade["sample"]["output_json"] == {"a": 1}
    asked = [(call["id"], call["function"]["name"]) for call in grade["sample"]["output_tools"]]
    assert asked == [(request["call_id"], request["name"]) for request in served.requests[:-1]]


def test_without_a_response_format_the_answer_is_only_text():
    _, served = play(Turns(answer('{"a":1}')))
    assert served.requests[-1]["sample"]["output_json"] is None


# -- bad answers


def test_a_4xx_is_seen_by_the_model_and_the_rollout_goes_on():
    policy = Turns(ask(), ask(), answer())
    transcript, _ = play(policy, calls={0: lambda send: reply_to(send, 404, b"no such path")})
    assert shown(policy.seen)[1:] == [["no such path"], ["no such path"]]
    assert transcript.state == "graded"


def test_a_fatal_call_discards_the_rollout_without_a_further_turn_or_a_grader_call():
    policy = Turns(ask(), answer())
    transcript, served = play(policy, calls={0: lambda send: reply_to(send, 500, seconds=1.0)})
    assert (transcript.state, transcript.reason) == ("discarded", "search: http_5xx after 4 attempts")
    assert (len(policy.seen), len(served.sent), transcript.grade) == (1, 4, None)
    assert transcript.ended == 11.0, "four seconds of service and 1 + 2 + 4 of back-off"


def test_one_fatal_call_of_several_at_once_discards_after_the_others_are_back():
    failing = {1: lambda send: reply_to(send, fault=Fault.CONNECT_REFUSED)}
    transcript, served = play(Turns(ask("search", "search"), answer()), calls=failing, seconds=60.0)
    assert transcript.state == "discarded"
    assert transcript.reason == "search: connect_refused after 4 attempts"
    assert [outcome.fatal for outcome in transcript.turns[0]] == [False, True]
    assert transcript.ended == 60.0
    assert all(send.endpoint == 0 for send in served.sent)


def test_a_grader_that_keeps_failing_discards_the_rollout():
    transcript, served = play(Turns(answer()), grader=(200, b'{"score":"high"}'))
    assert (transcript.state, transcript.grade.score) == ("discarded", None)
    assert transcript.reason == "grader: malformed_answer after 4 attempts"
    assert len(served.sent) == 4


def test_a_job_whose_grader_the_platform_runs_is_not_graded_here():
    transcript, served = play(Turns(ask(), answer("a")), trainer(job(graded=False)))
    assert (transcript.state, transcript.grade, transcript.answer) == ("ungraded", None, "a")
    assert (len(served.sent), transcript.ended) == (1, 1.0)


def test_an_ungraded_rollout_lasts_until_its_last_thought():
    of = trainer(job(graded=False))
    core = rollout(of, spec(), Turns(ask(), answer(tokens=500)), 0.0)
    last = core.send(respond(next(core), Endpoints(of)))
    assert last == Wait(6.0)
    with pytest.raises(StopIteration) as stop:
        core.send(None)
    assert (stop.value.value.state, stop.value.value.ended) == ("ungraded", 6.0)


# -- memory


def test_a_long_output_is_shown_whole_and_cut_once_the_next_turn_is_there():
    long = "0123456789" * 50_000
    body = json.dumps({"output": long}).encode()
    endpoint = {0: lambda send: reply_to(send, 200, body), 1: lambda send: reply_to(send, 200, body)}
    policy = Turns(ask("search", "search"), ask("search"), answer())
    transcript, _ = play(policy, calls=endpoint)
    assert shown(policy.seen)[1:] == [[long, long], [long]]
    before, last = transcript.turns
    for outcome in before:
        assert len(outcome.output) < 10_000
        assert long.startswith(outcome.output)
        assert outcome.output_chars == len(long)
    assert last[0].output == long
    lines = LineWriter(endpoints_of(job()), 0.0, redactor(())).line(transcript)
    written = [call for turn in json.loads(lines)["turns"] for call in turn]
    assert [(call["output"], call["output_chars"]) for call in written] == [(long[:200], len(long))] * 3


# -- the cap on steps


@pytest.mark.parametrize(
    ("counts", "cap", "at_once", "calls_per_turn"),
    [
        ("call", 3, 1, [1, 1, 1]),
        ("call", 3, 2, [2, 1]),
        ("call", 4, 2, [2, 2]),
        ("turn", 3, 2, [2, 2, 2]),
        ("call_and_turn", 6, 1, [1, 1, 1]),
        ("call_and_turn", 7, 1, [1, 1, 1]),
        ("call_and_turn", 7, 2, [2, 2]),
        ("call_and_turn", 8, 2, [2, 2, 1]),
        ("call_and_turn", 1, 1, []),
    ],
)
def test_a_rollout_is_cut_short_at_the_cap_and_graded_with_an_empty_answer(
    counts, cap, at_once, calls_per_turn
):
    of = trainer(job(max_episode_steps=cap), episode_step=counts)
    transcript, served = play(endlessly(*["search"] * at_once), of)
    assert [len(turn) for turn in transcript.turns] == calls_per_turn
    assert (transcript.cut_short, transcript.state, transcript.answer) == (True, "graded", "")
    assert len(served.requests[-1]["sample"]["output_tools"]) == sum(calls_per_turn)


@pytest.mark.parametrize(("counts", "cap"), [("call", 4), ("turn", 2), ("call_and_turn", 6)])
def test_a_rollout_that_ends_exactly_at_the_cap_is_not_cut_short(counts, cap):
    of = trainer(job(max_episode_steps=cap), episode_step=counts)
    transcript, _ = play(Turns(ask("search", "search"), ask("search", "search"), answer("in time")), of)
    assert (transcript.cut_short, transcript.answer) == (False, "in time")


def test_without_a_cap_a_rollout_goes_on():
    transcript, _ = play(Turns(*[ask()] * 200, answer()))
    assert (len(transcript.turns), transcript.cut_short) == (200, False)


def test_a_fatal_call_in_the_last_allowed_turn_still_discards():
    of = trainer(job(max_episode_steps=1))
    transcript, _ = play(endlessly("search", "search"), of, calls={0: lambda send: reply_to(send, 500)})
    assert (transcript.state, transcript.cut_short) == ("discarded", True)


# -- interruption


def test_an_interrupted_rollout_keeps_what_it_had():
    of = trainer()
    core = rollout(of, spec(), Turns(ask(tokens=100), ask(), answer()), 0.0)
    due = core.send(respond(next(core), Endpoints(of))).due
    with pytest.raises(StopIteration) as stop:
        core.throw(Interrupted(due))
    transcript = stop.value.value
    assert (transcript.state, transcript.ended, transcript.reason) == ("interrupted", due, "")
    assert [len(turn) for turn in transcript.turns] == [1]
    assert (transcript.tokens, transcript.grade) == (100, None)


def test_a_rollout_interrupted_before_it_could_be_graded_has_no_grade():
    core = rollout(trainer(), spec(), Turns(answer("mine", tokens=200)), 0.0)
    assert next(core).due == 2.0
    with pytest.raises(StopIteration) as stop:
        core.throw(Interrupted(1.0))
    transcript = stop.value.value
    assert (transcript.state, transcript.grade, transcript.answer) == ("interrupted", None, "mine")


def test_a_turn_that_was_interrupted_keeps_the_outcomes_it_had():
    of = trainer()
    core = rollout(of, spec(), Turns(ask("search", "search"), answer()), 0.0)
    outcomes = replay_calls(next(core), Endpoints(of))
    with pytest.raises(StopIteration) as stop:
        core.throw(Interrupted(9.0, outcomes[:1]))
    assert stop.value.value.turns == (outcomes[:1],)
    assert (stop.value.value.state, stop.value.value.grade) == ("interrupted", None)


def test_a_single_call_that_was_out_when_it_was_interrupted_is_its_turn():
    core = rollout(trainer(), spec(), Turns(ask(), answer()), 0.0)
    next(core)
    with pytest.raises(StopIteration) as stop:
        core.throw(Interrupted(3.0))
    transcript = stop.value.value
    ((outcome,),) = transcript.turns
    assert (transcript.state, transcript.ended, transcript.grade) == ("interrupted", 3.0, None)
    assert (outcome.fault, outcome.done) == (Fault.UNFINISHED, 3.0)


def test_a_grader_call_that_was_interrupted_is_the_grade_and_gives_no_score():
    core = rollout(trainer(), spec(), Turns(answer("mine")), 0.0)
    next(core)
    with pytest.raises(StopIteration) as stop:
        core.throw(Interrupted(3.0))
    transcript = stop.value.value
    assert (transcript.state, transcript.turns, transcript.ended) == ("interrupted", (), 3.0)
    assert (transcript.grade.fault, transcript.grade.score) == (Fault.UNFINISHED, None)
