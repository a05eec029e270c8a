import json
import shutil
import subprocess

import msgspec
import pytest
from hypothesis import given, settings
from prometheus_client.parser import text_string_to_metric_families

from reports.json_report import to_json
from reports.prometheus import RunFacts, facts_of, to_prometheus, to_prometheus_meanwhile
from reports.prometheus_families import MOST_LABEL_CHARS
from reports.results import Results
from simulator.gates import Verdict
from simulator.measure.metering import meters_of
from simulator.measure.meters import BOUNDS_S
from simulator.measure.summary import Snapshot, Summary
from simulator.model import Finding
from tests.reports.runs import CASES, FINDINGS, failing, interrupted, passing, unmeasured
from tests.reports.test_files import HOSTILE, poisoned

PREFIX = "rft_preflight_"
QUANTILES = {
    "min": "0.0", "p50": "0.5", "p90": "0.9", "p95": "0.95", "p99": "0.99", "p999": "0.999", "max": "1.0"
}  # fmt: skip
PROMTOOL = shutil.which("promtool")
replace = msgspec.structs.replace


def samples_of(text):
    """Every sample's value, by its name without the prefix and its labels without the scenario."""
    found = {}
    for family in text_string_to_metric_families(text.decode()):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k != "scenario"}
            key = (sample.name.removeprefix(PREFIX), frozenset(labels.items()))
            assert key not in found, f"{key} is there twice"
            found[key] = sample.value
    return found


def at(found, name, **labels):
    return found[name, frozenset(labels.items())]


def of(case):
    return Results(*case(), FINDINGS)


def test_the_text_looks_like_its_golden_file(golden):
    golden("failing.prom", to_prometheus(of(failing)).decode())


@pytest.mark.parametrize("case", ["passing", "failing", "interrupted", "toolless", "replayed"])
def test_the_numbers_are_those_of_the_report_read_back(case):
    summary, verdict = CASES[case]()
    written = to_json(summary, verdict, FINDINGS)
    read = (msgspec.json.decode(written, type=kind) for kind in (Summary, Verdict))
    assert to_prometheus(Results(*read, FINDINGS)) == to_prometheus(Results(summary, verdict, FINDINGS))


def test_every_endpoint_has_its_own_counts_and_times():
    found, report = samples_of(to_prometheus(of(failing))), json.loads(to_json(*failing()))
    for endpoint in report["endpoints"]:
        labels = {"endpoint": endpoint["name"], "kind": endpoint["kind"]}
        for name in ("calls", "attempts", "retries", "soft_errors"):
            assert at(found, f"{name}_total", **labels) == endpoint[name]
        assert at(found, "calls_given_up_total", **labels) == endpoint["given_up"]
        for fault, times in endpoint["faults"].items():
            assert at(found, "faults_total", fault=fault, **labels) == times
        for violation, times in endpoint["violations"].items():
            assert at(found, "violations_total", violation=violation, **labels) == times
        assert at(found, "service_time_seconds_count", **labels) == endpoint["attempts"]
        mean_s = endpoint["service_ms"]["mean"] / 1000
        total_s = at(found, "service_time_seconds_sum", **labels)
        assert total_s == pytest.approx(mean_s * endpoint["attempts"], rel=1e-4)
        times = (("service_time", "service_ms"), ("schedule_delay", "schedule_delay_ms"))
        for name, field in (*times, ("read_delay", "read_delay_ms")) if endpoint["attempts"] else ():
            for percentile, quantile in QUANTILES.items():
                value = at(found, f"{name}_quantile_seconds", quantile=quantile, **labels)
                assert value == round(endpoint[field][percentile] / 1000, 6)
    assert at(found, "faults_total", endpoint="search", kind="tool", fault="http_5xx") == 52


def test_the_buckets_hold_what_was_within_their_bounds():
    summary, _ = failing()
    found, (search, *_) = samples_of(to_prometheus(of(failing))), meters_of(summary).endpoints
    labels = {"endpoint": "search", "kind": "tool"}
    buckets = [at(found, "service_time_seconds_bucket", le=str(float(b)), **labels) for b in BOUNDS_S]
    assert buckets == [*search.within] == sorted(buckets)
    # 480 first attempts took 20 ms, 40 ms and so on to 9.6 s, and what was retried as long each time.
    slow = [20 * (n + 1) for n in range(480) for _ in range(4 if n % 37 == 3 else 1)]
    assert buckets == [sum(ms <= bound * 1000 for ms in slow) for bound in BOUNDS_S]
    assert at(found, "service_time_seconds_bucket", le="+Inf", **labels) == 519


def test_rollouts_steps_scores_and_the_generator_are_those_of_the_report():
    found, report = samples_of(to_prometheus(of(failing))), json.loads(to_json(*failing()))
    rollouts, grader, generator = report["rollouts"], report["grader"], report["generator"]
    for name in ("completed", "graded", "discarded", "interrupted", "cut_short", "false_zero"):
        assert at(found, f"rollouts_{name}_total") == rollouts[name]
    assert (at(found, "rollouts_started_total"), at(found, "rollouts_in_flight")) == (480, 0)
    assert at(found, "rollouts_planned") == rollouts["planned"]
    assert at(found, "rollouts_discarded_ratio") == rollouts["discarded_rate"]
    assert at(found, "score_mean") == grader["scores"]["mean"]
    (step,) = report["steps"]
    for name, field in (("sampling_seconds", "sampling_s"), ("ideal_seconds", "ideal_s")):
        assert at(found, f"step_{name}", step="1", phase="training") == step[field]
    assert at(found, "generator_lag_quantile_seconds", quantile="0.99") == generator["lag_ms"]["p99"] / 1000
    assert (at(found, "running"), at(found, "elapsed_seconds")) == (0, report["duration_s"])
    assert at(found, "run_start_time_seconds") == 1767268800


