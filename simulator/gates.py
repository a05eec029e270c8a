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
from simulator.faults import NEVER_ANSWERED, Fault
from simulator.measure.summary import EndpointSummary, Summary

Unit = Literal["time", "share", "number"]
Value = float | None

_OPERATORS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le, "<": operator.lt, ">=": operator.ge, ">": operator.gt,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip

_TIME_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "min": 60.0}

_GATE = re.compile(
    r"\s*(?P<subject>[^\s<>=!]+)\.(?P<metric>\w+)\s*(?P<op><=|>=|==|!=|<|>)"
    r"\s*(?P<number>[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?)\s*(?P<unit>[a-zA-Z%]*)\s*"
)


class Metric(msgspec.Struct, frozen=True):
    """How to read one metric off its subject; times come out in seconds, None where nothing was measured.

    A gate on what was not measured does not hold, unless the metric need not exist: then there is nothing
    that it could be true of.
    """

    unit: Unit
    read: Callable[..., Value]
    needed: bool = True


def _time(name: str) -> Metric:
    return Metric("time", lambda e: getattr(e.service_ms, name) / 1000 if _answered(e) else None)


def _answered(endpoint: EndpointSummary) -> int:
    return endpoint.attempts - sum(n for name, n in endpoint.faults.items() if Fault(name) in NEVER_ANSWERED)


def _endpoint(unit: Unit, read: Callable[[EndpointSummary], float]) -> Metric:
    return Metric(unit, lambda e: read(e) if e.attempts else None)


ENDPOINT_METRICS: dict[str, Metric] = {
    **{name: _time(name) for name in ("p50", "p90", "p95", "p99", "p999", "max", "mean")},
    "error_rate": _endpoint("share", lambda e: e.error_rate),
    "soft_error_rate": _endpoint("share", lambda e: e.soft_errors / e.calls if e.calls else 0.0),
    "given_up_rate": _endpoint("share", lambda e: e.given_up / e.calls if e.calls else 0.0),
    **{
        name: Metric("number", lambda e, name=name: getattr(e, name))
        for name in ("calls", "attempts", "retries", "given_up", "soft_errors")
    },
    "faults": Metric("number", lambda e: sum(e.faults.values())),
    "violations": Metric("number", lambda e: sum(e.violations.values())),
}

ROLLOUT_METRICS: dict[str, Metric] = {
    "discarded_rate": Metric("share", lambda s: s.rollouts.discarded_rate),
    "false_zero_rate": Metric("share", lambda s: s.rollouts.false_zero_rate),
    **{
        name: Metric("number", lambda s, name=name: getattr(s.rollouts, name))
        for name in ("planned", "completed", "graded", "discarded", "interrupted", "false_zero", "cut_short",
                     "groups", "groups_incomplete")
    },
    "calls_per_rollout": Metric("number", lambda s: s.rollouts.calls_per_rollout.mean),
}  # fmt: skip


def _worst_step(read: Callable[..., Value]) -> Callable[[Summary], Value]:
    return lambda s: max((v for v in map(read, s.steps) if v is not None), default=None)


STEP_METRICS: dict[str, Metric] = {
    "inflation": Metric("number", _worst_step(lambda step: step.inflation), needed=False),
    "sampling": Metric("time", _worst_step(lambda step: step.sampling_s)),
    "in_flight_max": Metric("number", _worst_step(lambda step: step.in_flight_max)),
}

SCORE_METRICS: dict[str, Metric] = {
    "mean": Metric("number", lambda s: s.grader.scores.mean),
    "std": Metric("number", lambda s: s.grader.scores.std),
}

_OF_THE_RUN = {"rollouts": ROLLOUT_METRICS, "steps": STEP_METRICS, "scores": SCORE_METRICS}

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
    subjects = dict.fromkeys(_endpoint_subjects(tools, grader), ENDPOINT_METRICS) | _OF_THE_RUN
    return tuple(_parse(text, subjects, where) for text in texts)


def _endpoint_subjects(tools: Sequence[str], grader: str | None) -> list[str]:
    """Return the endpoints' own names and, for each kind that there is, the word for the kind."""
    return [*tools, *(["tools"] if tools else []), *([grader, "grader"] if grader is not None else [])]


def _parse(text: str, subjects: dict[str, dict[str, Metric]], where: str) -> Gate:
    match = _GATE.fullmatch(text)
    if match is None:
        raise GateError(f"`{text}` is no gate", where=where, remedy="write it like `search.p99 < 2s`")
    subject, name = match["subject"], match["metric"]
    if subject not in subjects:
        remedy = f"known: {_list(subjects)}"
        raise GateError(f"`{text}`: unknown subject `{subject}`", where=where, remedy=remedy)
    if name not in subjects[subject]:
        remedy = f"known: {_list(subjects[subject])}"
        raise GateError(f"`{text}`: `{subject}` has no `{name}`", where=where, remedy=remedy)
    unit = subjects[subject][name].unit
    try:
        bound = _bound(unit, float(match["number"]), match["unit"])
    except ValueError as error:
        raise GateError(f"`{text}`: {error}", where=where) from None
    return Gate(text.strip(), subject, name, unit, match["op"], bound)


def _bound(expected: Unit, number: float, unit: str) -> float:
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


def judge(gates: Iterable[Gate], summary: Summary) -> Verdict:
    """Evaluate the gates; a measurement of nothing, or not to be trusted, is invalid whatever they say.

    A run that ended early may fail, but it cannot pass: what hangs shows only in the end.
    """
    results = tuple(_evaluate(gate, summary) for gate in gates)
    if not summary.generator.trustworthy or not summary.rollouts.completed + summary.rollouts.discarded:
        return Verdict("invalid", results)
    if not all(result.ok for result in results):
        return Verdict("fail", results)
    return Verdict("invalid" if summary.interrupted else "pass", results)


def _evaluate(gate: Gate, summary: Summary) -> GateResult:
    if gate.subject in _OF_THE_RUN:
        metric = _OF_THE_RUN[gate.subject][gate.metric]
        observed = metric.read(summary)
    else:
        metric = ENDPOINT_METRICS[gate.metric]
        observed = metric.read(_endpoint_named(gate.subject, summary))
    ok = not metric.needed if observed is None else _OPERATORS[gate.op](observed, gate.bound)
    return GateResult(gate.expr, observed, gate.unit, ok)


def _endpoint_named(subject: str, summary: Summary) -> EndpointSummary:
    named = {endpoint.name: endpoint for endpoint in summary.endpoints}
    named |= {endpoint.kind: endpoint for endpoint in summary.endpoints if endpoint.kind == "grader"}
    named |= {"tools": summary.tools} if summary.tools is not None else {}
    return named[subject]
