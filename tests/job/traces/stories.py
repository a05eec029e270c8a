"""One rollout, written by hand in every format: two calls at once, then one, then an answer.

0 s  the user asks
3 s  search {"q":"a"} and cat {"p":"b"}, which take 2 s and 1 s
7 s  search {"q":"c"}, which takes 1 s and fails in its own words
9 s  the answer
"""

import json
from datetime import UTC, datetime

QUESTION = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is it?"}]
ROW = {"messages": QUESTION, "colour": "blue"}
ANSWER, SCORE = "It is blue.", 0.75

SETS = [[("search", '{"q":"a"}'), ("cat", '{"p":"b"}')], [("search", '{"q":"c"}')]]
OUTPUTS = {'{"q":"a"}': "found a", '{"p":"b"}': "read b", '{"q":"c"}': "Error: no c"}
THINK_S = [3.0, 2.0, 1.0]
SECONDS = [[2.0, 1.0], [1.0]]

BEGAN = 1_760_000_000.0


def at(second: float) -> str:
    return datetime.fromtimestamp(BEGAN + second, UTC).isoformat()


def _nanos(second: float) -> str:
    return str(int((BEGAN + second) * 1e9))


CALLS = [
    ("a", "search", {"q": "a"}, 3.0, 5.0),
    ("b", "cat", {"p": "b"}, 3.0, 4.0),
    ("c", "search", {"q": "c"}, 7.0, 8.0),
]
"""Id, name, arguments, start and end of each."""


def _text(value) -> str:
    return json.dumps(value, separators=(",", ":"))


def _output(arguments) -> str:
    return OUTPUTS[_text(arguments)]


def own() -> str:
    def call(name, arguments, begins, ends):
        output = _output(arguments)
        return {
            "endpoint": name, "call_id": f"call_{name}", "arguments": _text(arguments), "output": output,
            "output_chars": len(output), "fault": None, "soft_error": False, "violations": [],
            "attempts": [{"due_ms": begins * 1000, "sent_ms": begins * 1000, "first_byte_ms": ends * 1000,
                          "done_ms": ends * 1000, "status": 200, "fault": None}],
        }  # fmt: skip

    first, second, third = (call(*one[1:]) for one in CALLS)
    grade = call("grade", {"q": "a"}, 9.0, 9.5)
    return _text({
        "rollout": 0, "step": 1, "kind": "training", "group": 0, "item": 0, "item_line": 1, "split": "train",
        "trace_id": "trace_1", "state": "graded", "reason": "", "score": SCORE, "answer": ANSWER, "tokens": 9,
        "started_ms": 0.0, "ended_ms": 9500.0, "turns": [[first, second], [third]], "grade": grade,
    })  # fmt: skip


def _spans(kind: str):
    def span(data, begins, ends):
        return {"trace_id": "trace_1", "started_at": at(begins), "ended_at": at(ends), "span_data": data}

    tools = [
        span(
            {"type": kind.replace("generation", "function").replace("GENERATION", "FUNCTION"),
             "name": f"functions.{name}", "input": _text(arguments), "output": _output(arguments)},
            begins, ends,
        )
        for _, name, arguments, begins, ends in CALLS
    ]  # fmt: skip
    thinking = [span({"type": kind, "input": [], "output": []}, *times) for times in [(0, 3), (5, 7), (8, 9)]]
    return [thinking[0], *tools[:2], thinking[1], tools[2], thinking[2]]


def training() -> str:
    item = {**ROW, "trace": {"spans": _spans("generation")}}
    sample = {"outputs": [{"role": "assistant", "content": ANSWER}]}
    return _text({"run_id": "r", "item": item, "sample": sample, "grades": {"judge-1": SCORE}})


def evaluation() -> str:
    item = {**ROW, "trace": {"spans": _spans("GENERATION")}}
    row = {
        "datasource_item": item,
        "results": [{"score": SCORE}],
        "sample": {"output": [{"content": ANSWER}]},
    }
    return json.dumps({"run_id": "r", "items": [row]}, indent=1)


def build_hour() -> str:
    events = [
        {"event": "tool_call", "name": "search", "arguments": '{"q":"a"}', "call_id": "a", "t": 3.0},
        {"event": "tool_call", "name": "cat", "arguments": '{"p":"b"}', "call_id": "b", "t": 3.0},
        {"event": "tool_result", "call_id": "b", "output": "read b", "t": 4.0},
        {"event": "tool_result", "call_id": "a", "output": "found a", "t": 5.0},
        {"event": "tool_call", "name": "search", "arguments": '{"q":"c"}', "call_id": "c", "t": 7.0},
        {"event": "tool_error", "name": "search", "error": "Error: no c", "t": 8.0},
        {"event": "final_message", "text": ANSWER, "t": 9.0},
    ]
    return _text({
        "sample_index": 0, "input_item": ROW, "trace": events, "final_message_text": ANSWER,
        "metrics": {"judge": {"reward": SCORE}}, "duration_seconds": 9.0,
    })  # fmt: skip


