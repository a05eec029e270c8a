"""Gates: parsed once, refused in whole sentences, evaluated on the summary."""

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.errors import GateError
from simulator.faults import Fault
from simulator.gates import (
    DEFAULT_GATES,
    GateResult,
    default_gates,
    judge,
    judge_study,
    parse_gates,
    parse_study_gates,
)
from simulator.grading.run import learnability_of
from simulator.measure.graded import (
    Agreement,
    Confusion,
    Estimate,
    LoadShift,
    Misses,
    OrderPairs,
    Repeatability,
    WorkerShift,
)
from simulator.measure.summary import GraderSummary, ScoresSummary, StudySummary
from simulator.model import Attempt, Finding
from tests.making import job
from tests.measure.test_summarise import record, summary

ENDPOINT_NAMES = (
    "p50, p90, p95, p99, p999, max, mean, error_rate, soft_error_rate, given_up_rate, calls, attempts,"
    " retries, given_up, soft_errors, faults, violations"
)
ROLLOUT_NAMES = (
    "discarded_rate, false_zero_rate, planned, completed, graded, discarded, interrupted, false_zero,"
    " cut_short, groups, groups_incomplete, calls_per_rollout"
)
SUBJECTS = (
    "search, cat, tools, grader, rollouts, steps, replay, scores, grader.agreement, grader.repeatability,"
    " grader.load, grader.workers, learnability"
)


def parse(*texts, tools=("search", "cat"), grader_called=True):
    return parse_gates(texts, tools, "grader" if grader_called else None)


def refusal(text, **parsing):
    with pytest.raises(GateError) as error:
        parse(text, **parsing)
    return str(error.value)


# -- parsing


@pytest.mark.parametrize(
    ("text", "subject", "metric", "op", "bound"),
    [
        ("search.p99 < 2s", "search", "p99", "<", 2.0),
        ("search.p99<2s", "search", "p99", "<", 2.0),
        ("  search.p999   <=   1500 ms ", "search", "p999", "<=", 1.5),
        ("cat.max < 250us", "cat", "max", "<", 0.00025),
        ("cat.mean < 2m", "cat", "mean", "<", 120.0),
        ("cat.p50 < 2min", "cat", "p50", "<", 120.0),
        ("tools.error_rate < 0.5%", "tools", "error_rate", "<", 0.005),
        ("tools.error_rate < 0.005", "tools", "error_rate", "<", 0.005),
        ("grader.given_up_rate == 0", "grader", "given_up_rate", "==", 0.0),
        ("rollouts.discarded_rate == 0", "rollouts", "discarded_rate", "==", 0.0),
        ("rollouts.graded >= 512", "rollouts", "graded", ">=", 512.0),
        ("steps.inflation < 1.5", "steps", "inflation", "<", 1.5),
        ("steps.sampling < 90s", "steps", "sampling", "<", 90.0),
        ("scores.mean > -0.5", "scores", "mean", ">", -0.5),
        ("scores.std != 0", "scores", "std", "!=", 0.0),
        ("search.calls > 1e3", "search", "calls", ">", 1000.0),
    ],
)
def test_a_gate_is_read(text, subject, metric, op, bound):
    (gate,) = parse(text)
    assert (gate.expr, gate.subject, gate.metric, gate.op) == (text.strip(), subject, metric, op)
    assert gate.bound == pytest.approx(bound)


