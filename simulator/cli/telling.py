"""The end of a run: its findings, its verdict, its files, and what is said of it on the terminal."""

import sys
from collections.abc import Sequence
from pathlib import Path

from reports.files import write_reports
from reports.reading import JOURNAL
from reports.results import Results
from reports.terminal import render
from simulator.cli.afterwards import findings_about_rewards
from simulator.cli.exits import EXIT_CODES, EXIT_INTERRUPTED
from simulator.cli.otel import export
from simulator.cli.output import stdout_console, writing
from simulator.cli.prepare import Prepared
from simulator.errors import InputError, PreflightError
from simulator.gates import judge
from simulator.measure.detail import Detail, detail_of
from simulator.measure.lines import lines_of
from simulator.measure.summary import Summary
from simulator.model import Finding


def tell(prepared: Prepared, summary: Summary, findings: Sequence[Finding], *, otel: bool) -> int:
    """Write the reports and print one of them, whatever the disk says; return the exit code."""
    known = {finding.code for finding in findings}
    about_rewards = [
        finding
        for finding in findings_about_rewards(summary, prepared.scenario.job.grader.name)
        if finding.code not in known
    ]
    findings = (*findings, *about_rewards)
    verdict = judge(prepared.gates, summary, findings)
    results = Results(summary, verdict, findings, _detail(prepared.out / JOURNAL))
    written, refusal = [JOURNAL], None
    try:
        with writing(prepared.out):
            written += write_reports(prepared.out, results)
    except InputError as error:
        refusal = error
    stdout_console().print(render(summary, verdict, written, prepared.out, about_rewards))
    if otel:
        _export(results)
    if refusal is not None:
        raise refusal
    if summary.failure:
        raise PreflightError(summary.failure)
    return EXIT_INTERRUPTED if summary.interrupted else EXIT_CODES[verdict.verdict]


def _export(results: Results) -> None:
    """Send the metrics; that they cannot be sent changes nothing of the verdict."""
    try:
        export(results)
    except PreflightError as error:
        print(f"rft-preflight: {error}", file=sys.stderr)


def _detail(journal: Path) -> Detail | None:
    """Return what pictures are drawn from; None where the journal cannot be read."""
    try:
        with journal.open("rb") as file:
            return detail_of(lines_of(file, str(journal)))
    except (OSError, InputError):
        return None
