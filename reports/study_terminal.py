"""The report of a study of a grader, for the one who started it: verdict, findings, then what was measured.

As in `terminal`: colour only repeats what the words say, and what somebody else named passes through `plain`.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike, fspath

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.text import Text

from reports.findings import tally
from reports.findings_terminal import told_in_full
from reports.grading_terminal import grading_sections
from reports.layout import BADGES, WIDTH, files_line, hanging, section
from reports.terminal import gates_section
from reports.text import count, counted, duration, enumerated, plain
from simulator.gates import Verdict
from simulator.measure.summary import StudySummary
from simulator.model import Finding


def render_study(
    study: StudySummary,
    verdict: Verdict,
    findings: Sequence[Finding],
    written: Sequence[str],
    out_dir: str | PathLike[str],
) -> RenderableType:
    """Return the report for a rich console to print; `written` names the files in `out_dir`."""
    blocks: tuple[Iterable[RenderableType], ...] = (
        _headline(study, verdict, findings),
        *told_in_full(findings),
        itertools.chain(
            _facts(study), gates_section(verdict), _run(study), files_line(written, fspath(out_dir))
        ),
    )
    filled = filter(None, map(list, blocks))
    return Constrain(Group(*itertools.chain.from_iterable((Text(), *block) for block in filled)), WIDTH)


def _headline(study: StudySummary, verdict: Verdict, findings: Sequence[Finding]) -> Iterator[RenderableType]:
    failed = sum(not gate.ok for gate in verdict.gates)
    gates = f", {failed} of {counted(len(verdict.gates), 'gate')} failed" if failed else ""
    effort = f"with {counted(study.calls, 'grading')} of " if study.calls else "in "
    sentence = (
        f"{tally(findings)} found {effort}{counted(study.samples, 'sample')} in"
        f" {counted(study.groups, 'group')}{gates}"
    )
    yield hanging(
        Text(verdict.verdict.upper(), BADGES[verdict.verdict]), Text(sentence, "bold"), indent=0, gap=2
    )


def _facts(study: StudySummary) -> Iterator[RenderableType]:
    yield section("scores", [Text(_scores(study))])
    yield from grading_sections(study.grader, study.grader_name)


def _scores(study: StudySummary) -> str:
    scores = study.grader.scores
    missing = f"; without a score: {enumerated(study.grader.ungraded)}" if study.grader.ungraded else ""
    if scores.mean is None or scores.std is None:
        return f"{plain(study.grader_name)}: none{missing}"
    return (
        f"{plain(study.grader_name)}: {scores.mean:.3f} ± {scores.std:.3f}; {count(scores.zero)} scored 0,"
        f" {count(scores.one)} scored 1{missing}"
    )


def _run(study: StudySummary) -> Iterator[RenderableType]:
    took = f", graded in {duration(study.duration_s)}" if study.calls else ""
    yield section(
        "study", [Text(f"{plain(study.scenario)}, samples of {plain(study.source)}, seed {study.seed}{took}")]
    )
    if study.assumptions:
        yield section("assumed", [Text(plain(sentence)) for sentence in study.assumptions])
    if study.left_out:
        yield section("left out", [Text(plain(sentence)) for sentence in study.left_out])
