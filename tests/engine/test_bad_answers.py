"""Every row of the contract's table of bad answers, over a real socket and through the whole engine.

The tally must say what happened, and the rollout must end as the table says.
"""

import itertools
import json

import pytest

from simulator.faults import Fault
from simulator.model import Load
from simulator.testing import CLOSE, HANG, RESET, http, ok
from tests.engine.stage import Played, good
from tests.making import Turns, answer, ask, shown

SHOWN_413 = '{"error":{"code":413,"message":"the tool\'s answer is larger than 1 MB"}}'


class Failing:
    """Plays `script` for the first `times` calls of `path`, and is good otherwise.

    No connection is kept: one that breaks before its second answer is no fault but a reason to send again.
    """

    def __init__(self, script, *, times=1000, path="/search"):
        self._script, self._left, self._path = script, times, path

    def __call__(self, request):
        if request.target == self._path and self._left:
            self._left -= 1
            return self._script
        return [good(request, close=True)]


def two_turns(_item, _rng):
    return Turns(ask("search"), ask("search"), answer("done"))


async def play(script, *, times=1000, path="/search", **settings):
    settings.setdefault("make_policy", two_turns)
    return await Played(Failing(script, times=times, path=path), **settings).play()


def saw(played):
    return shown(played.policies[0].seen)[1:]


def counted(tally):
    return {name: getattr(tally, name) for name in ("calls", "attempts", "given_up", "soft_errors")}


# -- tools


async def test_good_answers_count_no_fault(clock):
    played = await play([], times=0)
    assert (played.states, saw(played)) == (["graded"], [["found"], ["found"]])
    assert counted(played.endpoint()) == {"calls": 2, "attempts": 2, "given_up": 0, "soft_errors": 0}
    assert counted(played.endpoint("grader")) == {"calls": 1, "attempts": 1, "given_up": 0, "soft_errors": 0}
    assert not any(tally.faults or tally.violations for tally in played.tally.endpoints.values())


async def test_a_soft_error_is_shown_and_counted_as_such_only(clock):
    played = await play([ok(b'{"output":"Error: not a valid document"}')], times=1)
    assert (played.states, saw(played)) == (["graded"], [["Error: not a valid document"], ["found"]])
    tally = played.endpoint()
    assert counted(tally) == {"calls": 2, "attempts": 2, "given_up": 0, "soft_errors": 1}
    assert (tally.faults, tally.violations["missing_type"]) == ({}, 1)


@pytest.mark.parametrize("status", [400, 404, 422, 429])
async def test_a_4xx_is_shown_to_the_model_and_the_rollout_goes_on(clock, status):
    played = await play([http(status, b'{"detail":"no such path"}')], times=1)
    assert (played.states, saw(played)) == (["graded"], [['{"detail":"no such path"}'], ["found"]])
    assert counted(played.endpoint()) == {"calls": 2, "attempts": 2, "given_up": 0, "soft_errors": 0}
    assert played.endpoint().faults == {Fault.HTTP_4XX: 1}
    (record,) = played.tally.rollouts
    assert record.endpoint_failed


async def test_a_4xx_with_an_output_shows_the_output(clock):
    played = await play([http(404, b'{"output":"try another path"}')], times=1)
    assert saw(played) == [["try another path"], ["found"]]
    assert played.endpoint().faults == {Fault.HTTP_4XX: 1}


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_three_5xx_are_retried_and_the_rollout_goes_on(clock, status):
    played = await play([http(status, b"")], times=3)
    assert (played.states, saw(played)) == (["graded"], [["found"], ["found"]])
    assert counted(played.endpoint()) == {"calls": 2, "attempts": 5, "given_up": 0, "soft_errors": 0}
    assert played.endpoint().faults == {Fault.HTTP_5XX: 3}
    assert not played.tally.rollouts[0].endpoint_failed


async def test_a_fourth_5xx_discards_the_whole_rollout(clock):
    played = await play([http(500, b"oops")], times=4)
    (transcript,) = played.transcripts
    assert (transcript.state, transcript.reason) == ("discarded", "search: http_5xx after 4 attempts")
    assert counted(played.endpoint()) == {"calls": 1, "attempts": 4, "given_up": 1, "soft_errors": 0}
    assert played.endpoint("grader").attempts == 0
    assert saw(played) == []
    assert transcript.ended - transcript.started == pytest.approx(7.0), "back-off of 1, 2 and 4 seconds"


