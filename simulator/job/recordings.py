"""Rollouts that were played or recorded before: what was asked, what was answered, and its score.

Found by content: our own `rollouts.jsonl`; the platform's export of a training step (JSONL, rows with `item`,
`sample`, `grades`); its export of an evaluation pass (one JSON object with `items`).
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from simulator.errors import InputError
from simulator.job.document import decode_utf8, read_bytes
from simulator.job.strictjson import printable
from simulator.model import Item, Split, ToolCall

Row = dict[str, Any]


class Recording(msgspec.Struct, frozen=True):
    """One rollout of a file. `item` is its dataset row, if the file has that, `fields` what else it says.

    `key` is the same for rollouts of one item, `group` for those of one group. `split` and `index` say where
    the item stands in a job's datasets, None where the file does not. `failed` tells that an endpoint did.
    """

    key: str
    group: str
    trace_id: str
    answer: str
    calls: tuple[tuple[str, ToolCall], ...]
    score: float | None
    fields: Row
    item: Row | None = None
    split: Split | None = None
    index: int | None = None
    failed: bool = False

    def as_item(self, index: int) -> Item | None:
        """Return the row as an item of no job's; None where the file does not have it."""
        if self.item is None:
            return None
        return Item(index, "train", index + 1, msgspec.Raw(msgspec.json.encode(self.item)), self.item)


def is_recording(path: Path) -> bool:
    """Tell by a look at its beginning whether a file holds rollouts, and not a job or a dataset."""
    try:
        with path.open("rb") as file:
            first = file.readline(_LONGEST_LINE)
            value = _decode(first) if _is_whole(first) else _decode(first + file.read(_LONGEST_LINE))
    except (OSError, ValueError, *_UNREADABLE):
        return False
    return _reader_of(value) is not None


def read_recordings(path: Path, wanted: Callable[[str], bool] = bool) -> tuple[Recording, ...]:
    """Return the rollouts of a file that are of wanted groups, of any by default.

    InputError, with file and line, for what is no rollout, or where there is none. A file of lines is read
    line by line, so that what is not wanted takes no memory.
    """
    name, found, some = printable(path), list[Recording](), False
    for where, value in _values(path, name):
        for recording in _read(value, where):
            some = True
            if wanted(recording.group):
                found.append(recording)
    if not some:
        raise InputError("holds no rollouts", where=name, remedy="name a rollouts.jsonl or an export")
    return tuple(found)


_LONGEST_LINE = 64_000_000
_UNREADABLE = (msgspec.DecodeError, RecursionError, UnicodeError)
_decode = msgspec.json.Decoder().decode


def _is_whole(line: bytes) -> bool:
    """Tell whether a line is a JSON value by itself."""
    try:
        _decode(line)
    except _UNREADABLE:
        return False
    return True


def _values(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    """Yield each JSON value of a file and where it stands; a file is one value, or has one a line."""
    try:
        with path.open("rb") as file:
            first = file.readline()
            if _is_whole(first):
                yield from _lines(chain([first], file), name)
                return
    except OSError:
        pass  # reading it whole will say what is wrong
    data = read_bytes(path, InputError)
    if _is_whole(data):
        yield name, _decode(data)
    else:
        yield from _lines(data.split(b"\n"), name)


def _lines(lines: Iterable[bytes], name: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{name}:{number}"
        try:
            value = _decode(line)
        except _UNREADABLE:
            decode_utf8(line, name, InputError, line=number)
            raise InputError("not JSON", where=where, remedy="mend the line") from None
        yield where, value


def _read(value: Any, where: str) -> Iterator[Recording]:
    reader = _reader_of(value)
    if reader is None:
        message = "is no rollout: neither one of a rollouts.jsonl nor of an export of the platform's"
        raise InputError(message, where=where, remedy="see the README for the formats")
    try:
        yield from reader(value)
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        message = f"a part is missing or of the wrong type ({type(error).__name__}: {error})"
        raise InputError(printable(message), where=where, remedy="export it again") from None


def _reader_of(value: Any) -> Callable[[Row], Iterator[Recording]] | None:
    if isinstance(value, dict):
        return next((reader for keys, reader in _READERS if keys <= value.keys()), None)
    return None


# -- our own


def _own(line: Row) -> Iterator[Recording]:
    calls = [call for turn in line["turns"] for call in turn]
    split, index = line["split"], int(line["item"])
    yield Recording(
        key=f"{split} {index}",
        group=f"{line['step']} {line['kind']} {line['group']}",
        trace_id=str(line["trace_id"]),
        answer=str(line["answer"]),
        calls=tuple((str(c["call_id"]), ToolCall(str(c["endpoint"]), str(c["arguments"]))) for c in calls),
        score=_score(line["score"]),
        fields={name: value for name, value in line.items() if name not in _BULK},
        split="valid" if split == "valid" else "train",
        index=index,
        failed=any(call["fault"] is not None for call in calls),
    )


_BULK = frozenset({"answer", "grade", "turns"})
"""What is most of a line of ours, and is not looked up."""


def is_finished(recording: Recording) -> bool:
    """Tell whether the rollout came to an answer."""
    return recording.fields.get("state", "graded") in {"graded", "ungraded"}


# -- the platform's


def _training(row: Row) -> Iterator[Recording]:
    outputs = row["sample"].get("outputs") or row["sample"].get("output") or []
    yield _of_platform(row["item"], outputs, next(iter(row["grades"].values()), None), row)


def _evaluation(export: Row) -> Iterator[Recording]:
    for item in export["items"]:
        score = item["results"][0]["score"] if item["results"] else None
        yield _of_platform(item["datasource_item"], item["sample"].get("output") or [], score, item)


def _of_platform(item: Row, outputs: Sequence[Row], score: Any, fields: Row) -> Recording:
    trace = item.get("trace") or {}
    functions = [span["span_data"] for span in trace.get("spans", ()) if _is_function(span["span_data"])]
    row = {name: value for name, value in item.items() if name != "trace"}
    key = msgspec.json.encode(row["messages"]).decode()
    contents = [output.get("content") for output in outputs]
    return Recording(
        key=key,
        group=key,
        trace_id=str(next((span["trace_id"] for span in trace.get("spans", ())), "")),
        answer=next((text for text in reversed(contents) if isinstance(text, str)), ""),
        calls=tuple(
            (f"call_{number}", ToolCall(_tool_name(data), str(data.get("input") or "{}")))
            for number, data in enumerate(functions)
        ),
        score=_score(score),
        fields=fields,
        item=row,
        failed=any(span.get("error") for span in trace.get("spans", ()) if _is_function(span["span_data"])),
    )


def _is_function(data: Row) -> bool:
    return str(data.get("type")).lower() == "function"


def _tool_name(data: Row) -> str:
    return str(data["name"]).removeprefix("functions.")


def _score(value: Any) -> float | None:
    if value is None:
        return None
    score = float(value)
    return score if math.isfinite(score) else None


_READERS: tuple[tuple[frozenset[str], Callable[[Row], Iterator[Recording]]], ...] = (
    (frozenset({"rollout", "turns", "trace_id"}), _own),
    (frozenset({"item", "sample", "grades"}), _training),
    (frozenset({"items", "run_id"}), _evaluation),
)
"""What a value of each format has, and its reader."""
