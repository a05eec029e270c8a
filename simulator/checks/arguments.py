"""Arguments that a model may well write, and that no tool may crash on: each a variation on ordinary ones."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from functools import partial
from typing import Any

from simulator.checks.caller import Attempt, Caller
from simulator.checks.response import Answered, ResponseKind
from simulator.checks.specimen import Ordinary
from simulator.findings import found
from simulator.model import Finding, Item, ToolCall

_EVERY_KIND = (
    "caf\u00e9 na\u00efve \u6f22\u5b57 \u0627\u0644\u0639\u0631\u0628 \u202eright to left\u202c "
    "e\u0301 \U0001f600 \U00020000 \u200b\ufeff \u0000 \u0007 \u2028 \t "
    "\"quoted\" 'single' back\\slash %s {x} <b>&amp;"
)

Variation = Callable[[dict[str, Any], Mapping[str, Any], int], str | None]
"""(ordinary arguments, their schema, characters of a long text) -> arguments; None without an occasion."""


def _not_json(ordinary: dict[str, Any], _schema: Mapping[str, Any], _room: int) -> str | None:
    text = json.dumps(ordinary)
    return text[: max(1, len(text) // 2)]


def _not_an_object(_ordinary: dict[str, Any], _schema: Mapping[str, Any], _room: int) -> str | None:
    return '["an", "array"]'


def _empty(_ordinary: dict[str, Any], _schema: Mapping[str, Any], _room: int) -> str | None:
    return ""


def _required(schema: Mapping[str, Any]) -> list[str]:
    required = schema.get("required")
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def _a_field_missing(ordinary: dict[str, Any], schema: Mapping[str, Any], _room: int) -> str | None:
    required = _required(schema)
    if not required:
        return None
    return json.dumps({name: value for name, value in ordinary.items() if name != required[0]})


def _a_wrong_type(ordinary: dict[str, Any], _schema: Mapping[str, Any], _room: int) -> str | None:
    if not ordinary:
        return None
    name, value = next(iter(ordinary.items()))
    return json.dumps({**ordinary, name: {"an": ["object"]} if not isinstance(value, dict) else 7})


def _a_field_too_many(ordinary: dict[str, Any], _schema: Mapping[str, Any], _room: int) -> str | None:
    return json.dumps({**ordinary, "unexpected_field": True})


def _texts_replaced(ordinary: dict[str, Any], text: str) -> str:
    replaced = {name: text if isinstance(value, str) else value for name, value in ordinary.items()}
    if replaced == ordinary:
        replaced["text"] = text
    return json.dumps(replaced)


def _unicode(ordinary: dict[str, Any], _schema: Mapping[str, Any], _room: int) -> str | None:
    return _texts_replaced(ordinary, _EVERY_KIND)


def _very_long(ordinary: dict[str, Any], _schema: Mapping[str, Any], room: int) -> str | None:
    texts = max(1, sum(isinstance(value, str) for value in ordinary.values()))
    return _texts_replaced(ordinary, "lorem " * (room // texts // 6)) if room > 0 else None


VARIATIONS: dict[str, Variation] = {
    "no JSON": _not_json,
    "no object": _not_an_object,
    "nothing": _empty,
    "a required field missing": _a_field_missing,
    "a wrong type": _a_wrong_type,
    "a field too many": _a_field_too_many,
    "every kind of Unicode": _unicode,
    "very long": _very_long,
}
_CANNOT_BE_RIGHT = ("no JSON", "no object", "a required field missing")

_CODES: dict[ResponseKind, str] = {
    ResponseKind.CRASHED: "tool.crashes_on_arguments",
    ResponseKind.HUNG: "tool.hangs_on_arguments",
    ResponseKind.MALFORMED: "endpoint.malformed",
    ResponseKind.TOO_LARGE: "endpoint.answer_too_large",
    ResponseKind.REDIRECTED: "endpoint.redirects",
}


async def check_arguments(caller: Caller, ordinary: Ordinary, said: dict[str, str]) -> AsyncIterator[Finding]:
    """Yield what is wrong with a tool's answers to bad arguments; note in `said` what became of each."""
    name, wrong = ordinary.call.name, dict[str, list[tuple[str, Answered]]]()
    answers = await caller.several(caller.tools[name], _variations(caller, ordinary))
    for variation, answered in answers.items():
        said[variation] = answered.said
        code = _CODES.get(answered.kind)
        if answered.kind is ordinary.answered.kind:
            code = None  # it is told of the ordinary call
        if answered.kind is ResponseKind.ANSWERED and variation in _CANNOT_BE_RIGHT:
            code = "tool.accepts_bad_arguments"
        if code is not None:
            wrong.setdefault(code, []).append((variation, answered))
    for code, cases in wrong.items():
        message = "bad arguments: " + "; ".join(
            f"{variation}: {answered.told}" for variation, answered in cases
        )
        yield found(code, message, endpoint=name, evidence=caller.evidence(cases[0][1]))


def _variations(caller: Caller, ordinary: Ordinary) -> dict[str, Attempt]:
    """Return the calls with bad arguments for which the ordinary ones give occasion."""
    item, name = ordinary.item, ordinary.call.name
    given, schema, room = as_object(ordinary.call.arguments), schema_of(item, name), caller.long_chars(item)
    made = {variation: make(given, schema, room) for variation, make in VARIATIONS.items()}
    return {
        variation: partial(caller.tool, ToolCall(name, arguments), caller.new_trace(), item)
        for variation, arguments in made.items()
        if arguments is not None
    }


def as_object(text: str) -> dict[str, Any]:
    """Return the JSON object of a text; an empty one where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def schema_of(item: Item, tool: str) -> Mapping[str, Any]:
    """Return the schema that a row declares for a tool; an empty one where it declares none."""
    return next((one.parameters for one in item.tools if one.name == tool), {})


async def check_name(caller: Caller, ordinary: Ordinary) -> AsyncIterator[Finding]:
    """Yield what is wrong with a tool's answer to a call under a name that the job does not have."""
    tool = caller.tools[ordinary.call.name]
    call = ToolCall("no_such_tool", ordinary.call.arguments)
    answered = await caller.tool(call, caller.new_trace(), ordinary.item, to=tool)
    code = _BY_NAME.get(answered.kind)
    if code is not None:
        message = f"a call of `no_such_tool`: {answered.told}"
        shares_its_url = any(one.url == tool.url and one is not tool for one in caller.tools.values())
        harmless = code == "tool.accepts_unknown_name" and not shares_its_url
        yield found(
            code,
            message,
            endpoint=tool.name,
            evidence=caller.evidence(answered),
            severity="note" if harmless else None,
        )


_BY_NAME: dict[ResponseKind, str] = {
    ResponseKind.ANSWERED: "tool.accepts_unknown_name",
    ResponseKind.CRASHED: "tool.crashes_on_unknown_name",
    ResponseKind.HUNG: "tool.crashes_on_unknown_name",
}
