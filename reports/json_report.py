"""`report.json`: the summary with its verdict, in the keys that others build on.

Read back as a `Summary` and as a `Verdict` it gives both again, for its keys are their fields.
"""

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from reports.platform import platform_metrics
from simulator.gates import Verdict
from simulator.measure.summary import Summary
from simulator.model import Finding

SCHEMA_VERSION = 1

_MS_DIGITS = 3
_DIGITS = 6

# The formatter gives every number of a series its own line; a raw newline cannot be part of a JSON string.
_NUMBERS_ON_LINES = re.compile(rb"\[\n[\s\d,.eE+-]+\]")


def _report(summary: Summary, verdict: Verdict, findings: Sequence[Finding]) -> dict[str, Any]:
    fields = msgspec.to_builtins(summary)
    series, histograms = fields.pop("series"), fields.pop("histograms")
    judged = msgspec.to_builtins(verdict)
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": judged["verdict"],
        **fields,
        "platform": msgspec.to_builtins(platform_metrics(summary)),
        "gates": judged["gates"],
        "findings": msgspec.to_builtins(tuple(findings)),
        "series": series,
        "histograms": histograms,
    }


def to_json(summary: Summary, verdict: Verdict, findings: Sequence[Finding] = ()) -> bytes:
    """Return the report as indented JSON with a newline at its end."""
    return encoded(_report(summary, verdict, findings))


def encoded(report: dict[str, Any]) -> bytes:
    """Return a report as JSON: what is in ms to the microsecond, other numbers to six decimals."""
    indented = msgspec.json.format(msgspec.json.encode(_tidy(report)), indent=2)
    return _NUMBERS_ON_LINES.sub(lambda numbers: b" ".join(numbers[0].split()), indented) + b"\n"


def _tidy(value: Any, digits: int = _DIGITS) -> Any:
    match value:
        case dict():
            return {
                _encodable(key): _tidy(item, _MS_DIGITS if key.endswith("_ms") else digits)
                for key, item in value.items()
            }
        case list() | tuple():
            return [_tidy(item, digits) for item in value]
        case float():
            return round(value, digits)
        case str():
            return _encodable(value)
        case _:
            return value


def _encodable(text: str) -> str:
    """Return the text with lone surrogates, which no UTF-8 can hold, replaced."""
    return text.encode("utf-8", "replace").decode("utf-8")
