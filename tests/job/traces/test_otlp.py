"""Spans of OpenTelemetry by every set of names, and what reaches the reader in pieces."""

import copy
import json

import pytest
from hypothesis import given

from simulator.job.traces.format import BROKEN
from simulator.job.traces.formats import otlp
from simulator.job.traces.formats.otlp import OTLP
from simulator.job.traces.recording import key_of

from .mutating import anything, assert_read_or_broken, fuzz, mutated

ASKED = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which colour?"}]
PARTS = [{"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in ASKED]
SAID = [{"role": "assistant", "parts": [{"type": "text", "content": "Blue."}], "finish_reason": "stop"}]
SCORE = "gen_ai.evaluation.score.value"


def typed(value):
    """Return a value as OTLP-JSON has it; whole numbers are strings there."""
    kinds = {bool: "boolValue", str: "stringValue", int: "intValue", float: "doubleValue"}
    if isinstance(value, dict):
        return {"kvlistValue": {"values": attributes(value)}}
    if isinstance(value, list):
        return {"arrayValue": {"values": [typed(one) for one in value]}}
    return {kinds[type(value)]: str(value) if type(value) is int else value}


def attributes(values):
    return [{"key": key, "value": typed(value)} for key, value in values.items()]


def span(span_id, begins, ends, values, **more):
    return {
        "traceId": "t", "spanId": span_id, "name": span_id, "startTimeUnixNano": str(int(begins * 1e9)),
        "endTimeUnixNano": int(ends * 1e9), "attributes": attributes(values), **more,
    }  # fmt: skip


def tool(span_id, begins, ends, name="find", **more):
    return span(span_id, begins, ends, {
        "gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, "gen_ai.tool.call.id": span_id,
        "gen_ai.tool.call.arguments": f'{{"of":"{span_id}"}}', "gen_ai.tool.call.result": f"saw {span_id}",
    }, parentSpanId="root", **more)  # fmt: skip


def model(span_id, begins, ends, operation="chat"):
    return span(span_id, begins, ends, {"gen_ai.operation.name": operation}, parentSpanId="root")


ROOT = span("root", 100, 112, {
    "gen_ai.operation.name": "invoke_agent", "gen_ai.input.messages": json.dumps(PARTS),
    "gen_ai.output.messages": json.dumps(SAID),
}, events=[
    {"name": "exception", "attributes": []},
    {"name": "gen_ai.evaluation.result", "attributes": attributes({SCORE: 0.25})},
    {"name": "gen_ai.evaluation.result", "attributes": attributes({SCORE: 0.75})},
])  # fmt: skip
SPANS = [
    model("m1", 100, 103),
    tool("a", 103, 105), tool("b", 103.5, 107, "read"),
    model("m2", 107, 108),
    tool("c", 108, 109, status={"code": 2, "message": "no such page"}),
    model("m3", 109, 112, "text_completion"),
    ROOT,
]  # fmt: skip


def export(*spans):
    scope = {"scope": {"name": "agents"}, "spans": list(spans)}
    return {"resourceSpans": [{"resource": {"attributes": []}, "scopeSpans": [scope]}]}


WHOLE = export(*SPANS)


def read(*values):
    reader = OTLP.reader()
    for value in values:
        assert OTLP.is_one(value)
        assert list(reader.read(copy.deepcopy(value))) == []
    (one,) = reader.rest()
    assert list(reader.rest()) == []
    return one


def snaked(value):
    """Return a value with the names of its members as protocol buffers have them."""
    if isinstance(value, list):
        return [snaked(one) for one in value]
    return {otlp._snake(k): snaked(v) for k, v in value.items()} if isinstance(value, dict) else value


def names(one):
    return [[call.name for call in turn.calls] for turn in one.turns]


def test_a_trace_is_a_rollout_of_turns_that_are_sets():
    one = read(WHOLE)
    assert names(one) == [["find", "read"], ["find"], []]
    assert [turn.think_s for turn in one.turns] == pytest.approx([3, 1, 3])
    assert [call.seconds for call in one.recorded_calls] == pytest.approx([2, 3.5, 1])
    assert (one.trace_id, one.started, one.ended, one.finished) == ("t", 100, 112, True)
    assert (one.answer, one.score, one.item) == ("Blue.", 0.75, None)
    assert one.key == one.group == key_of(ASKED)


def test_what_a_call_was_asked_and_answered():
    first, _, third = read(WHOLE).recorded_calls
    assert (first.call_id, first.arguments, first.output, first.failed) == (
        "a",
        '{"of":"a"}',
        "saw a",
        False,
    )
    assert third.failed


@pytest.mark.parametrize(
    ("more", "values", "failed"),
    [
        ({"status": {"code": "STATUS_CODE_ERROR"}}, {}, True),
        ({"status": {"code": 1}}, {}, False),
        ({"status": {}}, {}, False),
        ({}, {"error.type": "timeout"}, True),
    ],
)
def test_what_says_that_a_tool_failed(more, values, failed):
    one = tool("a", 103, 105, **more)
    one["attributes"] += attributes(values)
    assert read(export(one)).failed is failed


@pytest.mark.parametrize("snake", [False, True])
@pytest.mark.parametrize("inner", ["scopeSpans", "instrumentationLibrarySpans"])
@pytest.mark.parametrize("is_element", [False, True])
def test_the_shapes_of_a_value(snake, inner, is_element):
    (resource,) = WHOLE["resourceSpans"]
    resource = {"resource": resource["resource"], inner: resource["scopeSpans"]}
    value = resource if is_element else {"resourceSpans": [resource]}
    assert read(snaked(value) if snake else value) == read(WHOLE)


def test_spans_come_in_any_order_in_many_values_and_twice():
    one = read(*(export(one) for one in [*reversed(SPANS), SPANS[1], ROOT]))
    assert one == read(WHOLE)


def test_what_comes_a_second_time_does_not_undo_a_later_score():
    record = {"traceId": "t", "eventName": "gen_ai.evaluation.result", "attributes": attributes({SCORE: 1})}
    assert read(WHOLE, {"scopeLogs": [{"logRecords": [record]}]}, WHOLE).score == 1


def test_traces_that_come_together_stay_apart():
    reader, other = OTLP.reader(), [one | {"traceId": "u"} for one in SPANS[:2]]
    list(reader.read(export(*other, *SPANS)))
    assert {one.trace_id: len(one.calls) for one in reader.rest()} == {"u": 1, "t": 3}


OPENINFERENCE = {
    "model": {
        "openinference.span.kind": "LLM",
        "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "Which colour?",
        "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "Blue.",
    },
    "tool": {
        "openinference.span.kind": "TOOL", "tool.name": "find", "tool.id": "call_1",
        "tool.parameters": '{"type":"object"}', "input.value": '{"q":1}', "output.value": "seen",
    },
}  # fmt: skip
TRACELOOP = {
    "model": {
        "traceloop.span.kind": "llm", "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "Which colour?", "gen_ai.completion.0.role": "assistant",
        "gen_ai.completion.0.content": "Blue.",
    },
    "tool": {
        "traceloop.span.kind": "tool", "traceloop.entity.name": "find", "tool_call.id": "call_1",
        "traceloop.entity.input": '{"q":1}', "traceloop.entity.output": "seen",
    },
}  # fmt: skip


@pytest.mark.parametrize("kinds", [OPENINFERENCE, TRACELOOP], ids=["OpenInference", "Traceloop"])
def test_other_names(kinds):
    spans = [span("m", 0, 2, kinds["model"]), span("x", 2, 3, kinds["tool"])]
    one = read(export(*spans, span("n", 3, 4, kinds["model"])))
    (call,) = one.recorded_calls
    assert (call.name, call.call_id, call.arguments, call.output) == ("find", "call_1", '{"q":1}', "seen")
    assert [turn.think_s for turn in one.turns] == [2, 1]
    assert (one.answer, one.key) == ("Blue.", key_of([{"role": "user", "content": "Which colour?"}]))


@pytest.mark.parametrize(
    "given", ["Which colour?", '{"messages": [{"role": "user", "content": "Which colour?"}]}']
)
def test_a_root_may_hold_its_prompt_as_text_or_as_messages(given):
    root = {"openinference.span.kind": "CHAIN", "input.value": given, "output.value": "Blue."}
    one = read(export(span("root", 100, 112, root), *SPANS[:-1]))
    assert (one.answer, one.key) == ("Blue.", key_of([{"role": "user", "content": "Which colour?"}]))


def test_the_prompt_is_what_stands_before_the_models_first_words():
    asked = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": [*PARTS, *SAID, PARTS[1]]}
    assert read(export(span("m1", 0, 1, asked))).key == key_of(ASKED)


def test_messages_and_arguments_that_are_no_strings():
    values = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "find"}
    arguments = {"gen_ai.tool.call.arguments": {"n": 1, "deep": [True, 0.5, "x"]}}
    root = {"gen_ai.operation.name": "invoke_agent", "gen_ai.input.messages": PARTS}
    one = read(export(span("a", 1, 2, values | arguments), span("root", 0, 3, root)))
    assert (one.recorded_calls[0].arguments, one.key) == ('{"n":1,"deep":[true,0.5,"x"]}', key_of(ASKED))


def test_without_captured_content_there_are_still_calls_and_times():
    kept = {"gen_ai.operation.name", "gen_ai.tool.name"}
    bare = [one | {"attributes": [a for a in one["attributes"] if a["key"] in kept]} for one in SPANS]
    one = read(export(*bare))
    assert [(call.arguments, call.output) for call in one.recorded_calls] == [("{}", None)] * 3
    assert one.turns[1].think_s == pytest.approx(1)
    assert (one.answer, one.key) == ("", "")


@pytest.mark.parametrize("named", [{"eventName": "gen_ai.evaluation.result"}, {}])
@pytest.mark.parametrize("is_element", [False, True])
def test_a_score_may_come_as_a_log_record(named, is_element):
    values = {SCORE: 1} if named else {"event.name": "gen_ai.evaluation.result", SCORE: 1}
    other = {"traceId": "t", "body": typed("hello"), "attributes": attributes({SCORE: 5})}
    record = {"traceId": "t", "spanId": "root", **named, "attributes": attributes(values)}
    logs = {"resource": {}, "scopeLogs": [{"logRecords": [record, other]}]}
    assert read(WHOLE, logs if is_element else {"resourceLogs": [logs]}).score == 1


def test_the_calls_of_an_agent_behind_a_tool_are_none_of_the_rollouts():
    behind = [
        span("sub", 103, 105, {"gen_ai.operation.name": "invoke_agent"}, parentSpanId="a"),
        tool("d", 103.5, 104) | {"parentSpanId": "sub"},
        model("m4", 104, 105) | {"parentSpanId": "sub"},
    ]
    one = read(export(*behind, *SPANS))
    assert names(one) == [["find", "read"], ["find"], []]
    assert [turn.think_s for turn in one.turns] == pytest.approx([3, 1, 3])


@pytest.mark.parametrize("parents", [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "m", "b": "m", "m": "a"}])
def test_spans_that_lead_in_a_circle_are_parts_of_nothing(parents):
    spans = [tool("a", 1, 2), tool("b", 3, 4), model("m", 2, 3)]
    one = read(export(*(one | {"parentSpanId": parents.get(one["spanId"], "root")} for one in spans)))
    assert len(one.calls) == 2


