"""Datasets: JSONL, one `Item` a row, every row held to the contract before anything is sent."""

from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from simulator.errors import DatasetError
from simulator.job.document import (
    Complain,
    Node,
    Source,
    attempt,
    decode_utf8,
    listed,
    parse,
    read_bytes,
    refuse,
)
from simulator.job.jobfile import JobFile
from simulator.job.strictjson import printable, quoted
from simulator.model import FunctionTool, Item, Split

ROLES = frozenset({"assistant", "developer", "function", "system", "tool", "user"})
"""Whose a message of chat completions may be."""

UNREADABLE, NOT_JSON = "dataset.unreadable", "dataset.not_json"

_JSON_SPACE = b" \t\r\n"


class Dataset(msgspec.Struct, frozen=True):
    """A file's usable rows, and how many rows it has in all."""

    items: tuple[Item, ...] = ()
    rows: int = 0


def read_dataset(path: Path, split: Split, job: JobFile, complain: Complain = refuse) -> Dataset:
    """Read the rows at `path`; complain with a DatasetError, with line and column, of those that are none.

    Blank lines are skipped; `Item.index` counts usable rows from 0, `Item.line` lines from 1.
    """
    data = read_bytes(path, DatasetError, "check the path, or pass --train and --valid", UNREADABLE)
    file, rows = printable(path), 0
    items: list[Item] = []
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip(_JSON_SPACE):
            continue
        rows += 1
        node = attempt(complain, partial(_row, line, number, file))
        if node is None:
            continue
        held = [attempt(complain, partial(check, node, job)) for check in (_check_messages, _check_tools)]
        if all(held):
            items.append(_item(len(items), split, number, line, node.value))
    if not rows:
        complain(
            DatasetError("has no rows", where=file, remedy="write one JSON object a line", code=UNREADABLE)
        )
    return Dataset(tuple(items), rows)


def row_node(item: Item, file: str) -> Node:
    """Return the row as a node that knows where in `file` each of its values stands."""
    return Node(Source(file, bytes(item.json).decode(), DatasetError, item.line, item.column), item.row)


def _row(line: bytes, number: int, file: str) -> Node:
    text = decode_utf8(line, file, DatasetError, line=number, code=NOT_JSON)
    node = parse(file, text, DatasetError, line=number, code=NOT_JSON)
    node.object()
    return node


def _item(index: int, split: Split, number: int, line: bytes, row: dict[str, Any]) -> Item:
    functions = (tool["function"] for tool in row.get("tools") or ())
    return Item(
        index=index,
        split=split,
        line=number,
        json=msgspec.Raw(line.strip(_JSON_SPACE)),
        row=row,
        tools=tuple(FunctionTool(f["name"], f.get("parameters") or {}) for f in functions),
        column=len(line) - len(line.lstrip(_JSON_SPACE)) + 1,
    )


def _check_messages(row: Node, _job: JobFile) -> bool:
    remedy = "give the row the conversation that the model is to continue"
    node = row.required("messages", remedy, "dataset.no_messages")
    messages = node.elements()
    if not messages:
        raise node.fail("messages is empty", "end it with a message from the user", "dataset.no_messages")
    for message in messages:
        role = message.required("role", "give every message a role")
        if role.text() not in ROLES:
            known = "known: " + listed(ROLES)
            raise role.fail(f"no role {quoted(role.text())} is known", known, "dataset.unknown_role")
    if role.value != "user":
        raise messages[-1].fail(
            f"the last message is from {quoted(role.value)}, not from the user",
            "end it with the user's",
            "dataset.last_not_user",
        )
    return True


def _check_tools(row: Node, job: JobFile) -> bool:
    node, known = row.member("tools"), job.tool_names
    seen: set[str] = set()
    for tool in node.elements() if node else ():
        name = _check_tool(tool)
        if name.text() in seen:
            raise name.fail(f"the row has the tool {quoted(name.text())} twice", "take one out")
        if name.text() not in known and not job.any_tool:
            there = f"{printable(job.path)}, which has: {listed(known)}"
            remedy = "add it to the job's tools, or take it out of the row"
            message = f"the tool {quoted(name.text())} is not in {there}"
            raise name.fail(message, remedy, "dataset.unknown_tool")
        seen.add(name.text())
    return True


def _check_tool(tool: Node) -> Node:
    """Hold a tool to the form of a chat-completions function tool; return the node of its name."""
    kind = tool.required("type", 'write "type": "function"')
    if kind.value != "function":
        raise kind.fail(f"{kind.name} is not `function`", "a job's tools are functions")
    function = tool.required(
        "function", "write the tool as chat completions do, name and parameters under `function`"
    )
    schema = function.member("parameters")
    if schema and schema.object().get("type", "object") != "object":
        raise schema.fail(f"{schema.name} is not the schema of an object", 'write "type": "object"')
    name = function.required("name", "name the tool as the job does")
    name.text()
    return name
