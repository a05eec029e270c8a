"""Gates of a comparison: on NOW alone as in a run, or against BASE.

`search.p99 < 1.1 * base`, `rollouts.discarded_rate <= base`, `scores.mean >= base - 0.02`,
`tools.error_rate <= base + 0.5%`: `base` is the same metric in BASE, with a factor before or behind it and
one number to add or take away, in the metric's unit. What is compared are the figures of the two summaries,
as a run's gates compare them.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from simulator.errors import GateError
from simulator.gates import OPERATORS, bound_of, known_metric, observed_in, parse_gates, subjects_of
from simulator.measure.comparison import ComparedGate
from simulator.measure.summary import Summary
from simulator.metrics import Unit

_NUMBER = r"[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_AGAINST_BASE = re.compile(
    r"\s*(?P<subject>[^\s<>=!]+)\.(?P<metric>\w+)\s*(?P<op><=|>=|==|!=|<|>)\s*"
    rf"(?:(?P<before>{_NUMBER})\s*\*\s*)?base(?:\s*\*\s*(?P<behind>{_NUMBER}))?"
    rf"(?:\s*(?P<sign>[-+])\s*(?P<number>{_NUMBER})\s*(?P<unit>[a-zA-Z%]*))?\s*"
)
_NAMES_BASE = re.compile(r"[<>=].*\bbase\b")


class Bound(msgspec.Struct, frozen=True):
    """A parsed gate: NOW's metric is held to `factor` times BASE's plus `offset`, in seconds where a time.

    `needed` tells that it does not hold where nothing was measured.
    """

    expr: str
    subject: str
    metric: str
    unit: Unit
    op: str
    factor: float
    offset: float
    needed: bool


def parse_compared_gates(
    texts: Iterable[str], tools: Sequence[str], grader: str | None, *, where: str = "--gate"
) -> tuple[Bound, ...]:
    """Parse gates about runs with these endpoints; GateError for the first wrong one."""
    return tuple(_parse(text, tools, grader, where) for text in texts)


def _parse(text: str, tools: Sequence[str], grader: str | None, where: str) -> Bound:
    subjects = subjects_of(tools, grader)
    match = _AGAINST_BASE.fullmatch(text)
    if match is None:
        if _NAMES_BASE.search(text):
            remedy = "write it like `search.p99 < 1.1 * base` or `tools.error_rate <= base + 0.5%`"
            raise GateError(f"`{text}` is no gate", where=where, remedy=remedy)
        (gate,) = parse_gates([text], tools, grader, where=where)
        needed = known_metric(text, gate.subject, gate.metric, subjects, where).needed
        return Bound(gate.expr, gate.subject, gate.metric, gate.unit, gate.op, 0.0, gate.bound, needed)
    subject, name = match["subject"], match["metric"]
    metric = known_metric(text, subject, name, subjects, where)
    factor = float(match["before"] or 1) * float(match["behind"] or 1)
    try:
        offset = bound_of(metric.unit, float(match["number"]), match["unit"]) if match["number"] else 0.0
    except ValueError as error:
        raise GateError(f"`{text}`: {error}", where=where) from None
    if not factor:
        raise GateError(f"`{text}`: nothing times base is nothing", where=where, remedy="leave base out")
    signed = -offset if match["sign"] == "-" else offset
    return Bound(text.strip(), subject, name, metric.unit, match["op"], factor, signed, metric.needed)


def judge_gates(gates: Iterable[Bound], base: Summary, now: Summary) -> tuple[ComparedGate, ...]:
    """Evaluate the gates; one on what either run did not measure, and should have, does not hold."""
    return tuple(_judge(gate, base, now) for gate in gates)


def _judge(gate: Bound, base: Summary, now: Summary) -> ComparedGate:
    before, observed = (observed_in(run, gate.subject, gate.metric) for run in (base, now))
    bound: float | None = gate.offset
    if gate.factor:
        bound = None if before is None else gate.factor * before + gate.offset
    ok = not gate.needed if observed is None or bound is None else OPERATORS[gate.op](observed, bound)
    return ComparedGate(gate.expr, gate.unit, before, bound, observed, ok)
