"""What a check can find: every code with its severity, what it does to a training, and the remedy.

The tables in this room are the only place where a code is defined; `rft-preflight explain`, `check --list`
and the README's table are made from them. A code is for ever: others filter by it.
"""

import msgspec

from simulator.findings.endpoints import ENDPOINTS
from simulator.findings.files import FILES
from simulator.findings.grader import GRADER
from simulator.findings.limits import LIMITS
from simulator.findings.recorded import RECORDED
from simulator.findings.reward import REWARD
from simulator.findings.rule import Rule
from simulator.findings.state import STATE
from simulator.findings.wire import WIRE
from simulator.model import Finding, Severity

GROUPS: dict[str, tuple[Rule, ...]] = {
    "the files": FILES,
    "the wire": WIRE,
    "the contract": ENDPOINTS,
    "state under the rollout's id": STATE,
    "the grader": GRADER,
    "the rewards, by `grade`": REWARD,
    "limits": LIMITS,
    "recordings, by `traces`": RECORDED,
}
"""All rules, in the order in which they are checked and listed."""

CHECKED = tuple(rule for rules in GROUPS.values() if rules not in (REWARD, RECORDED) for rule in rules)
"""The rules that `check` looks at; the others are for those who have rollouts already."""

RULES: dict[str, Rule] = {rule.code: rule for rules in GROUPS.values() for rule in rules}

SEVERITIES = ("error", "warning", "note")
"""The worst first."""


class Evidence(msgspec.Struct, frozen=True):
    """What was sent and what came back, each a cut of one line without secrets."""

    request: str = ""
    answer: str = ""


def found(
    code: str,
    message: str,
    *,
    endpoint: str = "",
    where: str = "",
    remedy: str = "",
    evidence: Evidence | None = None,
    severity: Severity | None = None,
) -> Finding:
    """Return the finding of that code; effect, remedy and severity are its rule's unless others are given.

    `where` is `file:line:column`, or as much of it as there is. KeyError for a code that no table has.
    """
    rule, evidence = RULES[code], evidence or Evidence()
    return Finding(
        code=code,
        severity=severity or rule.severity,
        endpoint=endpoint,
        message=message,
        remedy=remedy or rule.remedy,
        effect=rule.effect,
        where=where,
        request=evidence.request,
        answer=evidence.answer,
    )
