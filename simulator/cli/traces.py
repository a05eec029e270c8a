"""`rft-preflight traces`: what recordings of rollouts hold, and what stands out in them."""

from collections.abc import Sequence
from pathlib import Path

from reports.findings import worst_first
from reports.traces_json import traces_to_json
from reports.traces_terminal import render_traces
from simulator.cli.options import share
from simulator.cli.output import say, status, stderr_console, stdout_console, writing
from simulator.errors import InputError
from simulator.job.jobfile import JobFile, read_job
from simulator.job.traces.fit import fitted_scenario
from simulator.job.traces.reading import MOST_BROKEN, Traces
from simulator.job.traces.told import findings_of
from simulator.measure.recorded import Reading, Recorded
from simulator.model import Finding

REPORT = "traces.json"

_EVERY = 1_000  # rollouts between two signs of life


def traces(
    *files: Path,
    out: Path | None = None,
    fit: Path | None = None,
    job: Path | None = None,
    broken: str = f"{MOST_BROKEN:.0%}",
) -> int:
    """Say what recordings of rollouts hold: calls, thinking, latencies, and what stands out.

    Parameters
    ----------
    files
        A rollouts.jsonl, an export of the platform's, another recording that the README lists, or a folder.
    out
        The folder for traces.json; without it nothing is written.
    fit
        A scenario to write, whose synthetic policy calls and thinks as was recorded.
    job
        The job that the scenario of `--fit` is for.
    broken
        The share of broken records from which on a recording is refused, such as 5% or 0.05.
    """
    if not files:
        raise InputError("is missing", where="FILE", remedy="name recordings of rollouts")
    most_broken = share(broken, "--broken")
    fitted_job = _check_fit(fit, job)
    recorded = _survey(Traces(files, most_broken))
    findings = worst_first(findings_of(recorded))
    written = [] if out is None else _write_report(recorded, findings, out)
    if fit is not None:
        _write_fit(recorded, fitted_job, fit)
    stdout_console().print(render_traces(recorded, findings, written, out or ""))
    if fit is not None:
        say(f"wrote {fit}; now `rft-preflight run {fit}`")
    return 0


def _check_fit(fit: Path | None, job: Path | None) -> JobFile | None:
    """Return the job that a scenario is to be fitted for; InputError before anything is read for long."""
    if fit is None and job is not None:
        raise InputError("is only for --fit", where="--job", remedy="name the scenario to write with --fit")
    if fit is not None and fit.exists():
        raise InputError("is there already", where=str(fit), remedy="choose another --fit")
    return None if job is None else read_job(job, None)


def _survey(traces: Traces) -> Recorded:
    # numpy takes a fifth of a second, which no other command should wait for.
    from simulator.job.traces.survey import Survey  # noqa: PLC0415

    survey = Survey()
    with status(stderr_console()) as watch:
        for number, recording in enumerate(traces, start=1):
            survey.add(recording, traces.files)
            if number % _EVERY == 0:
                watch(f"recordings: {number:,} rollouts so far")
        watch("what they hold")
        return survey.recorded(
            Reading(traces.files, dict(traces.formats), traces.records, traces.broken, tuple(traces.examples))
        )


def _write_report(recorded: Recorded, findings: Sequence[Finding], out: Path) -> list[str]:
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        (out / REPORT).write_bytes(traces_to_json(recorded, findings))
    return [REPORT]


def _write_fit(recorded: Recorded, job: JobFile | None, fit: Path) -> None:
    try:
        fit.write_text(fitted_scenario(recorded, job, fit.parent), encoding="utf-8")
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise InputError(message, where=str(fit), remedy="choose another --fit") from None
