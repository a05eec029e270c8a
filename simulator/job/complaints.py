"""What readers complained of, as findings: what they say of many rows alike is one."""

import re
from collections.abc import Iterable

from simulator.errors import InputError
from simulator.findings import found
from simulator.job.lint.tokens import conceal
from simulator.model import Finding

_PLACE = re.compile(r"(.+):(\d+):\d+")
_MOST_LINES = 10
_MOST_OF_A_CODE = 20
"""Different complaints of one code about one file: what is wrong throughout need not be told row by row."""


def findings_of(errors: Iterable[InputError]) -> tuple[Finding, ...]:
    """Return a finding for each complaint; alike ones about one file are one, at the first place."""
    alike: dict[tuple[str, str, str], list[InputError]] = {}
    for error in errors:
        alike.setdefault((error.code, _file(error), error.message), []).append(error)
    kinds: dict[tuple[str, str], list[Finding]] = {}
    for (code, file, _), same in alike.items():
        kinds.setdefault((code, file), []).append(_together(same))
    return tuple(finding for findings in kinds.values() for finding in _first(findings))


def _file(error: InputError) -> str:
    place = _PLACE.fullmatch(error.where)
    return place[1] if place else error.where


def _together(same: list[InputError]) -> Finding:
    first, *rest = same
    lines = [place[2] for error in rest if (place := _PLACE.fullmatch(error.where))]
    more = ""
    if lines:
        listed = ", ".join(lines[:_MOST_LINES]) + (", ..." if len(lines) > _MOST_LINES else "")
        more = f"; likewise on {len(lines)} more {'lines' if len(lines) > 1 else 'line'}: {listed}"
    return found(first.code, conceal(first.message + more), where=first.where, remedy=first.remedy)


def _first(findings: list[Finding]) -> list[Finding]:
    kept, left = findings[:_MOST_OF_A_CODE], len(findings) - _MOST_OF_A_CODE
    if left > 0:
        last = kept[-1]
        message = f"{last.message}; and {left:,} more of the kind in this file"
        kept[-1] = found(last.code, message, where=last.where, remedy=last.remedy)
    return kept
