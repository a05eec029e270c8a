import math

import msgspec
import pytest
from hypothesis import given, settings

from reports.otel import BOUNDS_S, Buckets, began_and_ended_ns, measures
from reports.platform import platform_metrics
from reports.results import Results
from tests.reports.runs import CASES, failing, passing
from tests.reports.test_files import HOSTILE, poisoned


def named(results):
    return {measure.name: measure for measure in measures(results)}


def value(measure, **attributes):
    wanted = {f"rft_preflight.{name}": one for name, one in attributes.items()}
    (point,) = [one for one in measure.points if wanted.items() <= one.attributes.items()]
    return point.value


def test_the_counts_are_those_of_the_report():
    told = named(Results(*failing()))
    assert value(told["rft_preflight.attempts"], endpoint="search") == 519
    assert value(told["rft_preflight.calls.given_up"], endpoint="search") == 13
    faults = {point.attributes["error.type"]: point.value for point in told["rft_preflight.faults"].points}
    assert faults == {"http_4xx": 12, "http_5xx": 52}
    states = {
        p.attributes["rft_preflight.rollout.state"]: p.value for p in told["rft_preflight.rollouts"].points
    }
    assert states == {"completed": 467, "discarded": 13, "interrupted": 0}
    assert value(told["rft_preflight.verdict"], verdict="fail") == 1
    assert value(told["rft_preflight.verdict"], verdict="pass") == 0
    assert value(told["rft_preflight.gate.ok"], gate="tools.error_rate < 1%") == 0
    assert value(told["rft_preflight.step.sampling"], step=1) == pytest.approx(40.84, abs=0.01)


def test_requests_and_tools_go_by_the_conventions():
    points = named(Results(*failing()))["http.client.request.duration"].points
    search = next(p.attributes for p in points if p.attributes["rft_preflight.endpoint"] == "search")
    assert search == {
        "rft_preflight.scenario": "finqa",
        "rft_preflight.endpoint": "search",
        "rft_preflight.endpoint.kind": "tool",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "http.request.method": "POST",
    }
    grader = next(p.attributes for p in points if p.attributes["rft_preflight.endpoint"] == "grader")
    assert "gen_ai.tool.name" not in grader


@pytest.mark.parametrize("case", ["failing", "crowded", "unmeasured", "toolless"])
def test_the_buckets_hold_every_answer(case):
    summary, verdict = CASES[case]()
    points = named(Results(summary, verdict))["http.client.request.duration"].points
    for endpoint, point in zip(summary.endpoints, points, strict=True):
        buckets, times = point.value, endpoint.service_ms
        assert isinstance(buckets, Buckets)
        assert len(buckets.counts) == len(BOUNDS_S) + 1
        assert sum(buckets.counts) == buckets.count
        assert buckets.sum == pytest.approx(times.mean * buckets.count / 1000)
        below_p99 = sum(
            n for up_to, n in zip(BOUNDS_S, buckets.counts, strict=False) if up_to <= times.p99 / 1000
        )
        assert below_p99 <= math.ceil(0.99 * buckets.count)
    assert list(BOUNDS_S) == sorted(BOUNDS_S)


def test_the_platforms_names_are_there():
    summary, verdict = failing()
    told = named(Results(summary, verdict))
    assert value(told["rft_preflight.platform.tool_errors_count"]) == 64
    latency = platform_metrics(summary).tool_execution_latency
    assert value(told["rft_preflight.platform.tool_execution_latency"]) == latency
    assert "rft_preflight.platform.train_reward_mean" not in told  # which this run did not measure


def test_the_run_began_when_it_says():
    summary, _ = passing()
    began, ended = began_and_ended_ns(summary)
    assert began == 1_767_268_800_000_000_000
    assert ended - began == pytest.approx(summary.duration_s * 1e9, abs=1)
    with pytest.raises(ValueError, match="yesterday"):
        began_and_ended_ns(msgspec.structs.replace(summary, started_at="yesterday"))


@settings(max_examples=25)
@given(HOSTILE)
def test_what_strangers_wrote_is_harmless_in_every_attribute(text):
    for measure in measures(Results(*poisoned(text))):
        for point in measure.points:
            assert all(str(one).isprintable() for one in point.attributes.values())
