"""The dialect `openai` against hand-written wire examples, and against every answer an endpoint may give."""

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.dialects.base import CallIds
from simulator.dialects.openai import OpenAI
from simulator.faults import Fault, Violation
from simulator.model import ToolCall
from tests.making import item

GOLDEN = Path(__file__).parent.parent / "golden"
KEY = "00112233445566778899aabbccddeeff"
OPENAI = OpenAI()
IDS = OPENAI.call_ids(KEY, 2)
GOOD = {"type": "function_call_output", "call_id": IDS.call_id, "id": IDS.id, "output": "x"}


def golden(name: str) -> bytes:
    return (GOLDEN / name).read_bytes()


def read(status: int, **changes):
    """Read a good answer with changes; None takes a key out."""
    answer = {key: value for key, value in (GOOD | changes).items() if value is not None}
    return OPENAI.read_tool_answer(IDS, status, json.dumps(answer).encode())


# -- requests


def test_a_tool_call_is_encoded_like_the_hand_written_example():
    wire = json.loads(golden("tool_request.json"))
    call = ToolCall("search_catalog", wire["arguments"])
    body = OPENAI.tool_request(IDS, call, OPENAI.trace_id(KEY), item(row=wire["item"]))
    encoded = json.loads(body)
    assert encoded == wire
    assert encoded.keys() == wire.keys()
    assert isinstance(encoded["arguments"], str)


def test_the_item_is_sent_byte_for_byte_as_the_dataset_has_it():
    row = b'{"price": 1.10,"n":1e2 ,"s":"\\u00e9"}'
    whole = msgspec.structs.replace(item(), json=msgspec.Raw(row))
    assert row in OPENAI.tool_request(IDS, ToolCall("t", "{}"), "trace_x", whole)
    assert row in OPENAI.grader_request("a", [], "trace_x", whole, as_json=False)


def test_a_grader_call_is_encoded_like_the_hand_written_example():
    wire = json.loads(golden("grader_request.json"))
    calls = [
        (OPENAI.call_ids(KEY, 0), ToolCall("search_catalog", '{"query":"a"}')),
        (OPENAI.call_ids(KEY, 1), ToolCall("cat", "{}")),
    ]
    body = OPENAI.grader_request(
        '{"total": 12.5}', calls, OPENAI.trace_id(KEY), item(row=wire["item"]), as_json=True
    )
    encoded = json.loads(body)
    assert encoded == wire
    assert encoded["sample"].keys() == wire["sample"].keys()
    assert encoded["sample"]["choices"][0]["message"].keys() == wire["sample"]["choices"][0]["message"].keys()


@pytest.mark.parametrize(
    ("answer", "as_json", "expected"),
    [
        ('{"a": 1}', False, None),
        ("no json", True, None),
        ("", True, None),
        ("[1, 2]", True, [1, 2]),
        ("[" * 100_000 + "]" * 100_000, True, None),
    ],
)
def test_output_json_is_filled_only_for_a_response_format_and_an_answer_that_parses(
    answer, as_json, expected
):
    body = OPENAI.grader_request(answer, [], "trace_x", item(), as_json=as_json)
    assert json.loads(body)["sample"]["output_json"] == expected
    assert json.loads(body)["sample"]["output_text"] == answer


def test_ids_have_the_platforms_shape_and_differ_between_calls():
    assert OPENAI.trace_id(KEY) == f"trace_{KEY}"
    ids = [OPENAI.call_ids(KEY, number) for number in range(300)]
    assert all(i.id.startswith("fc_") and i.call_id.startswith("call_") for i in ids)
    assert len({i.id for i in ids}) == len({i.call_id for i in ids}) == 300


@given(*[st.text()] * 5)
def test_what_is_encoded_is_what_the_endpoint_reads(id_, call_id, name, arguments, trace_id):
    ids, call = CallIds(id_, call_id), ToolCall(name, arguments)
    request = OPENAI.read_tool_request(OPENAI.tool_request(ids, call, trace_id, item()))
    assert (request.ids, request.call, request.trace_id, request.item) == (
        ids, call, trace_id, bytes(item().json),
    )  # fmt: skip


@given(st.text(), st.lists(st.tuples(st.text(), st.text()), max_size=4), st.booleans())
def test_a_grader_call_survives_the_round_trip(answer, calls, as_json):
    asked = [(OPENAI.call_ids(KEY, n), ToolCall(*call)) for n, call in enumerate(calls)]
    request = OPENAI.read_grader_request(
        OPENAI.grader_request(answer, asked, "trace_x", item(), as_json=as_json)
    )
    assert request.answer == answer
    assert request.calls == tuple(call for _, call in asked)
    assert request.trace_id == "trace_x"


@given(st.text())
def test_an_answer_that_the_endpoints_side_writes_is_read_without_violations(output):
    reading = OPENAI.read_tool_answer(IDS, 200, OPENAI.tool_answer(IDS, output))
    assert (reading.output, reading.fault, reading.violations) == (output, None, ())