def test_what_is_said_inside_a_tool_is_not_the_rollouts():
    inner = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.input.messages": json.dumps([{"role": "user", "content": "Look it up."}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "content": "Found."}]),
    }
    behind = span("sub", 103, 105, inner, parentSpanId="a")
    words = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(PARTS),
             "gen_ai.output.messages": json.dumps(SAID)}  # fmt: skip
    silent = span("root", 100, 112, {"gen_ai.operation.name": "invoke_agent"})
    one = read(export(behind, *SPANS[1:-2], span("m3", 109, 112, words, parentSpanId="root"), silent))
    assert (one.answer, one.key) == ("Blue.", key_of(ASKED))


def test_a_prompt_that_every_model_span_repeats_is_kept_once():
    reader, prompt = OTLP.reader(), [{"role": "user", "content": "x" * 1_000}]
    asked = {"gen_ai.operation.name": "chat", "gen_ai.input.messages": json.dumps(prompt)}
    list(reader.read(export(*(span(f"m{n}", n, n + 1, asked) for n in range(9)))))
    (trace,) = reader._open.values()
    assert len({id(heard.key) for heard in trace.heard.values()}) == 1


def test_a_rollout_whose_model_had_the_last_word_is_finished_though_nobody_recorded_it():
    kept = {"gen_ai.operation.name", "gen_ai.tool.name"}
    bare = [one | {"attributes": [a for a in one["attributes"] if a["key"] in kept]} for one in SPANS[:-1]]
    assert read(export(*bare)).finished
    assert not read(export(*bare[:-1])).finished


