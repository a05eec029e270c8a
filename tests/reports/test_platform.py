import json

import msgspec
import pytest

from reports.json_report import to_json
from reports.platform import platform_metrics
from simulator.grading.run import learnability_of
from simulator.measure.summary import StepSummary
from simulator.measure.tally import RolloutRecord
from tests.reports.runs import CASES, failing, passing, ungraded, unmeasured


def record(index, item, kind, score):
    return RolloutRecord(
        index, item, index // 2, 1, kind, "graded", 0.0, 1.0, 0.5, 2, 10, score, False, False
    )


def test_rewards_are_told_apart_by_the_file_they_come_from():
    records = [record(n, n // 4, "training", n % 2) for n in range(8)]
    records += [record(8 + n, 0, "evaluation", 1.0) for n in range(3)]
    summary, _ = passing()
    grader = msgspec.structs.replace(summary.grader, learnability=learnability_of(records, None, 1))
    told = platform_metrics(msgspec.structs.replace(summary, grader=grader))
    assert (told.train_reward_mean, told.valid_reward_mean) == (0.5, 1.0)


def test_the_names_are_those_of_the_platform():
    summary, _ = failing()
    told = platform_metrics(summary)
    assert told.tool_errors_count == 52 + 12
    assert told.tool_calls_per_rollout == summary.rollouts.calls_per_rollout.mean == 2.0
    assert told.tool_execution_latency == pytest.approx(summary.tools.service_ms.mean / 1000, abs=1e-6)
    assert told.completion_tokens_mean == 1200.0
    search, unused, _ = told.tools
    assert (search.name, search.tool_calls_per_rollout, search.tool_errors_count) == ("search", 1.0, 64)
    assert (unused.tool_calls_per_rollout, unused.tool_execution_latency) == (0.0, None)
    assert told.timing.sampling == pytest.approx(summary.steps[0].sampling_s, abs=1e-6)


def test_steps_and_evaluation_passes_are_told_apart():
    step = StepSummary(1, "training", 1, 0, 0.0, 10.0, None, None, 1, 1)
    steps = (
        step,
        msgspec.structs.replace(step, step=2, sampling_s=20.0),
        msgspec.structs.replace(step, kind="evaluation", sampling_s=7.0),
    )
    told = platform_metrics(msgspec.structs.replace(passing()[0], steps=steps))
    assert (told.timing.sampling, told.timing.eval) == (15.0, 7.0)


def test_what_was_not_measured_is_null():
    told = platform_metrics(unmeasured()[0])
    assert (told.tool_execution_latency, told.tool_calls_per_rollout, told.timing.sampling) == (None,) * 3
    assert platform_metrics(ungraded()[0]).train_reward_mean is None


def test_why_there_is_no_score_is_counted_by_the_platforms_names():
    summary, _ = passing()
    grader = msgspec.structs.replace(summary.grader, ungraded={"unresponsive_reward_error": 3})
    told = platform_metrics(msgspec.structs.replace(summary, grader=grader))
    assert told.errors == {"unresponsive_reward_error_count": 3}


@pytest.mark.parametrize("case", CASES)
def test_the_report_has_it_and_it_is_the_same_when_read_back(case):
    summary, verdict = CASES[case]()
    written = json.loads(to_json(summary, verdict))
    assert written["platform"] == json.loads(msgspec.json.encode(platform_metrics(summary)))