@given(st.binary() | st.recursive(st.none() | st.text(), st.lists).map(msgspec.json.encode))
def test_a_request_that_is_none_is_a_value_error(body):
    for reader in (OPENAI.read_tool_request, OPENAI.read_grader_request):
        with pytest.raises(ValueError, match=r"."):
            reader(body)


# -- a tool's answers


def test_the_hand_written_answers_are_read_as_the_contract_says():
    reading = OPENAI.read_tool_answer(IDS, 200, golden("tool_answer.json"))
    assert reading.output == 'three hits: café "A",\n"B"'
    assert (reading.fault, reading.soft_error, reading.violations) == (None, False, ())

    reading = OPENAI.read_tool_answer(IDS, 200, golden("tool_answer_without_type.json"))
    assert reading.output == "Error: not a valid document"
    assert (reading.fault, reading.soft_error) == (None, True)
    assert reading.violations == (Violation.MISSING_TYPE,)

    payload = golden("tool_answer_4xx.json")
    reading = OPENAI.read_tool_answer(IDS, 422, payload)
    assert (reading.output, reading.fault) == (payload.decode(), Fault.HTTP_4XX)

    reading = OPENAI.read_grader_answer(200, golden("grader_answer.json"))
    assert (reading.score, reading.fault) == (0.75, None)


@pytest.mark.parametrize(
    ("changes", "violations"),
    [
        ({}, ()),
        ({"type": None}, ("missing_type",)),
        ({"type": "tool_output"}, ("wrong_type",)),
        ({"id": None}, ("missing_id",)),
        ({"id": "fc_other"}, ("wrong_id",)),
        ({"call_id": None}, ("missing_call_id",)),
        ({"call_id": "call_other"}, ("wrong_call_id",)),
        ({"id": 7}, ("wrong_id",)),
        ({"output": {"hits": [1]}}, ("output_not_a_string",)),
        ({"type": None, "id": None, "call_id": None}, ("missing_type", "missing_id", "missing_call_id")),
        ({"extra": [1, {"a": 2}]}, ()),
    ],
)
def test_a_usable_answer_that_breaks_the_contract_is_a_violation_and_no_fault(changes, violations):
    reading = read(200, **changes)
    assert reading.fault is None
    assert reading.violations == violations


@pytest.mark.parametrize(
    ("output", "text"),
    [({"a": [1, "é"]}, '{"a":[1,"é"]}'), ([], "[]"), (0, "0"), (False, "false"), (1.5, "1.5")],
)
def test_an_output_that_is_no_string_is_shown_as_json(output, text):
    assert read(200, output=output).output == text


@pytest.mark.parametrize(
    "output",
    [
        "Error: not a valid document",
        "error: no such file",
        "  ERROR : x",
        "ValueError: bad",
        "requests.exceptions.Timeout exception: gone",
        "Tool error: none",
        "Error!",
        "Error",
        "error\n",
        "Traceback (most recent call last):\n  File",
        '{"error": "no such path"}',
        '{"error":{"code":1}}',
        '{ "error" : true }',
    ],
)
def test_an_error_told_in_the_output_is_a_soft_error(output):
    reading = read(200, output=output)
    assert (reading.output, reading.fault, reading.soft_error) == (output, None, True)


@pytest.mark.parametrize(
    "output",
    [
        "Error rates fell 5%",
        "error rates: 5%",
        "No errors found",
        "terror",
        '{"error": null, "hits": []}',
        '{"error":false}',
        '{"error":""}',
        '{"error":{}}',
        '{"error": [ ]}',
        '{"hits":[],"error":"x"}',
        "",
        "Exceptional: growth",
    ],
)
def test_an_output_that_only_speaks_of_errors_is_no_soft_error(output):
    assert read(200, output=output).soft_error is False


@pytest.mark.parametrize("blank", [" ", "\n", " \t", "a"])
def test_only_the_beginning_of_an_output_tells_a_soft_error(blank):
    # A pattern that is led through a megabyte of blanks goes through it again for each of them.
    assert read(200, output=blank * 1_000_000).soft_error is False
    assert read(200, output=blank * 1_000_000 + "Error: bad").soft_error is False
    assert read(200, output=" " * 200 + "Error: bad" + blank * 1_000_000).soft_error is True


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain text",
        b"<html>502</html>",
        b"null",
        b"[]",
        b'["output"]',
        b'"output"',
        b"{}",
        b'{"output":null}',
        b'{"Output":"x"}',
        b'{"output":"x"',
        b'{"output":"\xff\xfe"}',
        b'{"output":NaN}',
        b'{"output":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b"[" * 500_000,
    ],
    ids=lambda body: body[:20],
)
def test_a_2xx_without_an_output_is_a_malformed_answer_shown_as_it_came(body):
    reading = OPENAI.read_tool_answer(IDS, 200, body)
    assert (reading.output, reading.fault) == (body.decode("utf-8", "replace"), Fault.MALFORMED_ANSWER)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (301, Fault.HTTP_3XX),
        (400, Fault.HTTP_4XX),
        (404, Fault.HTTP_4XX),
        (429, Fault.HTTP_4XX),
        (500, Fault.HTTP_5XX),
        (503, Fault.HTTP_5XX),
        (600, Fault.MALFORMED_HTTP),
        (199, Fault.MALFORMED_HTTP),
    ],
)
def test_an_error_status_is_a_fault_with_and_without_an_output(status, fault):
    with_output = read(status, output="told")
    assert (with_output.output, with_output.fault, with_output.soft_error) == ("told", fault, False)
    assert read(status, output={"a": 1}).output == '{"a":1}'
    without = OPENAI.read_tool_answer(IDS, status, b'{"detail":"no"}')
    assert (without.output, without.fault) == ('{"detail":"no"}', fault)
    not_json = OPENAI.read_tool_answer(IDS, status, b"\xffno")
    assert (not_json.output, not_json.fault) == ("�no", fault)


