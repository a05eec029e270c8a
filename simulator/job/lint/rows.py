"""The rows of the datasets: how many, how large, which of them twice."""

from collections.abc import Iterator

from simulator.dialects.openai import OpenAI
from simulator.findings import found
from simulator.job.lint.places import Spot, fingerprint, told_by_file
from simulator.job.scenario import Scenario
from simulator.model import Finding, Item, Split, ToolCall

FEWEST_ROWS = 10
"""The published samples want at least this many rows in each file."""


def too_few_rows(scenario: Scenario) -> Iterator[Finding]:
    """Tell of a dataset with fewer than `FEWEST_ROWS`, whether they can be used or not."""
    for split, file, _ in scenario.splits:
        rows = scenario.rows[split]
        if 0 < rows < FEWEST_ROWS:
            message = (
                f"{rows} {'rows' if rows > 1 else 'row'}, fewer than the {FEWEST_ROWS} that are asked for"
            )
            yield found("dataset.too_few_rows", message, where=file)


def rows_without_tools(scenario: Scenario) -> Iterator[Finding]:
    """Tell of rows that declare no tools although the job has some."""
    if not scenario.job.tools:
        return
    for _, file, items in scenario.splits:
        spots = [Spot(file, item, "the row declares no `tools`") for item in items if not item.tools]
        yield from told_by_file("dataset.rows_without_tools", spots)


def rows_too_large(scenario: Scenario) -> Iterator[Finding]:
    """Tell of rows that no call could carry."""
    limit = scenario.rules.max_request_bytes
    for _, file, items in scenario.splits:
        spots = list[Spot]()
        for item in items:
            size, kind = max(_smallest_requests(scenario, item), default=(0, ""))
            if size > limit:
                message = f"the {kind} call that carries the row is {size:,} bytes, and {limit:,} are allowed"
                spots.append(Spot(file, item, message))
        yield from told_by_file("dataset.row_too_large", spots)


def _smallest_requests(scenario: Scenario, item: Item) -> Iterator[tuple[int, str]]:
    """Yield the least bytes that a call of each kind takes with the row in it, and the kind."""
    dialect, key = OpenAI(), "0" * 32
    trace_id, names = dialect.trace_id(key), [tool.name for tool in item.tools or scenario.job.tools]
    if names:
        call = ToolCall(min(names, key=len), "{}")
        yield len(dialect.tool_request(dialect.call_ids(key, 0), call, trace_id, item)), "tool"
    if scenario.job.grader.endpoint:
        yield len(dialect.grader_request("", [], trace_id, item, as_json=False)), "grader"


def repeated_conversations(scenario: Scenario) -> Iterator[Finding]:
    """Tell of conversations that stand in a file twice, or in training and in validation."""
    lines: dict[Split, dict[bytes, int]] = {"train": {}, "valid": {}}
    again, trained = list[Spot](), list[Spot]()
    for split, file, items in scenario.splits:
        for item in items:
            key = fingerprint(item.row["messages"])
            if key is None:
                continue
            if key in lines[split]:
                message = f"this conversation stands on line {lines[split][key]} already"
                again.append(Spot(file, item, message, ("messages",)))
            elif split == "valid" and key in lines["train"]:
                message = f"this conversation is trained on: {scenario.files['train']}:{lines['train'][key]}"
                trained.append(Spot(file, item, message, ("messages",)))
            lines[split].setdefault(key, item.line)
    yield from told_by_file("dataset.duplicate_rows", again)
    yield from told_by_file("dataset.leak", trained)


ROW_LINTS = (too_few_rows, rows_without_tools, rows_too_large, repeated_conversations)
