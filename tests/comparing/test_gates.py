"""Gates against another run."""

import msgspec
import pytest

from simulator.comparing.gates import judge_gates, parse_compared_gates
from simulator.errors import GateError
from tests.reports.runs import failing, passing, ungraded

TOOLS, GRADER = ["search", "list", "cat"], "grader"


def judged(text, base=None, now=None):
    (gate,) = judge_gates(
        parse_compared_gates([text], TOOLS, GRADER), base or passing()[0], now or passing()[0]
    )
    return gate


@pytest.mark.parametrize(
    ("text", "factor", "offset"),
    [
        ("search.p99 < 1.1 * base", 1.1, 0.0),
        ("search.p99 < base * 1.1", 1.1, 0.0),
        ("search.p99<=base", 1.0, 0.0),
        ("search.p99 < 1.1*base + 20ms", 1.1, 0.02),
        ("search.p99 < base + 2 s", 1.0, 2.0),
        ("scores.mean >= base - 0.02", 1.0, -0.02),
        ("tools.error_rate <= base + 0.5%", 1.0, 0.005),
        ("search.p99 < 2s", 0.0, 2.0),
        ("rollouts.discarded_rate == 0", 0.0, 0.0),
    ],
)
def test_what_a_gate_may_look_like(text, factor, offset):
    (gate,) = parse_compared_gates([text], TOOLS, GRADER)
    assert (gate.factor, gate.offset) == pytest.approx((factor, offset))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("search.p99 < 1.1 * bass", "is no gate"),
        ("search.p99 < base * base", "base + 0.5%"),
        ("search.p99 < base / 2", "base + 0.5%"),
        ("search.p99 < base + 20", "a time needs a unit"),
        ("rollouts.discarded_rate < base + 2s", "does not fit"),
        ("search.p99 < 0 * base", "leave base out"),
        ("nope.p99 < base", "unknown subject `nope`"),
        ("search.nope < base", "has no `nope`"),
        ("search.p99 < 2", "a time needs a unit"),
    ],
)
def test_what_a_gate_may_not_look_like(text, says):
    with pytest.raises(GateError, match=r"^--gate: ") as caught:
        parse_compared_gates([text], TOOLS, GRADER)
    assert says in str(caught.value)


def test_figures_are_those_of_the_summaries():
    base, now = passing()[0], failing()[0]
    gate = judged("search.p99 < 1.5 * base", base, now)
    p99_s = [run.endpoints[0].service_ms.p99 / 1000 for run in (base, now)]
    assert (gate.base, gate.bound, gate.observed) == pytest.approx((p99_s[0], 1.5 * p99_s[0], p99_s[1]))
    assert not gate.ok
    assert judged("search.p99 < 1.5 * base", now, base).ok


def test_an_offset_counts():
    gate = judged("search.p99 < 2 * base - 10ms")
    assert gate.bound == pytest.approx(2 * gate.base - 0.01)
    assert judged("scores.mean > base - 0.01").ok
    assert not judged("scores.mean > base + 0.01").ok


@pytest.mark.parametrize("op", ["<=", ">=", "=="])
def test_a_run_is_as_good_as_itself(op):
    for metric in ("search.p99", "rollouts.discarded_rate", "scores.mean", "steps.sampling"):
        assert judged(f"{metric} {op} base").ok


def test_what_either_run_has_not_measured_does_not_hold():
    without = ungraded()[0]
    for base, now in ((without, passing()[0]), (passing()[0], without)):
        assert not judged("scores.mean >= base", base, now).ok
        assert not judged("grader.p99 < 2 * base", base, now).ok
    fewer = msgspec.structs.replace(passing()[0], endpoints=passing()[0].endpoints[1:])
    gone = judged("search.p99 < base", now=fewer)
    assert (gone.observed, gone.ok) == (None, False)
    instant = msgspec.structs.replace(passing()[0], steps=())
    assert judged("steps.inflation < base", instant, instant).ok