@pytest.mark.parametrize("status", [200, 201, 202, 299])
def test_every_2xx_with_an_output_is_an_answer(status):
    assert read(status).fault is None


# -- a grader's answers


@pytest.mark.parametrize(
    ("body", "score"),
    [
        (b'{"score":1}', 1.0),
        (b'{"score":0}', 0.0),
        (b'{"score":-0.5}', -0.5),
        (b'{"score":1e3,"why":["x"]}', 1000.0),
        (b' { "score" : 0.25 } ', 0.25),
    ],
)
def test_a_score_is_any_finite_number(body, score):
    reading = OPENAI.read_grader_answer(200, body)
    assert (reading.score, reading.fault) == (score, None)


@pytest.mark.parametrize(
    "body",
    [
        b'{"score":"1"}',
        b'{"score":true}',
        b'{"score":null}',
        b'{"score":NaN}',
        b'{"score":Infinity}',
        b'{"score":1e999}',
        b'{"score":1' + b"0" * 400 + b"}",
        b'{"score":[1]}',
        b"{}",
        b"1",
        b"[0.5]",
        b"null",
        b"",
        b"ok",
        b'{"score":1',
        b'{"score":1,"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
    ids=lambda body: body[:20],
)
def test_a_score_that_is_no_finite_number_is_a_malformed_answer(body):
    reading = OPENAI.read_grader_answer(200, body)
    assert (reading.score, reading.fault) == (None, Fault.MALFORMED_ANSWER)


@pytest.mark.parametrize(
    ("status", "fault"), [(302, Fault.HTTP_3XX), (429, Fault.HTTP_4XX), (500, Fault.HTTP_5XX)]
)
def test_a_score_under_an_error_status_does_not_count(status, fault):
    reading = OPENAI.read_grader_answer(status, b'{"score":1}')
    assert (reading.score, reading.fault) == (None, fault)


# -- readers never raise

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_KEYS = st.sampled_from(["type", "call_id", "id", "output", "score", "error"])
_BODIES = st.binary() | st.dictionaries(_KEYS, _JSON).map(lambda value: json.dumps(value).encode())


@given(st.integers(0, 999), _BODIES)
@example(200, b'{"output":123456789012345678901234567890}')
@example(200, b'{"output":"\\ud800"}')
@example(200, b'{"output":{"a":1e400}}')
@example(0, b"")
def test_readers_never_raise_whatever_the_bytes_and_the_status(status, body):
    tool = OPENAI.read_tool_answer(IDS, status, body)
    grade = OPENAI.read_grader_answer(status, body)
    assert isinstance(tool.output, str)
    assert (grade.score is None) == (grade.fault is not None)
    tool.output.encode()  # what is shown can be written down again


@pytest.mark.parametrize("depth", [100, 900, 990, 1000, 5000])
def test_deep_nesting_is_shown_or_malformed_but_never_raises(depth):
    body = b'{"output":' + b"[" * depth + b"]" * depth + b"}"
    assert OPENAI.read_tool_answer(IDS, 200, body).output.count("[") == depth


# -- what the model is shown when there is no answer


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_can_be_shown_as_an_error_object(fault):
    shown = json.loads(OPENAI.error_shown(fault, 0))
    assert shown.keys() == {"error"}
    assert shown["error"].keys() == {"code", "message"}
    expected = {Fault.TOO_LARGE: 413, Fault.REQUEST_TOO_LARGE: 413, Fault.TIMEOUT: 504}.get(fault, 502)
    assert shown["error"]["code"] == expected


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (Fault.HTTP_4XX, 429, 429),
        (Fault.HTTP_5XX, 503, 503),
        (Fault.HTTP_3XX, 302, 302),
        (Fault.MALFORMED_ANSWER, 200, 502),
        (Fault.TRUNCATED, 200, 502),
        (Fault.TOO_LARGE, 404, 413),
        (Fault.TIMEOUT, 500, 504),
    ],
)
def test_an_error_without_a_payload_is_shown_with_its_own_status(fault, status, code):
    assert json.loads(OPENAI.error_shown(fault, status))["error"]["code"] == code