def test_gates_verdict_and_findings_are_those_of_the_report():
    found, report = samples_of(to_prometheus(of(failing))), json.loads(to_json(*failing(), FINDINGS))
    units = {"time": "seconds", "share": "ratio", "number": ""}
    for gate in report["gates"]:
        assert at(found, "gate_ok", gate=gate["expr"]) == gate["ok"]
        assert at(found, "gate_observed", gate=gate["expr"], unit=units[gate["unit"]]) == gate["observed"]
    verdicts = {name: at(found, "verdict", verdict=name) for name in ("pass", "fail", "invalid")}
    assert verdicts == {"pass": 0, "fail": 1, "invalid": 0}
    severities = [at(found, "findings", severity=name) for name in ("error", "warning", "note")]
    assert severities == [1, 1, 0]


def test_the_run_is_known_by_its_seed_policy_and_multiplier():
    found = samples_of(to_prometheus(of(passing)))
    ((labels, value),) = [(dict(key[1]), value) for key, value in found.items() if key[0] == "run_info"]
    version = labels.pop("version")
    assert (labels, value) == (
        {"seed": "7", "policy": "baseline", "mode": "training", "compute_multiplier": "1"},
        1,
    )
    assert version


def test_what_was_not_measured_is_left_out():
    found = samples_of(to_prometheus(of(unmeasured)))
    names = {name for name, _ in found}
    assert "score_mean" not in names
    assert "service_time_quantile_seconds" not in names
    assert not [key for key in found if key[0] == "gate_observed" and ("gate", "tools.p99 < 10s") in key[1]]
    assert at(found, "gate_ok", gate="tools.p99 < 10s") == 0


def test_rollouts_that_never_started_are_not_interrupted_ones():
    found = samples_of(to_prometheus(of(interrupted)))
    assert at(found, "rollouts_planned") == 32
    assert (at(found, "rollouts_started_total"), at(found, "rollouts_interrupted_total")) == (16, 4)
    assert at(found, "run_interrupted") == 1


FACTS = RunFacts("finqa", 7, "baseline", "training", 1.0, "2026-01-01T12:00:00Z")


def test_a_run_that_goes_on_has_the_meters_and_labels_that_it_has_in_the_end():
    summary, _ = failing()
    snapshot = Snapshot(3.5, "training", 1, 1, 480, 0, 0, 1, 0.0, {}, None, meters_of(summary))
    meanwhile = samples_of(to_prometheus_meanwhile(FACTS, snapshot))
    final = samples_of(to_prometheus(of(failing)))
    assert facts_of(summary) == FACTS
    differing = {name for (name, labels), value in meanwhile.items() if final[name, labels] != value}
    assert differing == {"running", "elapsed_seconds"}
    assert (at(meanwhile, "running"), at(meanwhile, "elapsed_seconds")) == (1, 3.5)


def test_before_the_first_rollout_a_run_is_only_known_to_be_there():
    found = samples_of(to_prometheus_meanwhile(FACTS, None))
    assert {name for name, _ in found} == {"run_info", "running", "run_start_time_seconds", "elapsed_seconds"}


def test_names_that_become_alike_stay_apart_and_gates_that_are_alike_are_one():
    summary, verdict = failing()
    long = "x" * 500
    names = [f"{long}{n}{long}" for n in range(len(summary.endpoints))]
    summary = replace(
        summary,
        endpoints=tuple(replace(e, name=n) for e, n in zip(summary.endpoints, names, strict=True)),
        histograms=dict(zip(names, summary.histograms.values(), strict=True)),
    )
    found = samples_of(to_prometheus(Results(summary, replace(verdict, gates=verdict.gates * 2))))
    attempts = [(dict(labels), value) for (name, labels), value in found.items() if name == "attempts_total"]
    assert [value for _, value in attempts] == [519, 0, 467, 467]
    assert max(len(labels["endpoint"]) for labels, _ in attempts) <= MOST_LABEL_CHARS + 4


@settings(max_examples=20)
@given(HOSTILE)
def test_what_strangers_wrote_stays_in_its_label(text):
    summary, verdict, findings = poisoned(text)
    written = to_prometheus(Results(summary, verdict, findings))
    names = {name for name, _ in samples_of(written)}
    assert "attempts_total" in names
    lines = written.decode().splitlines()
    assert all(line.startswith((PREFIX, f"# HELP {PREFIX}", f"# TYPE {PREFIX}")) for line in lines)


@pytest.mark.skipif(not PROMTOOL, reason="there is no promtool, which comes with Prometheus")
@pytest.mark.parametrize("case", ["failing", "crowded", "hostile"])
def test_promtool_has_nothing_to_say(case):
    hostile = Results(*poisoned('a"b\\c\n\ud800{x="1"} 2')[:2], (Finding("x", "note", "", "", ""),))
    results = hostile if case == "hostile" else of(CASES[case])
    checked = subprocess.run(
        [PROMTOOL, "check", "metrics"], input=to_prometheus(results), capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
