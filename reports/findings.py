"""What the reports have in common about findings: their order, their count, their verdict, their parts."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from reports.text import counted, plain, short
from simulator.findings import RULES, SEVERITIES
from simulator.model import Finding

STYLES: dict[str, str] = {"error": "bold red", "warning": "yellow", "note": "cyan"}

UNFINISHED = "check.unfinished"

Parts = tuple[tuple[str, str], ...]
"""Labels, each with its text."""

_LONGEST = 1_000
"""Characters of a text that a person is shown; `report.json` has all of it."""
_LONGEST_NAME = 60

_IN_TURN = {code: turn for turn, code in enumerate(RULES)}


def verdict_of(findings: Sequence[Finding]) -> str:
    """Return `fail` where anything was found that would ruin a training.

    Otherwise `unfinished` where not all could be looked at, and `pass` where it was.
    """
    if any(finding.severity == "error" for finding in findings):
        return "fail"
    return "unfinished" if any(finding.code == UNFINISHED for finding in findings) else "pass"


def tally(findings: Sequence[Finding]) -> str:
    """Return `2 errors, 1 note`; "nothing" where there is nothing."""
    counts: Counter[str] = Counter(finding.severity for finding in findings)
    return ", ".join(counted(counts[name], name) for name in SEVERITIES if counts[name]) or "nothing"


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings by severity, rule and endpoint.

    Endpoints are probed side by side, so the order in which things were found is chance.
    """

    def turn(one: Finding) -> tuple[int, int, str]:
        return SEVERITIES.index(one.severity), _IN_TURN.get(one.code, len(_IN_TURN)), one.endpoint

    return tuple(sorted(findings, key=turn))


def alike(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return the findings that ask for the same together, the worst first."""
    ordered = worst_first(findings)
    return [list(same) for _, same in groupby(ordered, lambda one: (one.severity, one.code, advice(one)))]


def evidence(finding: Finding) -> Parts:
    """Return what was sent and what came back, as far as there is any."""
    return _filled(("request", finding.request), ("answer", finding.answer))


def advice(finding: Finding) -> Parts:
    """Return what it does to a training and what to do, as far as that is known."""
    return _filled(("training", finding.effect), ("remedy", finding.remedy))


def _filled(*parts: tuple[str, str]) -> Parts:
    return tuple((label, brief(text)) for label, text in parts if text)


def brief(text: str) -> str:
    """Return a stranger's text so that it can be shown: on one line, harmless, and not too long."""
    return short(plain(text), _LONGEST)


def name_of(text: str) -> str:
    """Return a stranger's name so that others fit beside it."""
    return short(plain(text), _LONGEST_NAME)
