"""Findings on a terminal: at length where they are the subject, in a line or two where something else is."""

import itertools
from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.text import Text

from reports.findings import STYLES, Parts, advice, alike, brief, evidence, name_of
from reports.layout import WIDTH, Entry, block, hanging
from reports.text import count
from simulator.model import Finding

_IN_FULL, _ALL_IN_FULL = 3, 5
"""How many findings that ask for the same are told in full: all of so many, otherwise only the first."""
_PLACES = 20


def render_findings(findings: Sequence[Finding]) -> RenderableType:
    """Return a line or two for each finding, for whoever goes on to do something else."""
    lines: list[RenderableType] = []
    for group in alike(findings):
        remedy = f"; {brief(group[0].remedy)}" if group[0].remedy else ""
        told, listed = _divided(group)
        lines += [Entry(_mark(one), _message(one) + Text(remedy)) for one in told]
        lines += _listed(listed)
    return Constrain(Group(*lines), WIDTH)


def told_in_full(findings: Sequence[Finding]) -> Iterator[Iterable[RenderableType]]:
    """Yield what there is to say of the findings, those together that ask for the same."""
    yield from map(_group, alike(findings))


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
