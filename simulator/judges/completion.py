"""What a model is asked for a grade, and how its answer is read: chat completions, without a socket.

Source: OpenAI, guide "Graders", for the answer's format: `{"result": float, "steps": [{"description",
"conclusion"}]}`. That of a label model is not published: the same is assumed, with a label as the result.
"""

import math
import re
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from simulator.grading.judgement import CannotGrade, Namespaces
from simulator.grading.template import render_all
from simulator.model import Grader

_SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "max_completions_tokens": "max_completion_tokens",  # the grader's spelling, and the API's
    "reasoning_effort": "reasoning_effort",
}
_TEXTS = {"input_text", "output_text", "text"}
_NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w%]|\.\d)")
_FENCED = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.DOTALL)
_AROUND_A_LABEL = " \t\r\n\"'`*.:!"
_SHOWN = 160


def request_body(grader: Grader, names: Namespaces, *, formatted: bool) -> dict[str, Any]:
    """Return the body for /chat/completions; CannotGrade where a template names nothing that is there."""
    settings = grader.settings
    sampling = settings.get("sampling_params") or {}
    body = {
        "model": settings.get("model"),
        "messages": [_message(message) for message in render_all(settings.get("input") or [], names)],
        **{ours: sampling[theirs] for theirs, ours in _SAMPLING.items() if sampling.get(theirs) is not None},
    }
    if formatted:
        body["response_format"] = _response_format(grader)
    return body


def _message(message: dict[str, Any]) -> dict[str, Any]:
    content = message.get("content", "")
    if not isinstance(content, str):
        content = [_part(part) for part in (content if isinstance(content, list) else [content])]
    return {"role": message.get("role", "user"), "content": content}


def _part(part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if part.get("type") in _TEXTS:
        return {"type": "text", "text": part.get("text", "")}
    if part.get("type") == "input_image":
        kept = {"url": part.get("image_url"), "detail": part.get("detail")}
        return {"type": "image_url", "image_url": {key: value for key, value in kept.items() if value}}
    return dict(part)


def _response_format(grader: Grader) -> dict[str, Any]:
    is_label = grader.type == "label_model"
    result = {"type": "string", "enum": _labels(grader)} if is_label else {"type": "number"}
    step = _strict({"description": {"type": "string"}, "conclusion": {"type": "string"}})
    # The steps come first: a model writes in this order, and they are its room to think.
    schema = _strict({"steps": {"type": "array", "items": step}, "result": result})
    return {"type": "json_schema", "json_schema": {"name": "grade", "strict": True, "schema": schema}}


def _strict(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _labels(grader: Grader) -> list[str]:
    return [label for label in grader.settings.get("labels") or () if isinstance(label, str)]


def score_of(grader: Grader, answer: bytes) -> float:
    """Return the score in a chat completion; CannotGrade where there is none, whatever the bytes are."""
    text = _text(answer)
    return _READERS[grader.type](grader, text)


def _text(answer: bytes) -> str:
    try:
        choice = msgspec.json.decode(answer)["choices"][0]
        message = choice["message"]
        refusal, content, ended = message.get("refusal"), message.get("content"), choice.get("finish_reason")
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
        raise _unreadable(
            "the answer is no chat completion", answer[:_SHOWN].decode(errors="replace")
        ) from None
    if refusal or ended == "content_filter":
        raise CannotGrade(
            "model_grader_refusal_error", f"the model refused: {str(refusal or ended)[:_SHOWN]}"
        )
    if isinstance(content, list):
        content = "".join(str(part.get("text") or "") for part in content if isinstance(part, dict))
    if not isinstance(content, str) or not content.strip():
        cut = ": it ran into its token limit" if ended == "length" else ""
        raise CannotGrade("model_grader_parse_error", f"the model wrote nothing{cut}")
    content = content.rpartition("</think>")[2]  # some servers leave a model's thoughts in
    fenced = _FENCED.fullmatch(content)
    return fenced[1] if fenced else content.strip()


def _score(grader: Grader, text: str) -> float:
    low, high = _range(grader)
    result = _result(text)
    number = _as_number(result) if result is not None else _number_in(text)
    if number is None or not math.isfinite(number):
        raise _unreadable("there is no score in", text)
    if not low <= number <= high:
        raise _unreadable(f"the score {number:g} lies outside of the range {low:g} to {high:g}:", text)
    return number


def _passes(grader: Grader, text: str) -> float:
    labels = _labels(grader)
    result = _result(text)
    label = (result if result in labels else None) if isinstance(result, str) else _label_in(text, labels)
    if label is None:
        raise _unreadable("there is not one of the labels in", text)
    return float(label in (grader.settings.get("passing_labels") or ()))


_READERS: dict[str, Callable[[Grader, str], float]] = {"score_model": _score, "label_model": _passes}


def _result(text: str) -> Any:
    """Return the member `result` of the object that the text is; None where it is none."""
    try:
        found = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return None
    return found.get("result", "") if isinstance(found, dict) else None


def _as_number(value: Any) -> float | None:
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value.strip()) else None
    try:
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    except OverflowError:
        return None


def _number_in(text: str) -> float | None:
    """Return the only number of a text, or the one that is its last line."""
    numbers = _NUMBER.findall(text)
    last = _NUMBER.fullmatch(text.splitlines()[-1].strip())
    if last:
        return float(last[0])
    return float(numbers[0]) if len(numbers) == 1 else None


def _label_in(text: str, labels: Sequence[str]) -> str | None:
    """Return the label that the text is, or the only one in it."""
    bare = text.strip(_AROUND_A_LABEL).casefold()
    exactly = [label for label in labels if label.casefold() == bare]
    if len(exactly) == 1:
        return exactly[0]
    longest_first = sorted(filter(None, labels), key=len, reverse=True)
    words = "|".join(map(re.escape, longest_first))
    found = set(re.findall(rf"(?<!\w)(?:{words})(?!\w)", text)) if words else set()
    return found.pop() if len(found) == 1 else None


def _range(grader: Grader) -> tuple[float, float]:
    match grader.settings.get("range"):
        case [int() | float() as low, int() | float() as high]:
            return low, high
    return 0.0, 1.0


def _unreadable(problem: str, text: str) -> CannotGrade:
    return CannotGrade("model_grader_parse_error", f"{problem} {text[:_SHOWN]!r}")
