"""The rows of the datasets: how many, how large, which of them twice."""

from collections.abc import Iterator

from simulator.findings import found
from simulator.job.scenario import Scenario
from simulator.model import Finding

FEWEST_ROWS = 10
"""The published samples want at least this many rows in each file."""


def too_few_rows(scenario: Scenario) -> Iterator[Finding]:
    """Tell of a dataset with fewer than `FEWEST_ROWS`."""
    for _, file, items in scenario.splits:
        if 0 < len(items) < FEWEST_ROWS:
            message = f"{len(items)} rows, fewer than the {FEWEST_ROWS} that are asked for"
            yield found("dataset.too_few_rows", message, where=file)


def rows_without_tools(scenario: Scenario) -> Iterator[Finding]:
    """Tell of rows that declare no tools although the job has some."""
    for _, file, items in scenario.splits:
        bare = [item for item in items if not item.tools] if scenario.job.tools else []
        if bare:
            where = f"{file}:{bare[0].line}:{bare[0].column}"
            yield found("dataset.rows_without_tools", f"{len(bare)} rows declare no `tools`", where=where)


ROW_LINTS = (too_few_rows, rows_without_tools)