@pytest.mark.parametrize(
    "name", ["trace.evaluations.0.evaluation.score", "trace.annotations.3.annotation.score"]
)
def test_what_openinference_evaluates_of_the_trace_is_its_score(name):
    scored = span("root", 100, 112, {"openinference.span.kind": "AGENT", name: 0.5})
    assert read(export(*SPANS[:-1], scored)).score == 0.5
    of_a_span = {"openinference.span.kind": "AGENT", name.removeprefix("trace."): 0.5}
    assert read(export(*SPANS[:-1], span("root", 100, 112, of_a_span))).score is None


def test_evaluations_without_a_number_or_a_trace_are_left_out():
    labelled = {
        "name": "gen_ai.evaluation.result",
        "attributes": attributes({"gen_ai.evaluation.score.label": "good"}),
    }
    assert read(export(*SPANS[:-1], ROOT | {"events": [*ROOT["events"], labelled]})).score == 0.75
    of_response = {"eventName": "gen_ai.evaluation.result", "attributes": attributes({SCORE: 1})}
    assert read(WHOLE, {"scopeLogs": [{"logRecords": [of_response]}]}).score == 0.75


@pytest.mark.parametrize(
    ("given", "arguments"),
    [
        ('{"args": [], "kwargs": {"q": 1}}', '{"q":1}'),
        ('{"tool_name": "find", "arguments": {"q": 1}}', '{"q":1}'),
        ('{"args": 1}', '{"args": 1}'),
        ("[7]", "[7]"),
        ("{cut", "{cut"),
    ],
)
def test_arguments_are_taken_out_of_what_traceloop_puts_around_them(given, arguments):
    one = read(export(span("x", 2, 3, TRACELOOP["tool"] | {"traceloop.entity.input": given})))
    assert one.recorded_calls[0].arguments == arguments


