"""One call as the trainer makes it, driven by hand: no clock, no socket."""

import json

import pytest

from simulator.dialects.openai import OpenAI
from simulator.faults import Fault
from simulator.model import Reply, ToolCall
from simulator.plan.call import Interrupted, Send, Wait, call
from simulator.plan.rollout import Calls
from simulator.testing import replay_calls, reply_to
from tests.making import job, trainer

OPENAI = OpenAI()
IDS = OPENAI.call_ids("0" * 32, 0)
GOOD = b'{"type":"function_call_output","id":"%b","call_id":"%b","output":"found"}' % (
    IDS.id.encode(),
    IDS.call_id.encode(),
)


def tool_call(of, body=b"{}", due=10.0):
    return call(
        of,
        0,
        body,
        ToolCall("search", "{}"),
        IDS,
        due,
    )


def grader_call(of, due=10.0):
    return call(of, of.grader_index, b"{}", None, None, due)


def play(generator, *answers, seconds=0.5):
    """Answer each request with the next `(status, body)` or fault; returns the outcome and the requests."""
    sent, left = [], iter(answers)

    def answer(send):
        sent.append(send)
        given = next(left)
        if isinstance(given, Fault):
            return reply_to(send, fault=given, seconds=seconds)
        return reply_to(send, *given, seconds=seconds)

    (outcome,) = replay_calls(Calls(0.0, (lambda _: generator,)), answer)
    assert next(left, None) is None, "fewer requests than answers"
    return outcome, sent


def test_a_good_answer_is_one_attempt():
    recorded = []
    outcome, sent = play(tool_call(trainer(record=recorded.append)), (200, GOOD))
    assert sent == [Send(10.0, 0, b"{}")]
    assert (outcome.output, outcome.fault, outcome.fatal) == ("found", None, False)
    assert (outcome.call, outcome.call_id) == (ToolCall("search", "{}"), IDS.call_id)
    assert outcome.done == 10.5
    assert list(outcome.attempts) == recorded
    (attempt,) = recorded
    assert (attempt.number, attempt.due, attempt.sent, attempt.first_byte, attempt.done, attempt.status) == (
        1, 10.0, 10.0, 10.5, 10.5, 200,
    )  # fmt: skip


def test_three_5xx_and_then_an_answer_is_retried_three_times_and_goes_on():
    outcome, sent = play(tool_call(trainer()), *[(503, b"")] * 3, (200, GOOD))
    assert (outcome.output, outcome.fault, outcome.fatal) == ("found", None, False)
    assert [attempt.number for attempt in outcome.attempts] == [1, 2, 3, 4]
    assert [attempt.fault for attempt in outcome.attempts] == [Fault.HTTP_5XX] * 3 + [None]
    assert len({send.body for send in sent}) == 1


def test_retries_are_due_one_two_and_four_seconds_after_the_attempt_before_was_done():
    outcome, sent = play(tool_call(trainer()), *[(500, b"")] * 3, (200, GOOD), seconds=0.5)
    assert [send.due for send in sent] == [10.0, 11.5, 14.0, 18.5]
    assert [attempt.due for attempt in outcome.attempts] == [10.0, 11.5, 14.0, 18.5]
    assert outcome.done == 19.0


def test_four_5xx_are_fatal():
    outcome, _ = play(tool_call(trainer()), *[(500, b"oops")] * 4)
    assert (outcome.fatal, outcome.fault, len(outcome.attempts)) == (True, Fault.HTTP_5XX, 4)


def test_the_retries_setting_is_followed():
    outcome, _ = play(tool_call(trainer(tool_retries=0)), (500, b""))
    assert outcome.fatal
    outcome, _ = play(tool_call(trainer(tool_retries=5)), *[(500, b"")] * 5, (200, GOOD))
    assert not outcome.fatal


def test_a_4xx_is_shown_and_not_retried():
    outcome, _ = play(tool_call(trainer()), (404, b'{"detail":"no such path"}'))
    assert (outcome.output, outcome.fault, outcome.fatal) == (
        '{"detail":"no such path"}', Fault.HTTP_4XX, False,
    )  # fmt: skip


