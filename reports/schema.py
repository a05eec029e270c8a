"""The JSON schema of `report.json`, generated from the structs that the reports are written from.

The file beside this one is its published form. Whatever this version writes is required; what a later one may
add is allowed.
"""

from importlib import resources
from typing import Any, Literal

import msgspec

from reports.json_report import SCHEMA_VERSION
from reports.platform import PlatformMetrics
from simulator.gates import GateResult
from simulator.measure.checked import CheckSummary
from simulator.measure.summary import StudySummary, Summary
from simulator.model import Finding

FILE = "report.schema.json"

_ID = f"urn:rft-preflight:report:{SCHEMA_VERSION}"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"

_Version = Literal[1]
_FINDINGS = ("findings", tuple[Finding, ...])
_GATES = ("gates", tuple[GateResult, ...])

_RUN = msgspec.defstruct(
    "RunReport",
    [
        ("schema_version", _Version),
        ("verdict", Literal["pass", "fail", "invalid"]),
        _GATES,
        _FINDINGS,
        ("platform", PlatformMetrics),
    ],
    bases=(Summary,),
    namespace={"__doc__": f"A run. {Summary.__doc__}"},
    frozen=True,
    kw_only=True,
)
_CHECK = msgspec.defstruct(
    "CheckReport",
    [
        ("schema_version", _Version),
        ("kind", Literal["check"]),
        ("verdict", Literal["pass", "fail", "unfinished"]),
        _FINDINGS,
    ],
    bases=(CheckSummary,),
    namespace={"__doc__": f"A check of files and endpoints. {CheckSummary.__doc__}"},
    frozen=True,
    kw_only=True,
)
_STUDY = msgspec.defstruct(
    "StudyReport",
    [
        ("schema_version", _Version),
        ("kind", Literal["grade"]),
        ("verdict", Literal["pass", "fail", "invalid"]),
        _GATES,
        _FINDINGS,
    ],
    bases=(StudySummary,),
    namespace={"__doc__": f"A study of a grader. {StudySummary.__doc__}"},
    frozen=True,
    kw_only=True,
)
_REPORTS = (_RUN, _CHECK, _STUDY)


def schema() -> dict[str, Any]:
    """Return the schema, in JSON Schema 2020-12: one of a run's, a check's and a study's report."""
    references, components = msgspec.json.schema_components(_REPORTS, ref_template="#/$defs/{name}")
    definitions = {name: _with_all_required(one) for name, one in sorted(components.items())}
    # A run's report says no kind; what says another is none, however many of a run's keys it has.
    definitions["RunReport"]["properties"]["kind"] = {"const": "run"}
    return {
        "$schema": _DIALECT,
        "$id": _ID,
        "title": "report.json of rft-preflight",
        "description": (
            "What a run, a check or a study of a grader leaves behind for programs. Names that end in _ms are"
            " milliseconds, in _s seconds; rates and shares are from 0 to 1; null is what was not measured."
        ),
        "oneOf": list(references),
        "$defs": definitions,
    }


def schema_json() -> bytes:
    """Return the schema as indented JSON with a newline at its end."""
    return msgspec.json.format(msgspec.json.encode(schema()), indent=2) + b"\n"


def published() -> bytes:
    """Return the schema as it was published with this version."""
    return resources.files("reports").joinpath(FILE).read_bytes()


def _with_all_required(component: dict[str, Any]) -> dict[str, Any]:
    if "properties" not in component:
        return component
    tidy = {key: value for key, value in component.items() if key != "required"}
    tidy["description"] = " ".join(component.get("description", "").split()).replace("None", "null")
    tidy["properties"] = {
        name: {key: part for key, part in one.items() if key != "default"}
        for name, one in component["properties"].items()
    }
    return {**tidy, "required": list(component["properties"])}