def test_traces_without_tools_and_models_are_no_rollouts():
    reader = OTLP.reader()
    list(reader.read(export(ROOT, span("http", 1, 2, {"http.request.method": "GET"}) | {"traceId": "u"})))
    assert list(reader.rest()) == []


def test_above_the_bound_the_trace_that_was_touched_least_recently_is_given_out(monkeypatch):
    monkeypatch.setattr(otlp, "MOST_OPEN", 2)
    reader, given_out = OTLP.reader(), []
    for number, trace_id in enumerate(["a", "b", "a", "c", "d"]):
        value = export(tool(f"s{number}", 1, 2) | {"traceId": trace_id})
        given_out.append([(one.trace_id, len(one.calls)) for one in reader.read(value)])
    assert given_out == [[], [], [], [("b", 1)], [("a", 2)]]
    assert [one.trace_id for one in reader.rest()] == ["c", "d"]


def test_the_bound_is_what_the_reader_keeps_at_most():
    assert otlp.MOST_OPEN == 20_000


NAMELESS = {"key": "gen_ai.tool.name", "value": {"intValue": "7"}}


@pytest.mark.parametrize(
    "broken",
    [
        {"traceId": 7},
        {"traceId": ""},
        {"spanId": None},
        {"startTimeUnixNano": None},
        {"endTimeUnixNano": "soon"},
        {"attributes": 7},
        {"attributes": [{"value": {}}]},
        {"attributes": [*attributes({"gen_ai.operation.name": "execute_tool"}), NAMELESS]},
        {"status": "error"},
        {"events": [7]},
    ],
)
def test_a_broken_value_adds_nothing_and_loses_nothing(broken):
    reader = OTLP.reader()
    list(reader.read(export(*SPANS[:3])))
    with pytest.raises(BROKEN):
        list(reader.read(export(tool("y", 200, 201), tool("z", 200, 201) | broken)))
    list(reader.read(export(*SPANS[3:])))
    assert list(reader.rest()) == [read(WHOLE)]


@pytest.mark.parametrize(
    "value",
    [{}, {"resourceSpans": {}}, {"scopeSpans": None}, {"spans": SPANS}, [WHOLE], SPANS, None, 7, "spans"],
)
def test_what_is_no_export(value):
    assert not OTLP.is_one(value)


@fuzz
@given(mutated(WHOLE))
def test_any_part_may_be_anything(value):
    assert_read_or_broken(OTLP, value)


@fuzz
@given(anything)
def test_a_look_never_raises(value):
    assert OTLP.is_one(value) in (False, True)
    assert OTLP.is_one({"resourceSpans": value, "scope_spans": value}) in (False, True)