def test_a_tool_may_have_dots_in_its_name():
    (gate,) = parse("v1.search.p99 < 2s", tools=("v1.search",))
    assert (gate.subject, gate.metric) == ("v1.search", "p99")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("search.p99", "gate: `search.p99` is no gate; write it like `search.p99 < 2s`"),
        ("", "gate: `` is no gate; write it like `search.p99 < 2s`"),
        ("p99 < 2s", "gate: `p99 < 2s` is no gate; write it like `search.p99 < 2s`"),
        ("search.p99 =< 2s", "gate: `search.p99 =< 2s` is no gate; write it like `search.p99 < 2s`"),
        (
            "search.p99 < 2s extra",
            "gate: `search.p99 < 2s extra` is no gate; write it like `search.p99 < 2s`",
        ),
        ("search.p99 < two", "gate: `search.p99 < two` is no gate; write it like `search.p99 < 2s`"),
        ("serach.p99 < 2s", f"gate: `serach.p99 < 2s`: unknown subject `serach`; known: {SUBJECTS}"),
        ("search.p98 < 2s", f"gate: `search.p98 < 2s`: `search` has no `p98`; known: {ENDPOINT_NAMES}"),
        (
            "rollouts.p99 < 2s",
            f"gate: `rollouts.p99 < 2s`: `rollouts` has no `p99`; known: {ROLLOUT_NAMES}",
        ),
        (
            "steps.p99 < 2s",
            "gate: `steps.p99 < 2s`: `steps` has no `p99`; known: inflation, sampling, in_flight_max",
        ),
        ("scores.p99 < 2s", "gate: `scores.p99 < 2s`: `scores` has no `p99`; known: mean, std"),
        ("search.p99 < 2", "gate: `search.p99 < 2`: a time needs a unit; one of us, ms, s, m, min"),
        ("search.p99 < 2h", "gate: `search.p99 < 2h`: a time needs a unit; one of us, ms, s, m, min"),
        ("search.p99 < 2%", "gate: `search.p99 < 2%`: a time needs a unit; one of us, ms, s, m, min"),
        ("search.calls > 2s", "gate: `search.calls > 2s`: unit `s` does not fit; leave it out"),
        ("search.calls > 2%", "gate: `search.calls > 2%`: unit `%` does not fit; leave it out"),
        ("tools.error_rate < 1ms", "gate: `tools.error_rate < 1ms`: unit `ms` does not fit; leave it out"),
    ],
)
def test_a_wrong_gate_is_refused_with_what_is_known(text, message):
    with pytest.raises(GateError) as error:
        parse(text)
    assert str(error.value) == message


ENDLESS = "nothing can be measured against that; give a finite bound that is not negative"


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("search.p99 < 1e999s", ENDLESS),
        ("search.p99 < -1ms", ENDLESS),
        ("search.p99 > -0.001us", ENDLESS),
        ("tools.error_rate < -1%", ENDLESS),
        ("tools.error_rate < 1e999", ENDLESS),
        ("search.calls < 1e999", ENDLESS),
        ("scores.mean < 1e999", ENDLESS),
        ("tools.error_rate < 101%", "a share is at most 100%; lower the bound"),
        ("tools.error_rate < 5", "a share is at most 100%; lower the bound"),
        ("rollouts.discarded_rate <= 1.01", "a share is at most 100%; lower the bound"),
    ],
)
def test_a_bound_that_nothing_can_be_measured_against_is_refused(text, wrong):
    assert refusal(text) == f"gate: `{text}`: {wrong}"


@pytest.mark.parametrize(
    "text",
    ["search.p99 >= 0s", "tools.error_rate <= 100%", "tools.error_rate <= 1", "search.calls != 1e300"],
)
def test_a_bound_at_the_edge_is_taken(text):
    assert parse(text)


@pytest.mark.parametrize("digits", ["٢", "\uff12", "²", "१०", "1_000", "0x2", "٢.5"])
def test_only_plain_digits_are_a_number(digits):
    for text in (f"search.p99 < {digits}s", f"search.calls < {digits}"):
        assert refusal(text) == f"gate: `{text}` is no gate; write it like `search.p99 < 2s`"


@pytest.mark.parametrize(
    "text", ["search.p99", "serach.p99 < 2s", "search.p98 < 2s", "search.p99 < 2", "search.calls < 2s"]
)
def test_a_wrong_gate_names_where_it_was_written(text):
    with pytest.raises(GateError) as error:
        parse_gates(["search.p99 < 2s", text], ("search",), None, where="scenario.toml:7")
    assert str(error.value).startswith("scenario.toml:7: `")
    assert error.value.where == "scenario.toml:7"


def test_a_grader_is_known_by_its_own_name_and_by_its_kind():
    measured = summary(record(), of=named_grader("judge"), attempts=calls(1, 5, 3.0))
    for subject in ("judge", "grader"):
        gates = parse_gates([f"{subject}.p50 < 1s"], ("search",), "judge")
        (result,) = judge(gates, measured).gates
        assert result.observed == pytest.approx(3.0, rel=0.001)
    with pytest.raises(GateError, match=r"known: search, tools, judge, grader, rollouts, steps, replay,"):
        parse_gates(["jugde.p50 < 1s"], ("search",), "judge")
    assert "grader.p99 < 10s" in default_gates(("search",), "judge")


