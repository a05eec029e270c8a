"""`report.json` of a check: what was measured and found, in the keys that others build on.

Read back as a `CheckSummary` it gives that again, for its keys are its fields.
"""

from collections.abc import Sequence

import msgspec

from reports.findings import verdict_of
from reports.json_report import SCHEMA_VERSION, encoded
from simulator.measure.checked import CheckSummary
from simulator.model import Finding


def check_to_json(checked: CheckSummary, findings: Sequence[Finding]) -> bytes:
    """Return the check's report as indented JSON with a newline at its end."""
    fields = msgspec.to_builtins(checked)
    left_out = fields.pop("left_out")
    return encoded(
        {
            "schema_version": SCHEMA_VERSION,
            "verdict": verdict_of(findings),
            "kind": "check",
            **fields,
            "findings": msgspec.to_builtins(tuple(findings)),
            "left_out": left_out,
        }
    )
