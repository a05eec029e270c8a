"""Conditions on the summary, and the verdict they make.

A gate is `SUBJECT.METRIC OP VALUE`: `search.p99 < 2s`, `tools.error_rate < 0.5%`,
`rollouts.discarded_rate == 0`, `steps.inflation < 1.5`. It is parsed once, before anything is sent, against
the names the run will measure; afterwards it can only hold or not hold.
"""

import math
import operator
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import msgspec

from simulator.errors import GateError
from simulator.measure.summary import EndpointSummary, GraderSummary, StudySummary, Summary
from simulator.metrics import ENDPOINT_METRICS, OF_THE_GRADER, OF_THE_RUN, Metric, Unit, Value
from simulator.model import Finding

OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip

_TIME_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0}

_GATE = re.compile(
    r"\s*(?P<subject>[^\s<>=!]+)\.(?P<metric>\w+)\s*(?P<op><=|>=|==|!=|<|>)"
    r"\s*(?P<number>[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\s*(?P<unit>[a-zA-Z%]*)\s*"
)


DEFAULT_GATES = (
    "rollouts.discarded_rate == 0",
    "rollouts.false_zero_rate == 0",
    "tools.error_rate < 1%",
    "tools.p99 < 10s",
    "grader.error_rate < 1%",
    "grader.p99 < 10s",
)
"""What a run without gates of its own must meet; a job whose grader is not called has no `grader` gates."""


class Gate(msgspec.Struct, frozen=True):
    """A parsed gate; `bound` is in seconds, as a share (0 to 1), or a plain number."""

    expr: str
    subject: str
    metric: str
    unit: Unit
    op: str
    bound: float


class GateResult(msgspec.Struct, frozen=True):
    """What a gate found; `observed` is None where nothing was measured."""

    expr: str
    observed: float | None
    unit: Unit
    ok: bool


class Verdict(msgspec.Struct, frozen=True):
    """pass; fail where a gate did not hold; invalid where the measurement cannot be trusted."""

    verdict: Literal["pass", "fail", "invalid"]
    gates: tuple[GateResult, ...]


def default_gates(tools: Sequence[str], grader: str | None) -> tuple[str, ...]:
    """Return the default gates of a job with these tools; `grader` is None where none is called."""
    subjects = {"rollouts", *_endpoint_subjects(tools, grader)}
    return tuple(gate for gate in DEFAULT_GATES if gate.partition(".")[0] in subjects)


def parse_gates(
    texts: Iterable[str], tools: Sequence[str], grader: str | None, *, where: str = "gate"
) -> tuple[Gate, ...]:
    """Parse gates for a job with these tools and this grader, None where none is called.

    GateError, naming what is known and `where` the gate was written, for the first wrong one.
    """
    subjects = subjects_of(tools, grader)
    return tuple(_parse(text, subjects, where) for text in texts)


def subjects_of(tools: Sequence[str], grader: str | None) -> dict[str, dict[str, Metric]]:
    """Return what a gate on a run of these endpoints can be about, with the metrics of each."""
    subjects = dict.fromkeys(_endpoint_subjects(tools, grader), ENDPOINT_METRICS)
    return subjects | OF_THE_RUN | OF_THE_GRADER


def parse_study_gates(texts: Iterable[str], *, where: str = "gate") -> tuple[Gate, ...]:
    """Parse gates for a study of a grader alone; GateError for the first wrong one."""
    return tuple(_parse(text, OF_THE_GRADER, where) for text in texts)


def _endpoint_subjects(tools: Sequence[str], grader: str | None) -> list[str]:
    """Return the endpoints' own names and, for each kind that there is, the word for the kind."""
    return [*tools, *(["tools"] if tools else []), *([grader, "grader"] if grader is not None else [])]


def _parse(text: str, subjects: dict[str, dict[str, Metric]], where: str) -> Gate:
    match = _GATE.fullmatch(text)
    if match is None:
        raise GateError(f"`{text}` is no gate", where=where, remedy="write it like `search.p99 < 2s`")
    subject, name = match["subject"], match["metric"]
    unit = known_metric(text, subject, name, subjects, where).unit
    try:
        bound = bound_of(unit, float(match["number"]), match["unit"])
    except ValueError as error:
        raise GateError(f"`{text}`: {error}", where=where) from None
    return Gate(text.strip(), subject, name, unit, match["op"], bound)


