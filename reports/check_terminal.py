"""The report of a check for the one who started it: what was found, worst first, then what was measured.

As in `terminal`: colour only repeats what the words say, and what somebody else named or answered passes
through `plain`.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike, fspath

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.text import Text

from reports.check_json import verdict_of
from reports.layout import INDENT, aligned, block, hanging, header, section
from reports.severity import STYLES, tally
from reports.terminal import BADGES, WIDTH, files_line
from reports.text import count, counted, duration, duration_ms, number, plain, short
from simulator.findings import SEVERITIES
from simulator.measure.checked import CheckSummary, EndpointFacts
from simulator.model import Finding

_LONGEST_NAME = 28
_MOST_OF_A_CODE = 5
"""Warnings and notes of one code, and no further ones; errors are all shown."""


def render_check(
    checked: CheckSummary, findings: Sequence[Finding], written: Sequence[str], out_dir: str | PathLike[str]
) -> RenderableType:
    """Return the report for a rich console to print; `written` names the files in `out_dir`."""
    blocks: tuple[Iterable[RenderableType], ...] = (
        _headline(checked, findings),
        *map(_group, _grouped(_shown(findings))),
        _folded(findings),
        _hint(findings),
        _endpoints(checked.endpoints),
        _facts(checked, written, fspath(out_dir)),
    )
    filled = filter(None, map(list, blocks))
    return Constrain(Group(*itertools.chain.from_iterable((Text(), *block) for block in filled)), WIDTH)


def render_findings(findings: Sequence[Finding]) -> RenderableType:
    """Return a line or two for each finding, for whoever goes on to do something else."""
    lines = [_line(finding, f"; {plain(finding.remedy)}") for finding in _shown(findings)]
    return Constrain(Group(*lines, *_folded(findings)), WIDTH)


# -- the verdict


def _headline(checked: CheckSummary, findings: Sequence[Finding]) -> Iterator[RenderableType]:
    verdict = verdict_of(findings)
    badge = Text(verdict.upper(), BADGES[verdict])
    yield hanging(badge, Text(f"{tally(findings)} found {_effort(checked)}", "bold"), indent=0, gap=2)


def _effort(checked: CheckSummary) -> str:
    if not checked.requests:
        return "in the files; nothing was sent"
    effort = f"with {counted(checked.requests, 'request')} in {duration(checked.duration_s)}"
    if not checked.rate_requests:
        return effort
    return f"{effort}, and {count(checked.rate_requests)} in {duration(checked.rate_duration_s)} for the rate"


# -- findings


def _shown(findings: Sequence[Finding]) -> list[Finding]:
    seen: Counter[str] = Counter()
    shown = []
    for finding in sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)):
        seen[finding.code] += 1
        if finding.severity == "error" or seen[finding.code] <= _MOST_OF_A_CODE:
            shown.append(finding)
    return shown


def _folded(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    """Say how many were left out of the list, by code."""
    counts = Counter(finding.code for finding in findings if finding.severity != "error")
    left = {code: times - _MOST_OF_A_CODE for code, times in counts.items() if times > _MOST_OF_A_CODE}
    if left:
        said = ", ".join(f"{count(times)} more of {code}" for code, times in left.items())
        yield Text(f"{said}: all are in report.json", "dim")


def _grouped(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return the findings with those together that have the same effect and remedy."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.code, finding.remedy), []).append(finding)
    return list(groups.values())


def _group(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    for finding in findings:
        yield _line(finding)
        yield from _labelled(("request", finding.request, "dim"), ("answer", finding.answer, "dim"))
    yield from _labelled(("training", findings[0].effect, ""), ("remedy", findings[0].remedy, ""))


def _labelled(*parts: tuple[str, str, str]) -> Iterator[RenderableType]:
    for label, text, style in parts:
        if text:
            yield hanging(Text(f"{label:<9}", "dim"), Text(plain(text), style))


def _line(finding: Finding, more: str = "") -> Text:
    """Return `file:line:column: error code: message`, as linters print it."""
    where = f"{plain(finding.where)}: " if finding.where else ""
    mark = (finding.severity, STYLES[finding.severity])
    said = f" {plain(finding.code)}: {_place(finding)}{plain(finding.message)}{more}"
    return Text.assemble(where, mark, said)


def _place(finding: Finding) -> str:
    return f"{short(plain(finding.endpoint), _LONGEST_NAME)}: " if finding.endpoint else ""


def _hint(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    if findings:
        yield Text("`rft-preflight explain CODE` says more about a code", "dim")


# -- endpoints


def _endpoints(endpoints: Sequence[EndpointFacts]) -> Iterator[RenderableType]:
    known = [endpoint for endpoint in endpoints if endpoint.http_version or endpoint.connect_ms is not None]
    if not known:
        return
    titles = header("endpoint", "connect", "first", "then", "kept alive", "rate")
    lines = aligned([titles, *map(_row, known)])
    notes = ["", *map(_notes, known)]
    for line, note in zip(lines, notes, strict=True):
        yield block(line)
        if note:
            yield block(Text(note, "dim"), indent=2 * INDENT)


def _row(endpoint: EndpointFacts) -> list[Text]:
    times = (endpoint.connect_ms, endpoint.first_answer_ms, endpoint.warm_answer_ms)
    return [
        Text(short(plain(endpoint.name), _LONGEST_NAME), "bold"),
        *(Text("-" if ms is None else duration_ms(ms)) for ms in times),
        Text({None: "-", True: "yes", False: "no"}[endpoint.keep_alive]),
        Text(_rate(endpoint)),
    ]


def _rate(endpoint: EndpointFacts) -> str:
    if endpoint.rate_per_s is None or endpoint.rate_asked_per_s is None:
        return "-"
    kept_up = endpoint.rate_per_s >= endpoint.rate_asked_per_s
    return f"{number(endpoint.rate_asked_per_s if kept_up else endpoint.rate_per_s)}/s"


def _notes(endpoint: EndpointFacts) -> str:
    return "; ".join(filter(None, (_spoken(endpoint), *map(_fates, _told(endpoint)))))


def _spoken(endpoint: EndpointFacts) -> str:
    http = f"HTTP/{plain(endpoint.http_version)}" if endpoint.http_version else ""
    days = endpoint.certificate_days
    lasts = "" if days is None else f"the certificate lasts for {days:.0f} days"
    return ", ".join(filter(None, (http, plain(endpoint.tls), lasts)))


def _told(endpoint: EndpointFacts) -> Iterator[tuple[str, dict[str, str]]]:
    yield "bad arguments", endpoint.bad_arguments
    yield "answers", endpoint.bad_answers


def _fates(told: tuple[str, dict[str, str]]) -> str:
    """Return `bad arguments: 5 x soft error, 2 x 400`, the most frequent first; scores are one kind."""
    what, said = told
    kinds = Counter("scored" if fate.startswith("scored ") else plain(fate) for fate in said.values())
    listed = ", ".join(f"{times} x {kind}" for kind, times in kinds.most_common())
    return f"{what}: {listed}" if listed else ""


# -- facts


def _facts(checked: CheckSummary, written: Sequence[str], out_dir: str) -> Iterator[RenderableType]:
    if checked.left_out:
        yield section("left out", [Text(plain(sentence)) for sentence in checked.left_out])
    yield from files_line(written, out_dir)
