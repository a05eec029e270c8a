"""`rft-preflight compare`: what changed between two runs, told from noise."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from reports.comparison_json import comparison_to_json
from reports.comparison_junit import comparison_to_junit
from reports.comparison_markdown import comparison_to_markdown
from reports.comparison_terminal import render_comparison
from reports.reading import JOURNAL, PastRun, past_run
from simulator.cli.exits import EXIT_CODES
from simulator.cli.options import share
from simulator.cli.output import status, stderr_console, stdout_console, writing
from simulator.errors import InputError
from simulator.measure.comparison import Comparison
from simulator.measure.summary import Summary

TOLERANCE = "10%"

_REPORTS = {
    "comparison.json": comparison_to_json,
    "comparison.md": comparison_to_markdown,
    "junit.xml": comparison_to_junit,
}


def compare(
    base: Path,
    now: Path,
    /,
    *,
    gate: Annotated[tuple[str, ...] | None, Parameter(negative=(), show_default=False)] = None,
    tolerance: str = TOLERANCE,
    out: Path | None = None,
) -> int:
    """Say what changed between two runs, told from noise.

    Without gates it fails where anything has become worse.

    Parameters
    ----------
    base
        The folder of the run to compare with.
    now
        The folder of the run to judge.
    gate
        A condition on NOW such as search.p99 < 2s, or against BASE such as search.p99 < 1.1 * base; give it
        several times for several. With gates, they alone decide.
    tolerance
        The change of a time below which it is no news, such as 5% or 0.05.
    out
        The folder for comparison.json, comparison.md and junit.xml; without it nothing is written.
    """
    within = share(tolerance, "--tolerance")
    runs = [_read(folder) for folder in (base, now)]
    comparison = _compared(runs, gate or (), within)
    written = [] if out is None else _write(comparison, out)
    stdout_console().print(render_comparison(comparison, written, out or ""))
    return EXIT_CODES[comparison.verdict]


def _read(folder: Path) -> PastRun:
    run = past_run(folder)
    if not run.has_lines:
        message = f"has no {JOURNAL}, and a comparison draws its rollouts again"
        raise InputError(message, where=str(folder), remedy="name the whole folder of a run")
    return run


def _compared(runs: Sequence[PastRun], gates: Sequence[str], tolerance: float) -> Comparison:
    # numpy takes a fifth of a second, which no other command should wait for.
    from simulator.comparing.columns import columns_of  # noqa: PLC0415
    from simulator.comparing.compare import Side, compare  # noqa: PLC0415
    from simulator.comparing.gates import parse_compared_gates  # noqa: PLC0415

    bounds = parse_compared_gates(gates, *_endpoints([run.summary for run in runs]))
    with status(stderr_console()) as watch:
        sides = []
        for run in runs:
            watch(str(run.folder))
            columns = columns_of(run.lines())
            sides.append(Side(str(run.folder), run.summary, run.verdict.verdict, columns))
        return compare(sides[0], sides[1], bounds, tolerance=tolerance)


def _endpoints(summaries: Sequence[Summary]) -> tuple[list[str], str | None]:
    """Return the tools of both runs, and the grader of either."""
    endpoints = [endpoint for summary in summaries for endpoint in summary.endpoints]
    tools = dict.fromkeys(endpoint.name for endpoint in endpoints if endpoint.kind == "tool")
    graders = [endpoint.name for endpoint in endpoints if endpoint.kind == "grader"]
    return list(tools), graders[-1] if graders else None


def _write(comparison: Comparison, out: Path) -> list[str]:
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        for name, report in _REPORTS.items():
            (out / name).write_bytes(report(comparison))
    return list(_REPORTS)
