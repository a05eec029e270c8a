"""The report of a check for the one who started it: what was found, worst first, then what was measured.

As in `terminal`: colour only repeats what the words say, and what somebody else named or answered passes
through `plain`.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike, fspath

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.text import Text

from reports.endpoint_facts import endpoint_table, span, varied
from reports.findings import STYLES, Parts, advice, alike, brief, evidence, name_of, tally, verdict_of
from reports.layout import Entry, block, hanging, section
from reports.terminal import BADGES, WIDTH, files_line
from reports.text import count, counted, duration
from simulator.measure.checked import CheckSummary
from simulator.model import Finding

_IN_FULL, _ALL_IN_FULL = 3, 5
"""How many findings that ask for the same are told in full: all of so many, otherwise only the first."""
_PLACES = 20
_ONE_SCREEN = 10


def render_check(
    checked: CheckSummary, findings: Sequence[Finding], written: Sequence[str], out_dir: str | PathLike[str]
) -> RenderableType:
    """Return the report for a rich console to print; `written` names the files in `out_dir`.

    The verdict comes first, and once more at the end of what fills more than a screen.
    """
    blocks: tuple[Iterable[RenderableType], ...] = (
        _headline(checked, findings),
        *map(_group, alike(findings)),
        _hint(findings),
        endpoint_table(checked.endpoints),
        _facts(checked, written, fspath(out_dir)),
        _headline(checked, findings) if len(findings) > _ONE_SCREEN else (),
    )
    filled = filter(None, map(list, blocks))
    return Constrain(Group(*itertools.chain.from_iterable((Text(), *block) for block in filled)), WIDTH)


def render_findings(findings: Sequence[Finding]) -> RenderableType:
    """Return a line or two for each finding, for whoever goes on to do something else."""
    lines: list[RenderableType] = []
    for group in alike(findings):
        remedy = f"; {brief(group[0].remedy)}" if group[0].remedy else ""
        told, listed = _divided(group)
        lines += [Entry(_mark(one), _message(one) + Text(remedy)) for one in told]
        lines += _listed(listed)
    return Constrain(Group(*lines), WIDTH)


# -- the verdict -----------------------------------------------------------------------------------------


def _headline(checked: CheckSummary, findings: Sequence[Finding]) -> Iterator[RenderableType]:
    verdict = verdict_of(findings)
    but = "no error, but " if findings and verdict != "fail" else ""
    sentence = Text(f"{but}{tally(findings)} found {_effort(checked)}", "bold")
    yield hanging(Text(verdict.upper(), BADGES[verdict]), sentence, indent=0, gap=2)


def _effort(checked: CheckSummary) -> str:
    if not checked.requests:
        return "in the files; nothing was sent" if checked.probe == "files" else "before anything was sent"
    effort = f"with {counted(checked.requests, 'request')} in {duration(checked.duration_s)}"
    if not checked.rate_requests:
        return effort
    rates = {one.url: one.rate_asked_per_s for one in checked.endpoints if one.rate_asked_per_s}
    at = f" at {span(rates.values())} per second{' each' if len(rates) > 1 else ''}" if rates else ""
    return f"{effort}, and {count(checked.rate_requests)} in {duration(checked.rate_duration_s)}{at}"


# -- findings --------------------------------------------------------------------------------------------


def _group(group: Sequence[Finding]) -> Iterator[RenderableType]:
    """Yield findings that ask for the same, and once what that is."""
    told, listed = _divided(group)
    in_full = told if len(told) <= _ALL_IN_FULL else told[:_IN_FULL]
    for finding in told:
        yield Entry(_mark(finding), _message(finding))
        if finding in in_full:
            yield from _labelled(evidence(finding), "dim")
    if any(finding.request for finding in told[len(in_full) :]):
        yield block(Text("what the others were sent and answered is in report.json", "dim"))
    yield from _listed(listed)
    yield from _labelled(advice(group[0]))


def _divided(group: Sequence[Finding]) -> tuple[Sequence[Finding], Sequence[Finding]]:
    """Return those to be told one by one, which every error is, and those of which the place is enough."""
    if group[0].severity == "error" or len(group) <= _ALL_IN_FULL:
        return group, ()
    return group[:_IN_FULL], group[_IN_FULL:]


def _mark(finding: Finding) -> Text:
    """Return the beginning of the line, as linters print it."""
    where = f"{brief(finding.where)}: " if finding.where else ""
    return Text.assemble(where, (finding.severity, STYLES[finding.severity]), f" {brief(finding.code)}:")


def _message(finding: Finding) -> Text:
    name = f"{name_of(finding.endpoint)}: " if finding.endpoint else ""
    return Text.assemble((name, "bold"), brief(finding.message))


def _labelled(parts: Parts, style: str = "") -> Iterator[RenderableType]:
    for label, text in parts:
        yield hanging(Text(f"{label:<8}", "dim"), Text(text, style), gap=2)


def _listed(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    if findings:
        # The first ones, told in full, have shown in which folder the files are.
        places = dict.fromkeys(name_of(one.where.rpartition("/")[2] or one.endpoint) for one in findings)
        listed = ", ".join(itertools.islice(filter(None, places), _PLACES))
        more = ", ..." if len(places) > _PLACES else ""
        yield block(Text(f"and {count(len(findings))} more, in full in report.json: {listed}{more}"))


def _hint(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    if findings:
        yield Text("`rft-preflight explain CODE` says more about a code", "dim")


# -- facts -----------------------------------------------------------------------------------------------


def _facts(checked: CheckSummary, written: Sequence[str], out_dir: str) -> Iterator[RenderableType]:
    yield from varied(checked.endpoints)
    if checked.left_out:
        yield section("left out", [Text(brief(sentence)) for sentence in checked.left_out])
    yield from files_line(written, out_dir)
