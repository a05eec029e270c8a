"""`report.json` of a check: what was measured and found, in the keys that others build on."""

from collections.abc import Sequence

import msgspec

from reports.json_report import SCHEMA_VERSION, encoded
from simulator.measure.checked import CheckSummary
from simulator.model import Finding


def check_to_json(checked: CheckSummary, findings: Sequence[Finding]) -> bytes:
    """Return the check's report as indented JSON with a newline at its end."""
    fields = msgspec.to_builtins(checked)
    endpoints, left_out = fields.pop("endpoints"), fields.pop("left_out")
    return encoded({
        "schema_version": SCHEMA_VERSION,
        "kind": "check",
        "verdict": verdict_of(findings),
        **fields,
        "findings": msgspec.to_builtins(tuple(findings)),
        "endpoints": endpoints,
        "left_out": left_out,
    })  # fmt: skip


def verdict_of(findings: Sequence[Finding]) -> str:
    """Return `fail` where anything was found that would ruin a training, otherwise `pass`."""
    return "fail" if any(finding.severity == "error" for finding in findings) else "pass"