@pytest.mark.parametrize("status", [200, 302, 404])
def test_an_empty_body_is_shown_as_an_error_that_says_so(status):
    outcome, _ = play(tool_call(trainer()), (status, b""))
    shown = json.loads(outcome.output)["error"]
    assert str(outcome.fault) in shown["message"]
    assert "reached" not in shown["message"], "the tool was reached: it answered"


def test_an_answer_over_the_limit_is_shown_as_413_and_not_retried():
    outcome, _ = play(tool_call(trainer()), Fault.TOO_LARGE)
    assert json.loads(outcome.output)["error"]["code"] == 413
    assert (outcome.fatal, len(outcome.attempts)) == (False, 1)


def reading_stopped(status):
    """A reply of which only the head, with this status, was read: the body was over the limit."""
    return lambda send: Reply(send.due, send.due + 0.5, status, b"", send.due + 0.5, Fault.TOO_LARGE)


def test_a_5xx_over_the_limit_is_a_5xx_however_long_its_page():
    of = trainer()
    (outcome,) = replay_calls(Calls(0.0, (lambda _: tool_call(of),)), reading_stopped(503))
    assert [attempt.fault for attempt in outcome.attempts] == [Fault.HTTP_5XX] * 4
    assert (outcome.fatal, json.loads(outcome.output)["error"]["code"]) == (True, 503)


@pytest.mark.parametrize("status", [200, 302, 404, 499])
def test_any_other_answer_over_the_limit_is_shown_as_413(status):
    of = trainer()
    (outcome,) = replay_calls(Calls(0.0, (lambda _: tool_call(of),)), reading_stopped(status))
    assert [attempt.fault for attempt in outcome.attempts] == [Fault.TOO_LARGE]
    assert (outcome.fatal, json.loads(outcome.output)["error"]["code"]) == (False, 413)


@pytest.mark.parametrize("answer", [(200, GOOD), (404, b"no such path"), Fault.RESET], ids=str)
def test_an_outcome_knows_how_long_its_output_is(answer):
    outcome, _ = play(tool_call(trainer(unanswered="show")), answer)
    assert outcome.output_chars == len(outcome.output) > 0


@pytest.mark.parametrize(("size", "requests"), [(1_000_000, 1), (1_000_001, 0)])
def test_a_request_over_the_limit_is_never_sent(size, requests):
    answers = [(200, GOOD)] * requests
    recorded = []
    outcome, sent = play(tool_call(trainer(record=recorded.append), b"x" * size), *answers)
    assert len(sent) == requests
    if not requests:
        assert json.loads(outcome.output)["error"]["code"] == 413
        (attempt,) = recorded
        assert (attempt.fault, attempt.sent, attempt.done) == (Fault.REQUEST_TOO_LARGE, 10.0, 10.0)


def test_a_grader_request_over_the_limit_is_fatal_at_once():
    of = trainer(max_request_bytes=1)
    outcome, sent = play(grader_call(of))
    assert (outcome.fatal, outcome.fault, sent) == (True, Fault.REQUEST_TOO_LARGE, [])


@pytest.mark.parametrize(
    "failure",
    [
        (500, b""),
        (400, b"no"),
        (301, b""),
        (200, b"{}"),
        (200, b'{"score":"1"}'),
        Fault.TIMEOUT,
        Fault.TOO_LARGE,
    ],
    ids=str,
)
def test_a_grader_call_is_retried_on_anything_and_then_fatal(failure):
    outcome, _ = play(grader_call(trainer()), failure, failure, failure, (200, b'{"score":0.5}'))
    assert (outcome.score, outcome.fault, outcome.fatal) == (0.5, None, False)
    outcome, _ = play(grader_call(trainer()), *[failure] * 4)
    assert (outcome.score, outcome.fatal, len(outcome.attempts)) == (None, True, 4)