def named_grader(name):
    of = job("search")
    endpoint = msgspec.structs.replace(of.grader.endpoint, name=name)
    return msgspec.structs.replace(of, grader=msgspec.structs.replace(of.grader, endpoint=endpoint))


def test_what_the_job_does_not_have_is_not_known():
    with pytest.raises(GateError, match=r"known: search, cat, tools, rollouts, steps, replay, scores,"):
        parse("grader.p99 < 1s", grader_called=False)
    with pytest.raises(GateError, match=r"known: grader, rollouts, steps, replay, scores,"):
        parse("tools.p99 < 1s", tools=())


_PIECES = st.sampled_from(
    [
        "search",
        "tools",
        "steps",
        ".",
        "p99",
        "error_rate",
        "inflation",
        "<",
        "<=",
        "==",
        " ",
        "2",
        "0.5",
        "e",
        "s",
        "%",
    ]
)


@given(st.text() | st.lists(_PIECES).map("".join))
@example("search." * 2000)
@example("search.p99 < 1e999s")
def test_any_text_is_a_gate_or_a_gate_error(text):
    try:
        (gate,) = parse(text)
    except GateError as error:
        said = str(error)
        assert f"`{text}`" in said
    else:
        assert gate.expr == text.strip()


@pytest.mark.parametrize("tools", [(), ("search",)])
@pytest.mark.parametrize("grader_called", [True, False])
def test_the_defaults_always_parse_for_the_job_they_are_for(tools, grader_called):
    texts = default_gates(tools, "grader" if grader_called else None)
    gates = parse(*texts, tools=tools, grader_called=grader_called)
    assert {gate.subject for gate in gates} == {
        "rollouts", *(["tools"] if tools else []), *(["grader"] if grader_called else []),
    }  # fmt: skip
    assert set(texts) <= set(DEFAULT_GATES)


# -- evaluating


def calls(endpoint, count, service, fault=None):
    return [Attempt(endpoint, 1, n, n, n + service, n + service, 200, fault) for n in range(count)]


MEASURED = summary(
    record(0, think_s=4.0, ended_s=10.0),
    record(1, think_s=1.0, ended_s=9.0, score=0.0, endpoint_failed=True),
    record(2, state="discarded", ended_s=8.0),
    record(3, step=2, think_s=1.0, started_s=20.0, ended_s=24.0),
    attempts=[*calls(0, 99, 0.1), *calls(0, 1, 0.1, "http_5xx"), *calls(1, 100, 3.0)],
    duration_s=100.0,
)


def evaluate(text, measured=MEASURED, **parsing):
    verdict = judge(parse(text, **parsing), measured)
    (result,) = verdict.gates
    return verdict.verdict, result


@pytest.mark.parametrize(
    ("text", "observed", "ok"),
    [
        ("search.p99 < 2s", 0.1, True),
        ("cat.p99 < 2s", 3.0, False),
        ("tools.max < 2s", 3.0, False),
        ("search.error_rate < 1%", 0.01, False),
        ("search.error_rate <= 1%", 0.01, True),
        ("tools.error_rate < 1%", 0.005, True),
        ("search.calls == 100", 100, True),
        ("search.faults == 0", 1, False),
        ("rollouts.discarded_rate == 0", 0.25, False),
        ("rollouts.false_zero_rate <= 34%", 1 / 3, True),
        ("rollouts.false_zero == 1", 1, True),
        ("steps.inflation < 4", 4.0, False),
        ("steps.inflation <= 4", 4.0, True),
        ("steps.sampling < 11s", 10.0, True),
        ("steps.in_flight_max == 3", 3, True),
        ("scores.mean > 0.6", 2 / 3, True),
    ],
)
def test_a_gate_holds_or_does_not(text, observed, ok):
    verdict, result = evaluate(text)
    assert result.observed == pytest.approx(observed, rel=0.001)
    assert (result.ok, verdict) == (ok, "pass" if ok else "fail")


