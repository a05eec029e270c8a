"""Datasets: JSONL, one `Item` a row, every row held to the contract before anything is sent."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from simulator.errors import DatasetError
from simulator.job.document import Node, decode_utf8, listed, parse, read_bytes
from simulator.job.jobfile import JobFile
from simulator.job.strictjson import printable, quoted
from simulator.model import Finding, FunctionTool, Item, Split

FEWEST_ROWS = 10
"""The published samples want at least this many rows in each file."""

_JSON_SPACE = b" \t\r\n"


def read_dataset(path: Path, split: Split, job: JobFile) -> tuple[Item, ...]:
    """Read the rows at `path`; DatasetError, with line and column, at the first that cannot be used.

    Blank lines are skipped; `Item.index` counts rows from 0, `Item.line` lines from 1.
    """
    data = read_bytes(path, DatasetError, "check the path, or pass --train and --valid")
    items = tuple(
        _item(index, split, number, line, Node.object(row))
        for index, (number, line, row) in enumerate(_rows(data, printable(path), job))
    )
    if not items:
        raise DatasetError("has no rows", where=printable(path), remedy="write one JSON object a line")
    return items


def too_few_rows(items: tuple[Item, ...], file: str) -> tuple[Finding, ...]:
    """Return a warning where the dataset has fewer than `FEWEST_ROWS`."""
    if len(items) >= FEWEST_ROWS:
        return ()
    message = f"{file}: {len(items)} rows, fewer than the {FEWEST_ROWS} that are asked for"
    return (_warning("dataset.too_few_rows", message, "add rows before the job is submitted"),)


def rows_without_tools(items: tuple[Item, ...], file: str) -> tuple[Finding, ...]:
    """Return a warning where rows declare no tools, so that a synthetic policy has no schema to go by."""
    bare = [item for item in items if not item.tools]
    if not bare:
        return ()
    message = f"{file}:{bare[0].line}: {len(bare)} rows declare no `tools`: synthetic calls carry only `{{}}`"
    remedy = "add the tools with their schemas to the rows, or use a scripted policy"
    return (_warning("dataset.rows_without_tools", message, remedy),)


def _warning(code: str, message: str, remedy: str) -> Finding:
    return Finding(code=code, severity="warning", endpoint="", message=message, remedy=remedy)


def _rows(data: bytes, file: str, job: JobFile) -> Iterator[tuple[int, bytes, Node]]:
    for number, line in enumerate(data.split(b"\n"), start=1):
        if line.strip(_JSON_SPACE):
            row = parse(file, decode_utf8(line, file, DatasetError, line=number), DatasetError, line=number)
            _check_messages(row)
            _check_tools(row, job)
            yield number, line, row


def _item(index: int, split: Split, number: int, line: bytes, row: dict[str, Any]) -> Item:
    functions = (tool["function"] for tool in row.get("tools") or ())
    return Item(
        index=index,
        split=split,
        line=number,
        json=msgspec.Raw(line.strip(_JSON_SPACE)),
        row=row,
        tools=tuple(FunctionTool(f["name"], f.get("parameters") or {}) for f in functions),
    )


def _check_messages(row: Node) -> None:
    node = row.required("messages", "give the row the conversation that the model is to continue")
    messages = node.elements()
    if not messages:
        raise node.fail("messages is empty", "end it with a message from the user")
    for message in messages:
        role = message.required("role", "give every message a role").text()
    if role != "user":
        raise messages[-1].fail(
            f"the last message is from {quoted(role)}, not from the user", "end it with the user's"
        )


def _check_tools(row: Node, job: JobFile) -> None:
    node = row.member("tools")
    seen: set[str] = set()
    for tool in node.elements() if node else ():
        name = _check_tool(tool)
        if name.text() in seen:
            raise name.fail(f"the row has the tool {quoted(name.text())} twice", "take one out")
        if name.text() not in job.tool_names:
            known = f"{printable(job.path)}, which has: {listed(job.tool_names)}"
            remedy = "add it to the job's tools, or take it out of the row"
            raise name.fail(f"the tool {quoted(name.text())} is not in {known}", remedy)
        seen.add(name.text())


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
