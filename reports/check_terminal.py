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
from reports.findings import brief, tally, verdict_of
from reports.findings_terminal import told_in_full
from reports.layout import BADGES, WIDTH, files_line, hanging, section
from reports.text import count, counted, duration
from simulator.measure.checked import CheckSummary
from simulator.model import Finding

_ONE_SCREEN = 10


def render_check(
    checked: CheckSummary, findings: Sequence[Finding], written: Sequence[str], out_dir: str | PathLike[str]
) -> RenderableType:
    """Return the report for a rich console to print; `written` names the files in `out_dir`.

    The verdict comes first, and once more at the end of what fills more than a screen.
    """
    blocks: tuple[Iterable[RenderableType], ...] = (
        _headline(checked, findings),
        *told_in_full(findings),
        _hint(findings),
        endpoint_table(checked.endpoints),
        _facts(checked, written, fspath(out_dir)),
        _headline(checked, findings) if len(findings) > _ONE_SCREEN else (),
    )
    filled = filter(None, map(list, blocks))
    return Constrain(Group(*itertools.chain.from_iterable((Text(), *block) for block in filled)), WIDTH)


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


def _hint(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    if findings:
        yield Text("`rft-preflight explain CODE` says more about a code", "dim")


# -- facts -----------------------------------------------------------------------------------------------


def _facts(checked: CheckSummary, written: Sequence[str], out_dir: str) -> Iterator[RenderableType]:
    yield from varied(checked.endpoints)
    if checked.left_out:
        yield section("left out", [Text(brief(sentence)) for sentence in checked.left_out])
    yield from files_line(written, out_dir)
