"""A run's folder, read back: `report.json` and `rollouts.jsonl`."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from reports.json_report import SCHEMA_VERSION, to_json
from reports.results import Results
from simulator.errors import InputError
from simulator.gates import Verdict
from simulator.measure.lines import RolloutLine, lines_of
from simulator.measure.summary import Summary
from simulator.model import Finding

REPORT = "report.json"
JOURNAL = "rollouts.jsonl"


class _Head(msgspec.Struct):
    schema_version: int
    kind: str = "run"


class _Findings(msgspec.Struct):
    findings: tuple[Finding, ...] = ()


class PastRun(msgspec.Struct, frozen=True):
    """What a run left behind in `folder`."""

    folder: Path
    summary: Summary
    verdict: Verdict
    findings: tuple[Finding, ...]

    @property
    def has_lines(self) -> bool:
        """Tell whether its `rollouts.jsonl` is there."""
        return (self.folder / JOURNAL).is_file()

    def lines(self) -> Iterator[RolloutLine]:
        """Yield its rollouts as they were written; InputError at a line that is none."""
        path = self.folder / JOURNAL
        try:
            with path.open("rb") as file:
                yield from lines_of(file, str(path))
        except OSError as error:
            raise InputError(f"cannot be read: {error.strerror}", where=str(path)) from None


def past_run(folder: Path) -> PastRun:
    """Return what a run left in the folder; InputError where that is no run's report of this version."""
    kind, content, where = read_report(folder)
    if kind != "run":
        remedy = "name the folder of a run"
        raise InputError(f"is the report of a {kind}, not of a run", where=where, remedy=remedy)
    return PastRun(
        folder,
        decoded(content, Summary, where),
        decoded(content, Verdict, where),
        findings_in(content, where),
    )


def as_read_back(results: Results) -> Results:
    """Return the results as they are once `report.json` has been written, which rounds, and read."""
    content = to_json(results.summary, results.verdict, results.findings)
    return Results(
        decoded(content, Summary, REPORT),
        decoded(content, Verdict, REPORT),
        findings_in(content, REPORT),
        results.detail,
    )


def findings_in(content: bytes, where: str) -> tuple[Finding, ...]:
    """Return the findings of a report."""
    found: _Findings = decoded(content, _Findings, where)
    return found.findings


def read_report(folder: Path) -> tuple[str, bytes, str]:
    """Return the kind of the folder's `report.json` (run, check or grade), what is in it, and where it is."""
    path = folder if folder.is_file() else folder / REPORT
    where = str(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        remedy = "name the folder that `--out` gave a run"
        raise InputError(f"cannot be read: {error.strerror}", where=where, remedy=remedy) from None
    head = decoded(content, _Head, where)
    if head.schema_version != SCHEMA_VERSION:
        message = f"has schema_version {head.schema_version}, and this program reads {SCHEMA_VERSION}"
        raise InputError(message, where=where, remedy="use the version that wrote it")
    return head.kind, content, where


def decoded(content: bytes, kind: type[Any], where: str) -> Any:
    """Return what the report's fields make of the struct; InputError where they do not fit."""
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        message = f"is no report of this program: {error}"
        raise InputError(message, where=where, remedy="run again, or name another folder") from None
