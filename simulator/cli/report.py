"""`rft-preflight report`: every format again, from the files of runs that are over."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from rich.console import RenderableType

from reports.check_terminal import render_check
from reports.files import write_check_reports, write_reports, write_study_reports
from reports.reading import JOURNAL, PastRun, decoded, findings_in, past_run, read_report
from reports.results import Results
from reports.schema import published
from reports.study_terminal import render_study
from reports.terminal import render
from simulator.cli.exits import EXIT_CODES
from simulator.cli.output import status, stderr_console, stdout_console, writing
from simulator.errors import InputError
from simulator.gates import Verdict, judge, parse_gates
from simulator.job.settings import PRICE, range_problem
from simulator.measure.checked import CheckSummary
from simulator.measure.detail import Detail, detail_of
from simulator.measure.lines import RolloutLine
from simulator.measure.merging import Part, merge
from simulator.measure.summary import StudySummary, Summary

_encode = msgspec.json.Encoder().encode


def report(
    *folders: Path,
    out: Path | None = None,
    gate: Annotated[tuple[str, ...] | None, Parameter(negative=(), show_default=False)] = None,
    price_per_hour: float | None = None,
    schema: Annotated[bool, Parameter(negative=(), show_default=False)] = False,
) -> int:
    """Write every format of a report again, without running anything; several runs become one report.

    The exit code is 0, but where gates are judged anew, because of `--gate` or because several runs were
    merged: then it is that of the verdict.

    Parameters
    ----------
    folders
        What `--out` gave a run, a check or a study; or several runs of one scenario.
    out
        The folder to write to; by default the folder itself, and out/SCENARIO-merged-TIME for several.
    gate
        A condition to judge by in place of the run's own; give it several times for several.
    price_per_hour
        What an hour of training costs, in dollars.
    schema
        Print the JSON schema of report.json, and read nothing.
    """
    if schema:
        print(published().decode(), end="")
        return 0
    if not folders:
        raise InputError("is missing", where="FOLDER", remedy="name the folder of a run")
    if price_per_hour is not None and (problem := range_problem(PRICE, price_per_hour)):
        raise InputError(problem, where="--price-per-hour", remedy="mend the option")
    if len(folders) == 1:
        kind, content, where = read_report(folders[0])
        if kind in _AGAIN:
            return _AGAIN[kind](content, where, _folder(folders[0]) if out is None else out)
    runs = [past_run(folder) for folder in folders]
    _refuse_unlike(runs)
    target = _target(runs, out)
    with status(stderr_console()) as watch, writing(target):
        watch("what the runs left")
        target.mkdir(parents=True, exist_ok=True)
        results = _results(runs, target, gate, price_per_hour)
        written = write_reports(target, results)
    if (target / JOURNAL).is_file():
        written = [JOURNAL, *written]
    summary, verdict, findings = results.summary, results.verdict, results.findings
    stdout_console().print(render(summary, verdict, written, target, findings))
    return EXIT_CODES[verdict.verdict] if _is_judged_anew(runs, gate) else 0


def _results(
    runs: Sequence[PastRun], target: Path, gates: Sequence[str] | None, price_per_hour: float | None
) -> Results:
    """Return what the run left, or several together, whose rollouts are written into the target."""
    summary, detail = _merged(runs, target) if len(runs) > 1 else (runs[0].summary, _detail(runs[0]))
    if price_per_hour is not None:
        summary = msgspec.structs.replace(summary, price_per_hour=price_per_hour)
    verdict = _judged(runs, summary, gates) if _is_judged_anew(runs, gates) else runs[0].verdict
    return Results(summary, verdict, tuple(dict.fromkeys(one for r in runs for one in r.findings)), detail)


def _is_judged_anew(runs: Sequence[PastRun], gates: Sequence[str] | None) -> bool:
    return gates is not None or len(runs) > 1


def _folder(path: Path) -> Path:
    return path.parent if path.is_file() else path


def _target(runs: Sequence[PastRun], out: Path | None) -> Path:
    if out is None:
        return runs[0].folder if len(runs) == 1 else Path("out") / _name(runs[0])
    if len(runs) > 1 and any(out.resolve() == run.folder.resolve() for run in runs):
        message = "is the folder of one of the runs, which merging would overwrite"
        raise InputError(message, where=str(out), remedy="choose another --out")
    return out


def _name(run: PastRun) -> str:
    return f"{run.summary.scenario}-merged-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def _refuse_unlike(runs: Sequence[PastRun]) -> None:
    for run in runs[1:]:
        if run.summary.scenario != runs[0].summary.scenario:
            message = f"is a run of {run.summary.scenario}, and the first one of {runs[0].summary.scenario}"
            raise InputError(message, where=str(run.folder), remedy="name runs of one scenario, or `compare`")
    folders = [run.folder.resolve() for run in runs]
    for number, folder in enumerate(folders):
        if folder in folders[:number]:
            raise InputError("is named twice", where=str(runs[number].folder), remedy="name each run once")
    if len(runs) > 1:
        for run in runs:
            if not run.has_lines:
                remedy = "runs are merged rollout by rollout: keep it beside report.json"
                raise InputError("is missing", where=str(run.folder / JOURNAL), remedy=remedy)


def _detail(run: PastRun) -> Detail | None:
    return detail_of(run.lines()) if run.has_lines else None


def _merged(runs: Sequence[PastRun], target: Path) -> tuple[Summary, Detail]:
    with (target / JOURNAL).open("wb") as journal:

        def write(line: RolloutLine) -> None:
            journal.write(_encode(line) + b"\n")

        try:
            return merge([Part(run.summary, run.lines) for run in runs], write)
        except ValueError as error:
            raise InputError(str(error), where="report.json", remedy="run again") from None


def _judged(runs: Sequence[PastRun], summary: Summary, gates: Sequence[str] | None) -> Verdict:
    """Judge by these gates, or by those that any of the runs was judged by."""
    texts = dict.fromkeys(gate.expr for run in runs for gate in run.verdict.gates) if gates is None else gates
    tools = [one.name for one in summary.endpoints if one.kind == "tool"]
    grader = next((one.name for one in summary.endpoints if one.kind == "grader"), None)
    parsed = parse_gates(texts, tools, grader, where="report.json" if gates is None else "--gate")
    return judge(parsed, summary, [finding for run in runs for finding in run.findings])


# -- checks and studies ----------------------------------------------------------------------------------


def _check_again(content: bytes, where: str, target: Path) -> int:
    checked, findings = decoded(content, CheckSummary, where), findings_in(content, where)
    return _write_again(
        target,
        lambda: write_check_reports(target, checked, findings),
        lambda written: render_check(checked, findings, written, target),
    )


def _study_again(content: bytes, where: str, target: Path) -> int:
    study, verdict = decoded(content, StudySummary, where), decoded(content, Verdict, where)
    findings = findings_in(content, where)
    return _write_again(
        target,
        lambda: write_study_reports(target, study, verdict, findings),
        lambda written: render_study(study, verdict, findings, written, target),
    )


def _write_again(
    target: Path, write: Callable[[], list[str]], show: Callable[[list[str]], RenderableType]
) -> int:
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        written = write()
    stdout_console().print(show(written))
    return 0


_AGAIN: dict[str, Callable[[bytes, str, Path], int]] = {"check": _check_again, "grade": _study_again}
