"""A transcript as a line of `rollouts.jsonl`."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.faults import Fault, Violation
from simulator.measure.lines import SHOWN_CHARS, LineWriter
from simulator.model import Attempt, Outcome, ToolCall, Transcript
from simulator.plan.trainer import endpoints_of
from simulator.redaction import redactor
from tests.making import job, spec

SECRET = "s3cr3t-t0ken"


def line(transcript, *secrets, origin=100.0):
    return json.loads(LineWriter(endpoints_of(job()), origin, redactor(secrets)).line(transcript))


def transcript(output="found", *, arguments="{}", answer="42"):
    attempts = (
        Attempt(0, 1, 100.0, 100.0015, 101.0, None, 0, Fault.RESET),
        Attempt(0, 2, 102.0, 102.0, 102.25, 102.125, 200),
    )
    call = Outcome(
        0,
        ToolCall("search", arguments),
        attempts,
        102.25,
        "call_1",
        output,
        len(output),
        soft_error=True,
        violations=(Violation.MISSING_TYPE,),
    )
    grade = Outcome(1, None, (Attempt(1, 1, 103.0, 103.0, 103.5, 103.5, 200),), 103.5, score=0.5)
    return Transcript(
        spec(7, group=3, step=2), "trace_x", "graded", 100.0, 103.5, ((call,),), grade, answer, 120, 0.75
    )


# fmt: off
def test_a_line_tells_the_whole_rollout_in_milliseconds_since_the_run_began():
    assert line(transcript()) == {
        "rollout": 7, "step": 2, "kind": "training", "group": 3, "place": 0, "item": 0,
        "item_line": 1, "split": "train",
        "trace_id": "trace_x", "state": "graded", "reason": "", "score": 0.5, "answer": "42", "tokens": 120,
        "cut_short": False, "started_ms": 0.0, "ended_ms": 3500.0, "think_ms": 750.0,
        "turns": [[{
            "endpoint": "search", "call_id": "call_1", "arguments": "{}", "output": "found",
            "output_chars": 5, "fault": None, "soft_error": True, "violations": ["missing_type"],
            "attempts": [
                {"due_ms": 0.0, "sent_ms": 1.5, "first_byte_ms": None, "done_ms": 1000.0, "status": 0,
                 "fault": "reset"},
                {"due_ms": 2000.0, "sent_ms": 2000.0, "first_byte_ms": 2125.0, "done_ms": 2250.0,
                 "status": 200, "fault": None},
            ],
        }]],
        "grade": {
            "endpoint": "grader", "call_id": "", "arguments": None, "output": "", "output_chars": 0,
            "fault": None, "soft_error": False, "violations": [],
            "attempts": [{"due_ms": 3000.0, "sent_ms": 3000.0, "first_byte_ms": 3500.0, "done_ms": 3500.0,
                          "status": 200, "fault": None}],
        },
    }
# fmt: on


def test_a_line_is_one_line_whatever_was_said():
    said = "a\nb\r\n\u2028\0"
    written = LineWriter(endpoints_of(job()), 0.0, redactor(())).line(transcript(said, answer=said))
    assert b"\n" not in written
    assert json.loads(written)["answer"] == said


def test_a_long_output_is_cut_and_its_length_kept():
    (call,) = line(transcript("x" * 10_000))["turns"][0]
    assert (call["output"], call["output_chars"]) == ("x" * SHOWN_CHARS, 10_000)


def test_secrets_are_redacted_wherever_they_were_said():
    written = line(transcript(f"no {SECRET}", arguments=f'{{"k":"{SECRET}"}}', answer=SECRET), SECRET)
    (call,) = written["turns"][0]
    assert (call["output"], call["arguments"], written["answer"]) == ("no ***", '{"k":"***"}', "***")


def test_the_length_is_that_of_the_whole_output_where_only_its_beginning_was_kept():
    whole = transcript("x" * 8192)
    (call,) = whole.turns[0]
    of_more = msgspec.structs.replace(call, output_chars=1_000_000)
    (written,) = line(msgspec.structs.replace(whole, turns=((of_more,),)))["turns"][0]
    assert (written["output"], written["output_chars"]) == ("x" * SHOWN_CHARS, 1_000_000)


@pytest.mark.parametrize("before", [0, SHOWN_CHARS - 5, SHOWN_CHARS - 1, SHOWN_CHARS])
def test_a_secret_at_the_cut_leaves_no_beginning_of_itself(before):
    (call,) = line(transcript("." * before + SECRET + "." * 10_000), SECRET)["turns"][0]
    assert "s3" not in call["output"]
    assert call["output"].startswith("." * min(before, SHOWN_CHARS - len(SECRET)))


@given(st.text(alphabet=".x", max_size=20), st.integers(1, 600), st.integers(5, 200))
def test_an_output_full_of_secrets_shows_no_part_of_one(filling, repeats, length):
    secret = "".join(chr(65 + n % 26) for n in range(length))
    (call,) = line(transcript((secret + filling) * repeats), secret)["turns"][0]
    assert not set(call["output"]) - set("*.x")
    assert len(call["output"]) <= SHOWN_CHARS