@pytest.mark.parametrize("text", ["grader.p99 < 10s", "grader.error_rate < 1%", "grader.given_up_rate == 0"])
def test_what_was_not_measured_does_not_hold(text):
    verdict, result = evaluate(text)
    assert (verdict, result) == ("fail", GateResult(text, None, result.unit, ok=False))


def test_scores_that_were_not_measured_do_not_hold():
    nothing = summary(record(state="ungraded", kind="steady"))
    for text in ("scores.mean >= 0", "scores.std >= 0"):
        verdict, result = evaluate(text, nothing)
        assert (verdict, result.observed, result.ok) == ("fail", None, False)


@pytest.mark.parametrize("op", ["<", ">"])
def test_an_inflation_that_need_not_exist_holds(op):
    text = f"steps.inflation {op} 100"
    for nothing in (summary(record(kind="steady")), summary(record(think_s=0.0))):
        assert evaluate(text, nothing) == ("pass", GateResult(text, None, "number", ok=True))


def test_an_inflation_of_one_step_is_held_against_the_gate_whatever_the_others_lack():
    measured = summary(record(0, think_s=0.0), record(1, step=2, think_s=1.0, ended_s=9.0))
    assert evaluate("steps.inflation < 2", measured)[0] == "fail"


def test_attempts_that_are_all_unfinished_are_none():
    measured = summary(record(state="ungraded"), attempts=calls(0, 3, 5.0, Fault.UNFINISHED))
    for text in ("search.p99 < 10s", "search.error_rate < 1%", "tools.p99 < 10s"):
        verdict, result = evaluate(text, measured)
        assert (verdict, result.observed, result.ok) == ("fail", None, False)


@pytest.mark.parametrize(("bound", "verdict"), [("2s", "invalid"), ("50ms", "fail")])
def test_an_interrupted_run_may_fail_but_never_pass(bound, verdict):
    measured = summary(record(), attempts=calls(0, 5, 0.1), interrupted=True)
    assert evaluate(f"search.p99 < {bound}", measured)[0] == verdict
    assert judge((), measured).verdict == "invalid"


def test_a_run_that_measured_nothing_is_invalid():
    assert judge(parse("rollouts.discarded_rate == 0"), summary()).verdict == "invalid"


def test_one_gate_that_does_not_hold_fails_the_run():
    verdict = judge(parse("search.p99 < 2s", "cat.p99 < 2s", "search.calls > 1"), MEASURED)
    assert (verdict.verdict, [result.ok for result in verdict.gates]) == ("fail", [True, False, True])
    assert judge((), MEASURED).verdict == "pass"


@pytest.mark.parametrize("text", ["search.p99 < 2s", "cat.p99 < 2s"])
def test_an_untrustworthy_measurement_is_invalid_whatever_the_gates_say(text):
    late = summary(record(), attempts=calls(0, 5, 0.1), lag_s=3.0)
    verdict, result = evaluate(text, late)
    assert verdict == "invalid"
    assert result.expr == text, "the results are there all the same"


def test_a_tool_is_found_by_its_own_name_whatever_that_is():
    of = job("search", "tool", "grader", graded=False)
    measured = summary(record(), of=of, attempts=[*calls(0, 5, 0.1), *calls(1, 5, 3.0), *calls(2, 5, 7.0)])
    names = {"tools": ("search", "tool", "grader"), "grader_called": False}
    assert evaluate("tool.p50 < 1s", measured, **names)[1].observed == pytest.approx(3.0, rel=0.001)
    assert evaluate("grader.p50 < 1s", measured, **names)[1].observed == pytest.approx(7.0, rel=0.001)


@pytest.mark.parametrize("subject", ["search", "tools", "grader", "rollouts", "steps", "scores"])
def test_every_metric_of_every_subject_can_be_evaluated(subject):
    metrics = {
        "rollouts": ROLLOUT_NAMES,
        "steps": "inflation, sampling, in_flight_max",
        "scores": "mean, std",
    }
    for metric in metrics.get(subject, ENDPOINT_NAMES).split(", "):
        is_time = subject in {"search", "tools", "grader"} and metric in ENDPOINT_NAMES.split(", ")[:7]
        unit = "s" if is_time or metric == "sampling" else ""
        evaluate(f"{subject}.{metric} >= 0{unit}")