async def test_only_the_rollout_that_failed_is_discarded(clock):
    def respond(request):
        asked = request.json()
        failing = asked["item"]["messages"][0]["content"] == "q1" and request.target == "/search"
        return [http(500, b"")] if failing else [good(request)]

    played = await Played(respond, load=Load(batch_size=3, group_size=4)).play()
    by_group = {group: set() for group in range(3)}
    for record in played.tally.rollouts:
        by_group[record.group].add(record.state)
    assert by_group == {0: {"graded"}, 1: {"discarded"}, 2: {"graded"}}
    assert played.endpoint().given_up == 4


async def test_an_answer_over_1_mb_is_shown_as_413_and_reading_stops(clock):
    large = b'{"output":"%b"}' % (b"x" * 50_000_000)
    played = await play([ok(large)], times=1)
    assert (played.states, saw(played)) == (["graded"], [[SHOWN_413], ["found"]])
    assert played.endpoint().faults == {Fault.TOO_LARGE: 1}
    assert played.server.bytes_sent < 25_000_000


HUGE = b"x" * 5_000_000


async def test_a_5xx_over_1_mb_is_retried_like_any_other(clock):
    played = await play([http(502, HUGE)], times=3)
    assert (played.states, saw(played)) == (["graded"], [["found"], ["found"]])
    assert played.endpoint().faults == {Fault.HTTP_5XX: 3}
    played = await play([http(502, HUGE)])
    assert (played.states, played.endpoint().faults) == (["discarded"], {Fault.HTTP_5XX: 4})


async def test_a_4xx_over_1_mb_is_shown_as_413(clock):
    played = await play([http(404, HUGE)], times=1)
    assert (played.states, saw(played)) == (["graded"], [[SHOWN_413], ["found"]])
    assert played.endpoint().faults == {Fault.TOO_LARGE: 1}


async def test_an_answer_of_exactly_1_mb_is_shown(clock):
    output = b"x" * (1_000_000 - len(b'{"output":""}'))
    played = await play([ok(b'{"output":"%b"}' % output)], times=1)
    assert saw(played)[0] == [output.decode()]
    assert not played.endpoint().faults


async def test_a_request_over_1_mb_is_never_sent(clock):
    big = ask("search")
    big = type(big)(calls=(type(big.calls[0])("search", json.dumps({"q": "x" * 1_000_000})),))
    played = await play([], times=0, make_policy=lambda *_: Turns(big, ask("search"), answer("done")))
    assert [request.target for request in played.server.requests] == ["/search"]
    assert saw(played)[0] == ['{"error":{"code":413,"message":"the tool call is larger than 1 MB"}}']
    assert played.endpoint().faults == {
        Fault.REQUEST_TOO_LARGE: 1,
    }
    # The grader is told of every call, so this one's request is too large as well, and no retry can help.
    assert played.states == ["discarded"]
    assert counted(played.endpoint("grader")) == {"calls": 1, "attempts": 1, "given_up": 1, "soft_errors": 0}


async def test_no_answer_is_waited_for_ten_minutes_and_then_retried(clock):
    played = await play([HANG], times=1)
    (transcript,) = played.transcripts
    assert transcript.state == "graded"
    first, second = transcript.turns[0][0].attempts
    assert (first.fault, first.done - first.sent) == (Fault.TIMEOUT, pytest.approx(600.0))
    assert second.due == pytest.approx(first.done + 1.0)
    assert played.endpoint().faults == {Fault.TIMEOUT: 1}


