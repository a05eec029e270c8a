"""The files of a report, each a function of the same things: those of a run, a check, a study."""

from collections.abc import Callable, Sequence
from pathlib import Path

from reports.check_json import check_to_json
from reports.hlog import to_hlog
from reports.html.page import study_to_html, to_html
from reports.json_report import to_json
from reports.junit import check_to_junit, study_to_junit, to_junit
from reports.markdown import to_markdown
from reports.prometheus import to_prometheus
from reports.reading import as_read_back
from reports.results import Results
from reports.study_json import study_to_json
from simulator.gates import Verdict
from simulator.measure.checked import CheckSummary
from simulator.measure.summary import StudySummary
from simulator.model import Finding

Report = Callable[[Results], bytes]
CheckReport = Callable[[CheckSummary, Sequence[Finding]], bytes]
StudyReport = Callable[[StudySummary, Verdict, Sequence[Finding]], bytes]

REPORTS: dict[str, Report] = {
    "report.json": lambda run: to_json(run.summary, run.verdict, run.findings),
    "report.html": to_html,
    "report.md": to_markdown,
    "junit.xml": lambda run: to_junit(run.summary, run.verdict, run.findings),
    "latency.hlog": to_hlog,
    "metrics.prom": to_prometheus,
}


CHECK_REPORTS: dict[str, CheckReport] = {
    "report.json": check_to_json,
    "junit.xml": check_to_junit,
}


STUDY_REPORTS: dict[str, StudyReport] = {
    "report.json": study_to_json,
    "report.html": study_to_html,
    "junit.xml": study_to_junit,
}


def write_reports(directory: Path, results: Results) -> list[str]:
    """Write every report into the directory, which exists, and return their names.

    All of them show what `report.json` says, so that they can be made from it again, to the last byte.
    """
    results = as_read_back(results)
    for name, report in REPORTS.items():
        _replace(directory / name, report(results))
    return list(REPORTS)


def write_check_reports(directory: Path, checked: CheckSummary, findings: Sequence[Finding]) -> list[str]:
    """Write every report of a check into the directory, which exists, and return their names."""
    for name, report in CHECK_REPORTS.items():
        _replace(directory / name, report(checked, findings))
    return list(CHECK_REPORTS)


def write_study_reports(
    directory: Path, study: StudySummary, verdict: Verdict, findings: Sequence[Finding]
) -> list[str]:
    """Write every report of a study into the directory, which exists, and return their names."""
    for name, report in STUDY_REPORTS.items():
        _replace(directory / name, report(study, verdict, findings))
    return list(STUDY_REPORTS)


def _replace(path: Path, content: bytes) -> None:
    # Whoever waits for the file must never read half of it.
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
