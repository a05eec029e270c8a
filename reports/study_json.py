"""`report.json` of a study of a grader, in the keys that others build on.

Read back as a `StudySummary` it gives that again, for its keys are its fields.
"""

from collections.abc import Sequence

import msgspec

from reports.json_report import SCHEMA_VERSION, encoded
from simulator.gates import Verdict
from simulator.measure.summary import StudySummary
from simulator.model import Finding


def study_to_json(study: StudySummary, verdict: Verdict, findings: Sequence[Finding]) -> bytes:
    """Return the study's report as indented JSON with a newline at its end."""
    fields = msgspec.to_builtins(study)
    judged = msgspec.to_builtins(verdict)
    return encoded(
        {
            "schema_version": SCHEMA_VERSION,
            "verdict": judged["verdict"],
            "kind": "grade",
            **fields,
            "gates": judged["gates"],
            "findings": msgspec.to_builtins(tuple(findings)),
        }
    )