UNANSWERED = {
    "reset before the head": ([RESET], Fault.RESET),
    "closed before the head": ([CLOSE], Fault.RESET),
    "cut short": ([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", 0.1, CLOSE], Fault.TRUNCATED),
    "reset inside": ([b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", 0.1, RESET], Fault.TRUNCATED),
    "no HTTP": ([b"SSH-2.0-x\r\n", 0.1, CLOSE], Fault.MALFORMED_HTTP),
    "no answer": ([HANG], Fault.TIMEOUT),
}


@pytest.mark.parametrize(("script", "fault"), UNANSWERED.values(), ids=UNANSWERED)
async def test_without_a_usable_answer_a_call_is_retried_and_then_discarded(clock, script, fault):
    played = await play(script, times=3)
    assert (played.states, played.endpoint().faults) == (["graded"], {fault: 3})
    played = await play(script)
    assert (played.states, played.endpoint().faults) == (["discarded"], {fault: 4})
    assert counted(played.endpoint()) == {"calls": 1, "attempts": 4, "given_up": 1, "soft_errors": 0}


@pytest.mark.parametrize(("script", "fault"), UNANSWERED.values(), ids=UNANSWERED)
async def test_without_a_usable_answer_the_model_may_be_shown_an_error_instead(clock, script, fault):
    played = await play(script, times=1, unanswered="show")
    code = 504 if fault is Fault.TIMEOUT else 502
    assert played.states == ["graded"]
    assert json.loads(saw(played)[0][0])["error"]["code"] == code
    assert played.endpoint().faults == {fault: 1}


async def test_without_a_usable_answer_a_rollout_may_be_discarded_at_once(clock):
    played = await play([RESET], unanswered="discard")
    assert (played.states, played.endpoint().attempts) == (["discarded"], 1)


async def test_what_never_answered_has_no_service_time(clock):
    played = await play([RESET], times=3)
    assert (played.endpoint().attempts, played.endpoint().service.count) == (5, 2)


@pytest.mark.parametrize(
    "body", [b"", b"plain", b"[]", b'{"result":"x"}', b'{"output":null}', b'{"output":"\xff"}']
)
async def test_a_2xx_without_an_output_is_shown_as_it_came(clock, body):
    played = await play([ok(body)], times=1)
    assert played.states == ["graded"]
    if body:
        assert saw(played)[0] == [body.decode("utf-8", "replace")]
    assert played.endpoint().faults == {Fault.MALFORMED_ANSWER: 1}


async def test_a_redirect_is_not_followed(clock):
    played = await play([http(307, b"moved", "location: /elsewhere")], times=1)
    assert (played.states, saw(played)[0]) == (["graded"], ["moved"])
    assert played.endpoint().faults == {Fault.HTTP_3XX: 1}
    assert {request.target for request in played.server.requests} == {"/search", "/grade"}


async def test_wrong_ids_are_violations_and_no_fault(clock):
    body = b'{"type":"function_call_output","id":"fc_x","call_id":"call_x","output":"found"}'
    played = await play([ok(body)])
    assert played.states == ["graded"]
    assert played.endpoint().violations == {"wrong_id": 2, "wrong_call_id": 2}
    assert not played.endpoint().faults


async def test_one_failing_call_of_a_parallel_turn_discards_after_all_are_back(clock):
    def respond(request):
        if request.target == "/cat":
            return [http(500, b"")]
        return [30.0, good(request)]

    played = await Played(
        respond,
        tools=("search", "cat"),
        make_policy=lambda *_: Turns(ask("search", "cat", "search"), answer("done")),
    ).play()
    (transcript,) = played.transcripts
    assert (transcript.state, transcript.reason) == ("discarded", "cat: http_5xx after 4 attempts")
    assert [outcome.fatal for outcome in transcript.turns[0]] == [False, True, False]
    assert transcript.ended - transcript.started == pytest.approx(30.0)


# -- the grader

GRADER_FAILURES = {
    "5xx": ([http(503, b"")], Fault.HTTP_5XX),
    "4xx": ([http(400, b"bad")], Fault.HTTP_4XX),
    "3xx": ([http(302, b"")], Fault.HTTP_3XX),
    "no score": ([ok(b"{}")], Fault.MALFORMED_ANSWER),
    "a score in words": ([ok(b'{"score":"1"}')], Fault.MALFORMED_ANSWER),
    "reset": ([RESET], Fault.RESET),
    "no answer": ([HANG], Fault.TIMEOUT),
    "too large": ([ok(b'{"score":1,"why":"%b"}' % (b"x" * 2_000_000)), CLOSE], Fault.TOO_LARGE),
}


@pytest.mark.parametrize(("script", "fault"), GRADER_FAILURES.values(), ids=GRADER_FAILURES)
async def test_a_grader_call_is_retried_whatever_the_reason_and_then_discards(clock, script, fault):
    played = await play(script, times=3, path="/grade")
    assert (played.states, played.tally.rollouts[0].score) == (["graded"], 1.0)
    assert played.endpoint("grader").faults == {fault: 3}
    played = await play(script, path="/grade")
    assert (played.states, played.tally.rollouts[0].score) == (["discarded"], None)
    assert counted(played.endpoint("grader")) == {"calls": 1, "attempts": 4, "given_up": 1, "soft_errors": 0}
    assert played.endpoint("grader").faults == {fault: 4}


async def test_the_graders_rate_limit_spaces_its_calls_and_is_not_our_delay(clock):
    played = await Played(load=Load(batch_size=1, group_size=6), rate_limit=2.0).play()
    sent = sorted(transcript.grade.attempts[0].sent for transcript in played.transcripts)
    gaps = [after - before for before, after in itertools.pairwise(sent)]
    assert gaps == pytest.approx([0.5] * 5)
    assert played.endpoint("grader").delay.max_ms < 1.0


async def test_a_job_without_an_endpoint_grader_ends_ungraded(clock):
    played = await Played(graded=False).play()
    assert played.states == ["ungraded"]
    assert [request.target for request in played.server.requests] == ["/search"]