def known_metric(
    text: str, subject: str, name: str, subjects: dict[str, dict[str, Metric]], where: str
) -> Metric:
    """Return the subject's metric; GateError about the gate `text` where there is none."""
    if subject not in subjects:
        remedy = f"known: {_list(subjects)}"
        raise GateError(f"`{text}`: unknown subject `{subject}`", where=where, remedy=remedy)
    if name not in subjects[subject]:
        remedy = f"known: {_list(subjects[subject])}"
        raise GateError(f"`{text}`: `{subject}` has no `{name}`", where=where, remedy=remedy)
    return subjects[subject][name]


def bound_of(expected: Unit, number: float, unit: str) -> float:
    """Return the bound in seconds, as a share, or as a number; ValueError saying what is wrong with it."""
    if expected == "time" and unit not in _TIME_UNITS:
        raise ValueError(f"a time needs a unit; one of {_list(_TIME_UNITS)}")
    factors = {"time": _TIME_UNITS, "share": {"": 1.0, "%": 0.01}, "number": {"": 1.0}}[expected]
    if unit not in factors:
        raise ValueError(f"unit `{unit}` does not fit; leave it out")
    bound = number * factors[unit]
    if not math.isfinite(bound) or (expected != "number" and bound < 0):
        raise ValueError("nothing can be measured against that; give a finite bound that is not negative")
    if expected == "share" and bound > 1:
        raise ValueError("a share is at most 100%; lower the bound")
    return bound


def _list(names: Iterable[str]) -> str:
    return ", ".join(names)


def judge(gates: Iterable[Gate], summary: Summary, findings: Iterable[Finding] = ()) -> Verdict:
    """Evaluate the gates; a measurement of nothing, or not to be trusted, is invalid whatever they say.

    A run fails, too, where anything was found that would ruin a training. One that ended early may fail, but
    it cannot pass: what hangs shows only in the end.
    """
    results = tuple(_evaluate(gate, summary) for gate in gates)
    if not summary.generator.trustworthy or not summary.rollouts.completed + summary.rollouts.discarded:
        return Verdict("invalid", results)
    if _is_ruined(findings) or not all(result.ok for result in results):
        return Verdict("fail", results)
    return Verdict("invalid" if summary.interrupted else "pass", results)


def judge_study(gates: Iterable[Gate], study: StudySummary, findings: Iterable[Finding]) -> Verdict:
    """Evaluate the gates of a study: it fails, too, where anything was found that would ruin a training.

    One that did not get to its end, or graded nothing, may fail, but it cannot pass.
    """
    results = tuple(_of_grader(gate, study.grader) for gate in gates)
    if _is_ruined(findings) or not all(result.ok for result in results):
        return Verdict("fail", results)
    return Verdict("invalid" if study.unfinished or study.grader.scores.mean is None else "pass", results)


def _is_ruined(findings: Iterable[Finding]) -> bool:
    return any(finding.severity == "error" for finding in findings)


def _evaluate(gate: Gate, summary: Summary) -> GateResult:
    if gate.subject in OF_THE_GRADER:
        return _of_grader(gate, summary.grader)
    metric = OF_THE_RUN.get(gate.subject, ENDPOINT_METRICS)[gate.metric]
    return _result(gate, metric, observed_in(summary, gate.subject, gate.metric))


def observed_in(summary: Summary, subject: str, name: str) -> Value:
    """Return what a run observed of a known metric; None where it did not, or has no such endpoint."""
    if subject in OF_THE_RUN:
        return OF_THE_RUN[subject][name].read(summary)
    if subject in OF_THE_GRADER:
        return OF_THE_GRADER[subject][name].read(summary.grader)
    endpoint = _endpoint_named(subject, summary)
    return None if endpoint is None else ENDPOINT_METRICS[name].read(endpoint)


def _of_grader(gate: Gate, grader: GraderSummary) -> GateResult:
    metric = OF_THE_GRADER[gate.subject][gate.metric]
    return _result(gate, metric, metric.read(grader))


def _result(gate: Gate, metric: Metric, observed: Value) -> GateResult:
    ok = not metric.needed if observed is None else OPERATORS[gate.op](observed, gate.bound)
    return GateResult(gate.expr, observed, gate.unit, ok)


def _endpoint_named(subject: str, summary: Summary) -> EndpointSummary | None:
    named = {endpoint.name: endpoint for endpoint in summary.endpoints}
    named |= {endpoint.kind: endpoint for endpoint in summary.endpoints if endpoint.kind == "grader"}
    named |= {"tools": summary.tools} if summary.tools is not None else {}
    return named.get(subject)
