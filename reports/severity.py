"""How severities look, and how findings are counted."""

from collections import Counter
from collections.abc import Sequence

from reports.text import counted
from simulator.findings import SEVERITIES
from simulator.model import Finding

STYLES: dict[str, str] = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def tally(findings: Sequence[Finding]) -> str:
    """Return `2 errors, 1 note`; "nothing" where there is nothing."""
    counts: Counter[str] = Counter(finding.severity for finding in findings)
    return ", ".join(counted(counts[name], name) for name in SEVERITIES if counts[name]) or "nothing"
