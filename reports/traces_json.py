"""`traces.json`: what recordings hold, in the keys that others build on.

Read back as a `Recorded` it gives that again, for its keys are its fields.
"""

from collections.abc import Sequence

import msgspec

from reports.json_report import SCHEMA_VERSION, encoded
from simulator.measure.recorded import Recorded
from simulator.model import Finding


def traces_to_json(recorded: Recorded, findings: Sequence[Finding]) -> bytes:
    """Return the report as indented JSON with a newline at its end."""
    fields = msgspec.to_builtins(recorded)
    passes = fields.pop("passes")
    return encoded(
        {
            "schema_version": SCHEMA_VERSION,
            "kind": "traces",
            **fields,
            "findings": msgspec.to_builtins(tuple(findings)),
            "passes": passes,
        }
    )
