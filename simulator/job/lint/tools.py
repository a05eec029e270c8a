"""The tools that rows declare: their schemas, and whether they are the job's."""

from collections.abc import Iterator
from typing import Any

from simulator.errors import DatasetError
from simulator.job.document import Node, Source
from simulator.job.lint.places import Spot, elements, fingerprint, member, some, text_of, told, told_by_file
from simulator.job.lint.schemas import Schema, count_values, invalid
from simulator.job.lint.strict import not_strict
from simulator.job.locate import Path
from simulator.job.scenario import Scenario
from simulator.job.strictjson import quoted
from simulator.model import Finding, Item

MOST_CHECKED = 60_000
"""Values in all schemas that are held to the meta-schema, which takes some 50 us each."""

Verdict = tuple[str, Path, str] | None
"""A code, the way into the schema, and what is wrong there."""

_NOWHERE = Source("", "", DatasetError)


def tools_in_no_row(scenario: Scenario) -> Iterator[Finding]:
    """Tell of the job's tools that no row declares, where some rows declare tools."""
    declared = {tool.name for _, _, items in scenario.splits for item in items for tool in item.tools}
    idle = [tool.name for tool in scenario.job.tools if tool.name not in declared]
    if declared and idle:
        tools = elements(member(scenario.file.node, "tools"))
        first = next(node for node in tools if text_of(member(node, "name")) == idle[0])
        yield told("job.tool_in_no_row", f"no row declares {some(idle)}", [first], endpoint=idle[0])


def schemas(scenario: Scenario) -> Iterator[Finding]:
    """Tell of schemas that are none, that strict mode does not take, and that differ between rows."""
    verdicts: dict[tuple[bytes, bool], Verdict] = {}
    versions: dict[str, dict[bytes, Spot]] = {}
    spots: dict[str, list[Spot]] = {"dataset.invalid_schema": [], "dataset.not_strict": []}
    left = MOST_CHECKED
    for file, item, index, function in _declared(scenario):
        schema, name = function.get("parameters") or {}, function["name"]
        path, strict = ("tools", index, "function", "parameters"), function.get("strict") is True
        key = fingerprint(schema) or b""  # nested too deeply is all that need be said of it
        versions.setdefault(name, {}).setdefault(key, Spot(file, item, "", path))
        if (key, strict) not in verdicts:
            left -= count_values(schema, left)
            verdicts[key, strict] = _verdict(schema, strict=strict, with_meta_schema=left > 0)
        if verdict := verdicts[key, strict]:
            code, inside, problem = verdict
            place = (*path, *inside)
            message = f"the tool {quoted(name)}: {Node(_NOWHERE, None, place).name} {problem}"
            spots[code].append(Spot(file, item, message, place))
    for code, found_there in spots.items():
        yield from told_by_file(code, found_there)
    yield from told_by_file("dataset.schemas_differ", _differing(versions, complete=left > 0))


def _verdict(schema: Schema, *, strict: bool, with_meta_schema: bool) -> Verdict:
    if problem := invalid(schema, with_meta_schema=with_meta_schema):
        return "dataset.invalid_schema", *problem
    if strict and (problem := not_strict(schema)):
        return "dataset.not_strict", *problem
    return None


def _declared(scenario: Scenario) -> Iterator[tuple[str, Item, int, dict[str, Any]]]:
    for _, file, items in scenario.splits:
        for item in items:
            for index, tool in enumerate(item.row.get("tools") or ()):
                yield file, item, index, tool["function"]


def _differing(versions: dict[str, dict[bytes, Spot]], *, complete: bool) -> Iterator[Spot]:
    several = {name: list(spots.values()) for name, spots in versions.items() if len(spots) > 1}
    for name, (first, second, *_) in list(several.items())[:1]:
        message = (
            f"the tool {quoted(name)} has {len(several[name])} different schemas, the first of them at "
            f"{first.file}:{first.item.line}"
        )
        others = list(several)[1:]
        also = f"; so have {some(others)}" if others else ""
        unchecked = "" if complete else "; they are so many that not all were held to the meta-schema"
        yield Spot(second.file, second.item, message + also + unchecked, second.path)


TOOL_LINTS = (tools_in_no_row, schemas)
