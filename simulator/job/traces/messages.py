"""What the formats that hold messages have in common: where prompt, row, answer, score and ids stand."""

from collections.abc import Sequence
from typing import Any

import msgspec

from simulator.job.traces.assembly import Dialogue
from simulator.job.traces.instants import instant
from simulator.job.traces.recording import Recording, Row, as_text, key_of
from simulator.job.traces.score import score_of

ROWS = ("item", "input_item")
_HEARD = ("system", "developer", "user")
_TEXTS = ("text", "input_text", "output_text")

_MOMENTS = ("timestamp", "created_at", "created", "time", "ts")
_SCORES = ("score", "reward", "grade", "final_score")
_SCORED = ("metrics", "metadata")
_IDS = ("trace_id", "rollout_id", "conversation_id", "id")
_RECORDED = frozenset({*_SCORES, *_IDS[:-1], "metrics"})
"""What is said of a rollout, and so is not part of its dataset row."""


class Parts(msgspec.Struct, frozen=True):
    """What a value holds: the prompt it names, what was said, its dataset row, and whatever else it says.

    `said` may begin with the prompt. `others` are the fields that a row without a name of its own has.
    """

    prompt: list[Any]
    said: list[Any]
    row: Row | None
    fields: Row
    others: Row


def row_in(value: Row) -> Row | None:
    """Return the dataset row that an object holds, also where that in turn is in an `item`."""
    outer = [value[name] for name in ROWS if isinstance(value.get(name), dict)]
    inner = [row["item"] for row in outer if isinstance(row.get("item"), dict)]
    return next((row for row in [*outer, *inner] if isinstance(row.get("messages"), list)), None)


def prompt_name(value: Row, names: Sequence[str]) -> str | None:
    """Return which of these members is a prompt: messages, or a string that a user said."""
    return next((name for name in names if value.get(name) and _is_prompt(value[name])), None)


def prompt_of(value: Row, name: str | None) -> list[Any]:
    """Return the messages of the prompt that is a member of this name."""
    given = [] if name is None else value[name]
    return [{"role": "user", "content": given}] if isinstance(given, str) else given


def _is_prompt(value: Any) -> bool:
    return isinstance(value, str) or is_messages(value)


def is_messages(value: Any) -> bool:
    """Tell a list of objects, which messages are."""
    return isinstance(value, list) and all(isinstance(message, dict) for message in value)


def parted(prompt: list[Any], said: list[Any]) -> tuple[list[Any], list[Any]]:
    """Return the prompt and what follows it, whether the latter repeats the former or not.

    A prompt that ends with the model's own words is no whole one: like a conversation without any, it has
    what stands before them.
    """
    if prompt and key_of(said[: len(prompt)]) == key_of(prompt):
        prompt, said = said[: len(prompt)], said[len(prompt) :]  # the copy may have moments
    if prompt and is_heard(prompt[-1]):
        return prompt, said
    whole = [*prompt, *said]
    first = next((place for place, message in enumerate(whole) if not is_heard(message)), len(whole))
    return whole[:first], whole[first:]


def begun(prompt: list[Any]) -> Dialogue:
    """Return a dialogue in which the prompt was heard, and no more."""
    dialogue = Dialogue()
    for message in prompt:
        dialogue.heard(moment_of(message))
    return dialogue


def recorded(dialogue: Dialogue, prompt: list[Any], parts: Parts) -> Recording:
    """Return the rollout. Where no user has a part in the prompt, nobody can tell what item it is of."""
    turns = dialogue.turns()
    key = key_of(prompt) if any(message.get("role") == "user" for message in prompt) else ""
    return Recording(
        key=key,
        group=key,
        trace_id=trace_id_in(parts.fields),
        answer=dialogue.answer,
        turns=turns,
        score=score_in(parts.fields),
        fields=parts.fields,
        item=_row(prompt, parts.others) if parts.row is None else parts.row,
        started=dialogue.started,
        ended=dialogue.ended,
        finished=bool(dialogue.answer),
    )


def _row(prompt: list[Any], others: Row) -> Row | None:
    if not prompt or prompt[-1].get("role") != "user":
        return None
    return {name: value for name, value in others.items() if name not in _RECORDED} | {"messages": prompt}


def is_heard(message: Row) -> bool:
    """Tell a message that the model did not write, nor any of its tools."""
    return message.get("role") in _HEARD


def moment_of(message: Row, names: Sequence[str] = _MOMENTS) -> float | None:
    """Return when a message ended, in seconds, None where it does not say."""
    moments = (instant(message.get(name)) for name in names)
    return next((moment for moment in moments if moment is not None), None)


def text_of(content: Any) -> str:
    """Return what a content says: a string, or the texts among its parts; JSON for whatever else it is."""
    if not content:
        return ""
    parts = content if isinstance(content, list) else ()
    texts = [as_text(part.get("text")) for part in parts if is_text(part)]
    return "".join(texts) if texts else as_text(content)


def is_text(part: Any) -> bool:
    """Tell a part of a content that is text."""
    return isinstance(part, dict) and part.get("type") in _TEXTS


def output_of(content: Any) -> str | None:
    """Return what the model was shown, None where nothing tells."""
    if content is None:
        return None
    return text_of(content) if isinstance(content, list) else as_text(content)


def name_of(call: Row) -> str:
    """Return the name of a tool; KeyError or TypeError where it has none."""
    name = call["name"]
    if not isinstance(name, str):
        raise TypeError("a name that is no string")
    return name


def arguments_of(call: Row) -> str:
    """Return the arguments of a call as JSON."""
    arguments = call.get("arguments")
    return "{}" if arguments is None else as_text(arguments)


def id_of(value: Any) -> str:
    """Return an id, "" where there is none; TypeError where it is neither a string nor a number."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError("an id that is no string")
    return str(value)


def is_failed(message: Row) -> bool:
    """Tell whether a tool's answer says that it is an error."""
    return message.get("is_error") is True or message.get("status") == "error"


def trace_id_in(fields: Row) -> str:
    """Return the id of a rollout, "" where none is given."""
    return next((fields[name] for name in _IDS if isinstance(fields.get(name), str)), "")


def score_in(fields: Row) -> float | None:
    """Return the score that is among some fields or their metrics; a bool where no number is one."""
    places = [fields, *(fields.get(name) for name in _SCORED)]
    return first_score([place.get(name) for place in places if isinstance(place, dict) for name in _SCORES])


def first_score(values: Sequence[Any]) -> float | None:
    """Return the first number, or else the first bool, None where there is neither."""
    numbers = [value for value in values if isinstance(value, int | float)]
    return score_of(min(numbers, key=lambda value: isinstance(value, bool), default=None))
