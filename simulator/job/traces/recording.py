"""What is known of one recorded rollout, whatever the format it came in."""

from typing import Any

import msgspec

from simulator.model import Item, Split, ToolCall

Row = dict[str, Any]

PARALLEL = "multi_tool_use.parallel"
"""The tool by whose name the platform's exports record several calls that one message made at once."""

NAMESPACE = "functions."
"""What the platform's exports put before the names of tools."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class RecordedCall(msgspec.Struct, frozen=True, gc=False):
    """A call as it was recorded; times in seconds since the epoch, or since any one moment of the file's.

    `output` is what the model was shown, None where that is not known to its end. `failed` tells that it was
    recorded as an error of the endpoint's.
    """

    name: str
    arguments: str
    call_id: str = ""
    output: str | None = None
    started: float | None = None
    ended: float | None = None
    failed: bool = False

    @property
    def seconds(self) -> float | None:
        """Return how long the call took, None where that was not recorded."""
        if self.started is None or self.ended is None:
            return None
        return max(0.0, self.ended - self.started)


class RecordedTurn(msgspec.Struct, frozen=True, gc=False):
    """Thinking, then the calls of one message, which went out together; the last turn may have none.

    `think_s` is the time that was the model's own, in seconds, None where that cannot be told.
    """

    calls: tuple[RecordedCall, ...] = ()
    think_s: float | None = None


class Recording(msgspec.Struct, frozen=True):
    """One rollout of a file. `item` is its dataset row, if the file has that, `fields` what else it says.

    `key` is the same for rollouts of one item, `group` for those of one group; "" is no item that is known.
    `split` and `index` say where the item stands in a job's datasets, None where the file does not.
    `started` and `ended` are as in RecordedCall. `finished` tells that the rollout came to an answer.
    """

    key: str
    group: str
    trace_id: str
    answer: str
    turns: tuple[RecordedTurn, ...] = ()
    score: float | None = None
    fields: Row = {}
    item: Row | None = None
    split: Split | None = None
    index: int | None = None
    started: float | None = None
    ended: float | None = None
    finished: bool = True

    @property
    def recorded_calls(self) -> tuple[RecordedCall, ...]:
        """Return the calls as the recording counts them."""
        return tuple(call for turn in self.turns for call in turn.calls)

    @property
    def calls(self) -> tuple[tuple[str, ToolCall], ...]:
        """Return what endpoints were asked, each call with its id."""
        sent = [one for call in self.recorded_calls for one in unwrapped(call)]
        return tuple(
            (call.call_id or f"call_{number}", ToolCall(call.name, call.arguments))
            for number, call in enumerate(sent)
        )

    @property
    def failed(self) -> bool:
        """Tell whether an endpoint failed."""
        return any(call.failed for turn in self.turns for call in turn.calls)

    def as_item(self, index: int) -> Item | None:
        """Return the row as an item of no job's; None where the file does not have it."""
        if self.item is None:
            return None
        return Item(index, "train", index + 1, msgspec.Raw(_encode(self.item)), self.item)


def unwrapped(call: RecordedCall) -> tuple[RecordedCall, ...]:
    """Return the calls that endpoints were sent for a recorded one: itself, or those inside PARALLEL.

    What the platform could not read reached nobody: an inner call whose name lacks its namespace spoils all
    of them (both of the public recordings show that). How long each of several took is not known.
    """
    if call.name != PARALLEL:
        return (call,)
    try:
        uses = _decode(call.arguments)["tool_uses"]
        asked = [(str(use["recipient_name"]), _encode(use.get("parameters", {})).decode()) for use in uses]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return ()
    if not all(name.startswith(NAMESPACE) for name, _ in asked):
        return ()
    outputs = _outputs(call.output, len(asked))
    return tuple(
        RecordedCall(
            name=name.removeprefix(NAMESPACE),
            arguments=arguments,
            call_id=f"{call.call_id}.{number}" if call.call_id else "",
            output=output,
            failed=call.failed,
        )
        for number, ((name, arguments), output) in enumerate(zip(asked, outputs, strict=True))
    )


def _outputs(output: str | None, count: int) -> list[str | None]:
    """Return the outputs of so many calls that were recorded as one array."""
    try:
        parts = _decode(output or "")
    except msgspec.DecodeError:
        parts = None
    if not isinstance(parts, list) or len(parts) != count:
        return [None] * count
    return [as_text(part) for part in parts]


def as_text(value: Any) -> str:
    """Return a string as it is, and anything else as JSON, which is how arguments and outputs travel."""
    return value if isinstance(value, str) else _encode(value).decode()


def key_of(messages: Any) -> str:
    """Return what tells the items of a dataset apart: who says what in their conversations.

    System and developer are one role by two names. "" where there is no conversation.
    """
    if not isinstance(messages, list) or not messages:
        return ""
    said = [(_role(message), as_text(message.get("content"))) for message in messages]
    return _encode(said).decode()


def last_said(key: str) -> str:
    """Return what was said last in the conversation of a key; "" where it is none."""
    try:
        text: str = _decode(key)[-1][1]
    except (msgspec.DecodeError, LookupError, TypeError):
        return ""
    return text


def _role(message: Row) -> str:
    role = str(message.get("role"))
    return "system" if role == "developer" else role
