"""`comparison.json`: a comparison in the keys that others build on.

They are the fields of `simulator.measure.comparison`, with `schema_version`, `kind` ("compare") and for each
line its `name` as gates have it. What is a time in seconds there is in ms here, and its key ends in `_ms`:
`base_ms` and `now_ms` of lines and of `sampling`, `base_ms`, `bound_ms` and `observed_ms` of gates. `change`,
`low` and `high` are shares of BASE where `relative` is true (0.21 is 21% more); else differences in the
line's own unit, shares from 0 to 1.
"""

from typing import Any

import msgspec

from reports.json_report import encoded
from simulator.measure.comparison import ComparedGate, ComparedLine, Comparison

SCHEMA_VERSION = 1


def comparison_to_json(comparison: Comparison) -> bytes:
    """Return the comparison as indented JSON with a newline at its end."""
    fields = msgspec.to_builtins(comparison)
    base_s, now_s = fields.pop("sampling_s")
    return encoded(
        {
            "schema_version": SCHEMA_VERSION,
            "kind": "compare",
            **fields,
            "lines": [{"name": line.name, **_in_ms(line, "base", "now")} for line in comparison.lines],
            "gates": [_in_ms(gate, "base", "bound", "observed") for gate in comparison.gates],
            "sampling": {"base_ms": _ms(base_s), "now_ms": _ms(now_s)},
        }
    )


def _in_ms(one: ComparedLine | ComparedGate, *times: str) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(one)
    if one.unit != "time":
        return fields
    return {
        f"{name}_ms" if name in times else name: _ms(value) if name in times else value
        for name, value in fields.items()
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