# -- on the grader


def study(**parts):
    found = GraderSummary("endpoint", ScoresSummary(0.5, 0.2, 0, 0), **parts)
    return StudySummary("s", "judge", 1, "", 1.0, "f", 4, 2, 4, found, (), (), unfinished=False)


def measured(text, **parts):
    (gate,) = judge_study(parse_study_gates([text]), study(**parts), ()).gates
    return gate.observed, gate.ok


def agreed(**values):
    names = {field.name: Estimate() for field in msgspec.structs.fields(Agreement) if field.type is Estimate}
    names |= {name: Estimate(value) for name, value in values.items()}
    confusion, pairs, misses = Confusion(0.5, 0, 0, 0, 0), OrderPairs(0, 0, 0, 0, 0), Misses(0, {})
    return Agreement(
        4, 2, 4, 0.05, **names, confusion=confusion, order_pairs=pairs, grader_misses=misses,
        reference_misses=misses,
    )  # fmt: skip


A97 = agreed(order=0.97)
BIASED = {"a": agreed(bias=0.02), "b": agreed(bias=-0.2)}
WEIGHTED = {"a": agreed(weighted_kappa=0.7)}
SHIFTED = LoadShift(4, 8, Estimate(-0.07), Estimate(0.0), 0, found=True, found_after=False)
REPEATED = Repeatability(4, 3, Estimate(0.02), 0.08, Estimate(0.5), Estimate(0.9))


@pytest.mark.parametrize(
    ("text", "parts", "result"),
    [
        ("grader.agreement.order >= 0.95", {"agreement": {"a": A97}}, (0.97, True)),
        ("grader.agreement.order >= 95%", {"agreement": {"a": A97, "b": agreed(order=0.5)}}, (0.5, False)),
        ("grader.agreement.order >= 95%", {"agreement": {"a": A97, "b": agreed()}}, (None, False)),
        ("grader.agreement.bias < 0.1", {"agreement": BIASED}, (0.2, False)),
        ("grader.agreement.weighted_kappa > 0.6", {"agreement": WEIGHTED}, (0.7, True)),
        ("grader.agreement.order >= 95%", {}, (None, False)),
        ("grader.repeatability.max_spread <= 0.05", {"repeatability": REPEATED}, (0.08, False)),
        ("grader.repeatability.changed < 60%", {"repeatability": REPEATED}, (0.5, True)),
        ("grader.repeatability.sd < 0.05", {}, (None, False)),
        ("grader.load.shift > -0.05", {"load": SHIFTED}, (-0.07, False)),
        ("grader.workers.kinds == 1", {"workers": WorkerShift(8, 2, Estimate(0.1), 0.001, True)}, (2, False)),
        ("scores.mean > 0.4", {}, (0.5, True)),
    ],
)  # fmt: skip
def test_gates_on_a_study(text, parts, result):
    assert measured(text, **parts) == result


def test_a_study_fails_on_errors_and_is_invalid_where_it_is_not_whole():
    error = Finding("reward.missing", "error", "", "", "")
    assert judge_study((), study(), ()).verdict == "pass"
    assert judge_study((), study(), (error,)).verdict == "fail"
    assert judge_study((), msgspec.structs.replace(study(), unfinished=True), ()).verdict == "invalid"


def test_a_study_has_no_gates_on_endpoints():
    with pytest.raises(GateError, match=r"unknown subject `search`; known: scores, grader\.agreement, "):
        parse_study_gates(["search.p99 < 2s"])


def test_a_run_has_gates_on_what_there_is_to_learn():
    found = summary(*[record(n, score=n % 2, group=n // 4) for n in range(8)])
    learning = learnability_of(
        [record(n, score=float(n >= 4), group=n // 4, item=n // 4) for n in range(8)], None, seed=1
    )
    found = msgspec.structs.replace(
        found, grader=msgspec.structs.replace(found.grader, learnability=learning)
    )
    (gate,) = judge(parse("learnability.flat_groups < 50%"), found).gates
    assert (gate.observed, gate.ok) == (1.0, False)
    error = Finding("reward.missing", "error", "", "", "")
    assert judge((), found, (error,)).verdict == "fail"
