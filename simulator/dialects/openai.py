"""The wire format of OpenAI's agent reinforcement fine-tuning, as Azure's private preview documents it.

Sources: microsoft-foundry/fine-tuning, Demos/Agentic_RFT_PrivatePreview (requests, answers, reactions);
openai/build-hours, 20-agent-rft (an answer may leave `type` out; soft errors). That `output_tools` lists the
calls in the chat-completions form is an assumption: no source shows a filled one.
"""

import itertools
import math
import re
from typing import Any

import msgspec

from simulator.dialects.base import CallIds, GraderRequest, ToolRequest
from simulator.faults import Fault, Violation, fault_of_status
from simulator.model import Item, Reading, ToolCall

SOFT_ERROR = re.compile(
    r"""\s*(?:
        [\w .]{0,40} (?: error | exception ) \s* [:!]     # "Error: not a valid document", "ValueError: ..."
      | error \s* $
      | traceback \ \(most \ recent \ call \ last\)
      | \{ \s* "error" \s* : (?! \s* (?: null | false | "" | \{\s*\} | \[\s*\] ) )
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""Matches, at its start, an output that tells the model of an error although HTTP says all is well."""

_TELLING_CHARS = 256

_OWN_ERRORS: dict[Fault, tuple[int, str]] = {
    Fault.TOO_LARGE: (413, "the tool's answer is larger than 1 MB"),
    Fault.REQUEST_TOO_LARGE: (413, "the tool call is larger than 1 MB"),
    Fault.TIMEOUT: (504, "the tool did not answer in time"),
}


class _ToolRequest(msgspec.Struct):
    id: str
    call_id: str
    name: str
    arguments: str
    trace_id: str
    item: msgspec.Raw
    type: str = "function_call"


class _ToolAnswer(msgspec.Struct):
    output: str
    type: str | msgspec.UnsetType = msgspec.UNSET
    call_id: str | msgspec.UnsetType = msgspec.UNSET
    id: str | msgspec.UnsetType = msgspec.UNSET


class _Function(msgspec.Struct):
    name: str
    arguments: str


class _ChatToolCall(msgspec.Struct):
    id: str
    function: _Function
    type: str = "function"


class _Message(msgspec.Struct):
    content: str
    tool_calls: list[_ChatToolCall] = []
    role: str = "assistant"


class _Choice(msgspec.Struct):
    message: _Message
    index: int = 0
    finish_reason: str = "stop"


class _Sample(msgspec.Struct):
    choices: list[_Choice]
    output_text: str
    output_json: Any = None
    output_tools: list[_ChatToolCall] = []


class _GraderRequest(msgspec.Struct):
    sample: _Sample
    item: msgspec.Raw
    trace_id: str


class _GraderAnswer(msgspec.Struct):
    score: float


_NUMBERS = tuple(f"{number:04x}" for number in range(256))

_BY_FIELD = (
    (None, Violation.MISSING_TYPE, Violation.WRONG_TYPE),
    (None, Violation.MISSING_ID, Violation.WRONG_ID),
    (None, Violation.MISSING_CALL_ID, Violation.WRONG_CALL_ID),
)
"""What it is to be as it should, missing, or wrong."""

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_encode = msgspec.json.Encoder().encode
_decode_any = msgspec.json.Decoder().decode
_decode_tool_request = msgspec.json.Decoder(_ToolRequest).decode
_decode_tool_answer = msgspec.json.Decoder(_ToolAnswer).decode
_decode_grader_request = msgspec.json.Decoder(_GraderRequest).decode
_decode_grader_answer = msgspec.json.Decoder(_GraderAnswer).decode


class OpenAI:
    """The dialect `openai`; see `dialects.base.Dialect` for what each method promises."""

    name = "openai"

    def trace_id(self, key: str) -> str:
        """Return `trace_` and the key."""
        return f"trace_{key}"

    def call_ids(self, key: str, number: int) -> CallIds:
        """Return ids of the platform's shape that are unique to the rollout and the call."""
        unique = key[:24] + (_NUMBERS[number] if number < len(_NUMBERS) else f"{number:04x}")
        return CallIds("fc_" + unique, "call_" + unique)

    def tool_request(self, ids: CallIds, call: ToolCall, trace_id: str, item: Item) -> bytes:
        """Encode the body of a tool call."""
        return _encode(_ToolRequest(ids.id, ids.call_id, call.name, call.arguments, trace_id, item.json))

    def grader_request(
        self, answer: str, calls: list[tuple[CallIds, ToolCall]], trace_id: str, item: Item, *, as_json: bool
    ) -> bytes:
        """Encode the body of a grader call; `output_json` is filled only when the answer parses."""
        output_json = None
        if as_json:
            try:
                output_json = _decode_any(answer)
            except _UNREADABLE:
                output_json = None
        sample = _Sample(
            choices=[_Choice(_Message(answer))],
            output_text=answer,
            output_json=output_json,
            output_tools=[_ChatToolCall(ids.call_id, _Function(c.name, c.arguments)) for ids, c in calls],
        )
        return _encode(_GraderRequest(sample, item.json, trace_id))

    def read_tool_answer(self, ids: CallIds, status: int, body: bytes) -> Reading:
        """Read the answer to a tool call.

        An error status makes a fault even where the body carries an `output`; the model is then shown that
        output, and the raw payload otherwise (AZ: "the error payload is serialised").
        """
        fault = fault_of_status(status)
        try:
            answer = _decode_tool_answer(body)
        except _UNREADABLE:
            return _read_irregular(ids, fault, body)
        if fault is not None:
            return Reading(output=answer.output, fault=fault)
        violations: tuple[Violation, ...] = ()
        if answer.call_id != ids.call_id or answer.id != ids.id or answer.type != "function_call_output":
            violations = _violations(answer.type, answer.id, answer.call_id, ids)
        return Reading(answer.output, soft_error=_is_soft_error(answer.output), violations=violations)

    def read_grader_answer(self, status: int, body: bytes) -> Reading:
        """Read `{"score": number}`; a score that is no finite number is a malformed answer."""
        fault = fault_of_status(status)
        if fault is not None:
            return Reading(output=_text(body), fault=fault)
        try:
            score = _decode_grader_answer(body).score
        except _UNREADABLE:
            return Reading(output=_text(body), fault=Fault.MALFORMED_ANSWER)
        if not math.isfinite(score):
            return Reading(output=_text(body), fault=Fault.MALFORMED_ANSWER)
        return Reading(score=score)

    def error_shown(self, fault: Fault, status: int) -> str:
        """Return the platform's own error: 413 for sizes, 504 for time, an error's own status, or 502."""
        own = (status if status >= 300 else 502, f"the tool gave no usable answer: {fault}")
        code, message = _OWN_ERRORS.get(fault, own)
        return f'{{"error":{{"code":{code},"message":"{message}"}}}}'

    def read_tool_request(self, body: bytes) -> ToolRequest:
        """Decode a tool call; ValueError when it is not one."""
        try:
            request = _decode_tool_request(body)
        except _UNREADABLE as error:
            raise ValueError(str(error)) from None
        return ToolRequest(
            CallIds(request.id, request.call_id),
            ToolCall(request.name, request.arguments),
            request.trace_id,
            bytes(request.item),
        )

    def tool_answer(self, ids: CallIds, output: str) -> bytes:
        """Encode a tool's answer."""
        return _encode(_ToolAnswer(output, "function_call_output", ids.call_id, ids.id))

    def read_grader_request(self, body: bytes) -> GraderRequest:
        """Decode a grader call; ValueError when it is not one."""
        try:
            request = _decode_grader_request(body)
        except _UNREADABLE as error:
            raise ValueError(str(error)) from None
        calls = tuple(ToolCall(c.function.name, c.function.arguments) for c in request.sample.output_tools)
        return GraderRequest(request.sample.output_text, calls, request.trace_id, bytes(request.item))

    def grader_answer(self, score: float) -> bytes:
        """Encode a grader's answer."""
        return _encode(_GraderAnswer(score))


def _read_irregular(ids: CallIds, fault: Fault | None, body: bytes) -> Reading:
    """Read a body that does not have the contract's types: still an answer if it has an `output` at all."""
    try:
        answer = _decode_any(body)
    except _UNREADABLE:
        answer = None
    if not isinstance(answer, dict) or answer.get("output") is None:
        return Reading(output=_text(body), fault=fault or Fault.MALFORMED_ANSWER)
    output = answer["output"]
    text = output if isinstance(output, str) else _encode(output).decode()
    if fault is not None:
        return Reading(output=text, fault=fault)
    unset = msgspec.UNSET
    violations = _violations(
        answer.get("type", unset), answer.get("id", unset), answer.get("call_id", unset), ids
    )
    if not isinstance(output, str):
        violations += (Violation.OUTPUT_NOT_A_STRING,)
    return Reading(text, soft_error=_is_soft_error(text), violations=violations)


def _violations(kind: Any, id_: Any, call_id: Any, ids: CallIds) -> tuple[Violation, ...]:
    unset = msgspec.UNSET
    return _VIOLATIONS[
        0 if kind == "function_call_output" else 1 if kind is unset else 2,
        0 if id_ == ids.id else 1 if id_ is unset else 2,
        0 if call_id == ids.call_id else 1 if call_id is unset else 2,
    ]


_VIOLATIONS = {
    marks: tuple(
        violation
        for violations, mark in zip(_BY_FIELD, marks, strict=True)
        if (violation := violations[mark]) is not None
    )
    for marks in itertools.product(range(3), repeat=3)
}
"""All that can be wrong with type, id and call_id: an endpoint that gets one wrong does so each time."""


def _is_soft_error(output: str) -> bool:
    # The beginning tells, and a pattern must not be led through a megabyte of blanks.
    beginning = output[:_TELLING_CHARS]
    lowered = beginning.lower()
    if not ("error" in lowered or "exception" in lowered or "traceback" in lowered):
        return False  # every alternative of the pattern has one of these words, and this look costs a tenth
    return SOFT_ERROR.match(beginning) is not None


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