def _conversation():
    def asks(second, *numbers):
        calls = [
            {"id": CALLS[n][0], "type": "function",
             "function": {"name": CALLS[n][1], "arguments": _text(CALLS[n][2])}}
            for n in numbers
        ]  # fmt: skip
        return {"role": "assistant", "content": None, "tool_calls": calls, "timestamp": at(second)}

    def answers(number):
        call_id, _, arguments, _, ends = CALLS[number]
        return {"role": "tool", "tool_call_id": call_id, "content": _output(arguments), "timestamp": at(ends)}

    asked = [{**message, "timestamp": at(0)} for message in QUESTION]
    said = {"role": "assistant", "content": ANSWER, "timestamp": at(9)}
    return [*asked, asks(3, 0, 1), answers(1), answers(0), asks(7, 2), answers(2), said]


def chat() -> str:
    return _text({"messages": _conversation(), "score": SCORE, "colour": "blue"})


def responses() -> str:
    calls = [
        {
            "type": "function_call",
            "call_id": call_id,
            "name": name,
            "arguments": _text(arguments),
            "created_at": at(begins),
        }
        for call_id, name, arguments, begins, _ in CALLS
    ]
    outputs = [
        {
            "type": "function_call_output",
            "call_id": call_id,
            "output": _output(arguments),
            "created_at": at(ends),
        }
        for call_id, _, arguments, _, ends in CALLS
    ]
    said = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": ANSWER}],
        "created_at": at(9),
    }
    asked = [{**message, "created_at": at(0)} for message in QUESTION]
    items = [*calls[:2], outputs[1], outputs[0], calls[2], outputs[2], said]
    return _text({"input": asked, "output": items, "reward": SCORE})


def otlp() -> str:
    def attributes(**values):
        return [
            {"key": key.replace("__", "."), "value": {"stringValue": value}} for key, value in values.items()
        ]

    def span(number, name, begins, ends, **values):
        return {
            "traceId": "5b8efff798038103d269b633813fc60c", "spanId": f"{number:016x}", "name": name,
            "startTimeUnixNano": _nanos(begins), "endTimeUnixNano": _nanos(ends),
            "attributes": attributes(**values),
        }  # fmt: skip

    tools = [
        span(10 + n, f"execute_tool {name}", begins, ends, gen_ai__operation__name="execute_tool",
             gen_ai__tool__name=name, gen_ai__tool__call__id=call_id,
             gen_ai__tool__call__arguments=_text(arguments), gen_ai__tool__call__result=_output(arguments))
        for n, (call_id, name, arguments, begins, ends) in enumerate(CALLS)
    ]  # fmt: skip
    thinking = [
        span(20 + n, "chat", *times, gen_ai__operation__name="chat")
        for n, times in enumerate([(0, 3), (5, 7), (8, 9)])
    ]
    said = [{"role": "assistant", "parts": [{"type": "text", "content": ANSWER}]}]
    asked = [{"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in QUESTION]
    agent = span(1, "invoke_agent", 0, 9, gen_ai__operation__name="invoke_agent",
                 gen_ai__input__messages=_text(asked), gen_ai__output__messages=_text(said))  # fmt: skip
    score = [{"key": "gen_ai.evaluation.score.value", "value": {"doubleValue": SCORE}}]
    agent["events"] = [{"name": "gen_ai.evaluation.result", "attributes": score}]
    return _text({"resourceSpans": [{"scopeSpans": [{"spans": [*tools, *thinking, agent]}]}]})


def atif() -> str:
    def step(second, *numbers, message=""):
        calls = [
            {"tool_call_id": CALLS[n][0], "function_name": CALLS[n][1], "arguments": CALLS[n][2]}
            for n in numbers
        ]
        results = [{"source_call_id": CALLS[n][0], "content": _output(CALLS[n][2])} for n in numbers]
        with_calls = {"tool_calls": calls, "observation": {"results": results}} if calls else {}
        return {"timestamp": at(second), "source": "agent", "message": message, **with_calls}

    asked = [
        {"timestamp": at(0), "source": message["role"], "message": message["content"]} for message in QUESTION
    ]
    steps = [*asked, step(3, 0, 1), step(7, 2), step(9, message=ANSWER)]
    numbered = [{"step_id": number, **one} for number, one in enumerate(steps, start=1)]
    agent = {"name": "a", "version": "1", "model_name": "m"}
    return json.dumps(
        {
            "schema_version": "ATIF-v1.4",
            "session_id": "s",
            "agent": agent,
            "steps": numbered,
            "extra": {"reward": SCORE},
        },
        indent=1,
    )


def tau2() -> str:
    def turned(message):
        calls = [
            {"id": call["id"], "name": call["function"]["name"], "requestor": "assistant",
             "arguments": json.loads(call["function"]["arguments"])}
            for call in message.get("tool_calls", ())
        ]  # fmt: skip
        plain = {key: value for key, value in message.items() if key != "tool_call_id"}
        if message["role"] == "tool":
            return {**plain, "id": message["tool_call_id"], "requestor": "assistant", "error": False}
        return {**plain, "tool_calls": calls or None}

    simulation = {
        "id": "sim-1", "task_id": "12", "trial": 0, "termination_reason": "agent_stop",
        "reward_info": {"reward": SCORE}, "messages": [turned(message) for message in _conversation()],
    }  # fmt: skip
    return json.dumps(
        {"timestamp": at(0), "info": {}, "tasks": [{"id": "12"}], "simulations": [simulation]}, indent=2
    )


STORIES = {
    story.__name__: story
    for story in (own, training, evaluation, build_hour, chat, responses, otlp, atif, tau2)
}  # fmt: skip