def test_soft_errors_and_violations_are_of_the_last_attempt():
    outcome, _ = play(tool_call(trainer()), (500, b""), (200, b'{"output":"Error: bad"}'))
    assert outcome.soft_error
    assert "missing_type" in outcome.violations


# -- the grader's rate limit


def test_a_place_in_the_rate_limits_queue_is_taken_when_due_and_not_before():
    of = trainer(job(rate_limit=2.0))
    early, late = grader_call(of, due=100.0), grader_call(of, due=1.0)
    # The call that is due later is asked first; if it took its place now, the other would wait 99 seconds.
    assert next(early) == Wait(100.0)
    assert next(late) == Wait(1.0)
    assert late.send(None) == Send(1.0, of.grader_index, b"{}")
    assert early.send(None) == Send(100.0, of.grader_index, b"{}")


def test_calls_due_at_once_are_spaced_by_the_rate_limit():
    of = trainer(job(rate_limit=2.0))
    dues = []

    def answer(send):
        dues.append(send.due)
        return reply_to(send, 200, b'{"score":1}', seconds=7)

    outcomes = replay_calls(Calls(0.0, (lambda _: grader_call(of),) * 4, at_once=4), answer)
    assert dues == [10.0, 10.5, 11.0, 11.5]
    assert [outcome.attempts[0].due for outcome in outcomes] == dues, "waiting for the limit is not our delay"


def test_retries_stand_in_the_rate_limits_queue_too():
    of = trainer(job(rate_limit=0.1), retry_backoff_s=1.0)
    outcome, sent = play(grader_call(of), (500, b""), (200, b'{"score":1}'), seconds=0)
    assert [send.due for send in sent] == [10.0, 20.0]
    assert not outcome.fatal


def test_tools_have_no_rate_limit():
    of = trainer(job(rate_limit=0.1))
    assert isinstance(next(tool_call(of)), Send)


# -- the end of the run


def interrupted_at(at, generator):
    """Throw the end of the run in, and return the outcome of the call."""
    with pytest.raises(StopIteration) as stop:
        generator.throw(Interrupted(at))
    return stop.value.value


@pytest.mark.parametrize("make", [tool_call, grader_call])
def test_a_call_whose_request_was_out_ends_unfinished_and_nothing_follows(make):
    recorded = []
    generator = make(trainer(record=recorded.append))
    next(generator)
    outcome = interrupted_at(15.0, generator)
    (attempt,) = outcome.attempts
    assert recorded == [attempt]
    assert (attempt.fault, attempt.due, attempt.sent, attempt.done) == (Fault.UNFINISHED, 10.0, 10.0, 15.0)
    assert (outcome.fault, outcome.fatal, outcome.done, outcome.score) == (
        Fault.UNFINISHED, False, 15.0, None,
    )  # fmt: skip


@pytest.mark.parametrize("at", [9.0, 10.0])
def test_a_call_that_was_not_due_yet_leaves_nothing(at):
    recorded = []
    generator = tool_call(trainer(record=recorded.append))
    next(generator)
    with pytest.raises(Interrupted):
        generator.throw(Interrupted(at))
    assert recorded == []


def test_a_call_that_waited_for_its_rate_limit_leaves_nothing():
    recorded = []
    of = trainer(job(rate_limit=0.1), record=recorded.append)
    first, second = grader_call(of), grader_call(of)
    for generator in (first, second):
        assert next(generator) == Wait(10.0)
    first.send(None)
    assert second.send(None).due == 20.0
    for generator in (second, grader_call(of)):
        with pytest.raises(Interrupted):
            (generator.throw if generator is second else _begun(generator).throw)(Interrupted(12.0))
    assert recorded == []


def _begun(generator):
    next(generator)
    return generator


def test_a_retry_that_was_out_keeps_the_attempts_before_it():
    generator = tool_call(trainer())
    send = next(generator)
    retry = generator.send(reply_to(send, 503))
    assert retry.due == 11.0
    outcome = interrupted_at(12.0, generator)
    assert [attempt.fault for attempt in outcome.attempts] == [Fault.HTTP_5XX, Fault.UNFINISHED]
