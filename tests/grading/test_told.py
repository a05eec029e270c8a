"""What is found in a grader's summary: each code for what it is about, and nothing where all is well."""

import numpy as np
import pytest

from simulator.findings.reward import REWARD
from simulator.grading.judgement import Case, Mark
from simulator.grading.results import Terms, grader_summary
from simulator.grading.told import findings_of

GROUPS, SIZE = 20, 8


def cases(**fields):
    return [
        Case(item=str(n // SIZE), group=str(n // SIZE), answer="12.4%", reference="12.4%", **fields)
        for n in range(GROUPS * SIZE)
    ]


def own(seed=1):
    return np.round(np.random.default_rng(seed).uniform(0.1, 0.9, GROUPS * SIZE), 3)


def once(scores, phase="before", lane=None):
    return [Mark(n, phase, n % 8 if lane is None else lane, float(score)) for n, score in enumerate(scores)]


def told(marks, others=None, of=None, threshold=0.5):
    terms = Terms(1, threshold, in_flight=8)
    return findings_of(grader_summary("endpoint", of or cases(), marks, others or {}, terms), "judge")


def codes(*args, **fields):
    return [finding.code for finding in told(*args, **fields)]


def test_a_good_grader_has_no_findings():
    scores = own()
    marks = [*once(scores), *once(scores), *once(scores, "load"), *once(scores, "after")]
    assert codes(marks, {"human": scores}) == []


def noisy():
    rng = np.random.default_rng(3)
    marks = []
    for _ in range(4):
        marks += once(own() + rng.normal(0, 0.02, GROUPS * SIZE))
    return marks


def by_worker():
    marks = []
    for number in range(6):
        lane = (np.arange(GROUPS * SIZE) * 7 + number * 3) % 8
        scores = own() + (lane % 2) * 0.1
        marks += [
            Mark(n, "before", int(c), float(s)) for n, (c, s) in enumerate(zip(lane, scores, strict=True))
        ]
    return marks


def failing_rollouts():
    return [Case(item=str(n // SIZE), group=str(n // SIZE), failed=n % 4 == 0) for n in range(GROUPS * SIZE)]


def low_where_failed():
    return once(own() - 0.4 * (np.arange(GROUPS * SIZE) % 4 == 0))


def said(*answers):
    return [
        Case(item=str(n // SIZE), group=str(n // SIZE), answer=answers[n % len(answers)], reference="12.4%")
        for n in range(GROUPS * SIZE)
    ]


TWO_FORMS = said("12.4%", "It is 12.4%.")
TEXT_RIGHT = np.tile([1.0, 0.0], GROUPS * SIZE // 2)
ALL_RIGHT = np.ones(GROUPS * SIZE) - 0.001 * np.arange(GROUPS * SIZE) / (GROUPS * SIZE)

FLAWED = {
    "reward.missing": ([*once(own()), Mark(0, "load", 0, None, "unresponsive_reward_error")], {}, None),
    "reward.noisy": (noisy(), {}, None),
    "reward.load_shift": ([*once(own()), *once(own() - 0.05, "load")], {}, None),
    "reward.after_load": ([*once(own()), *once(own(), "load"), *once(own() + 0.05, "after")], {}, None),
    "reward.worker_shift": (by_worker(), {}, None),
    "reward.order": (once(own()), {"human": 1 - own()}, None),
    "reward.format": (once(TEXT_RIGHT), {"value": ALL_RIGHT}, TWO_FORMS),
    "reward.flat_groups": (once(np.repeat(np.arange(GROUPS) / 40, SIZE)), {}, None),
    "reward.noise_share": ([*once(own()), *once(own(2)), *once(own(3))], {}, None),
    "reward.failures": (low_where_failed(), {}, failing_rollouts()),
}


def test_every_code_about_rewards_has_its_grader():
    assert FLAWED.keys() == {rule.code for rule in REWARD}


@pytest.mark.parametrize("code", FLAWED)
def test_each_flaw_is_told_by_its_code(code):
    marks, others, of = FLAWED[code]
    assert code in codes(marks, others, of=of)


def message(code):
    marks, others, of = FLAWED[code]
    return next(finding.message for finding in told(marks, others, of=of) if finding.code == code)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "reward.load_shift",
            "with 8 calls in flight the same samples score 0.05 lower (95% interval 0.05 to 0.05)",
        ),
        (
            "reward.after_load",
            "after the load the same samples score 0.05 (95% interval 0.05 to 0.05) higher than",
        ),
        (
            "reward.flat_groups",
            "100% of the groups would teach nothing: all rewards of one are alike in 20 of 20",
        ),
        (
            "reward.format",
            "judge fails 50% of the answers that value passes (80 of 160), all for their format: words",
        ),
        ("reward.missing", "1 grading gave no score: unresponsive_reward_error 1"),
        ("reward.failures", "the 40 rollouts in which an endpoint failed score "),
    ],
)
def test_what_is_told(code, sentence):
    assert message(code).startswith(sentence)


def test_a_miss_that_is_no_matter_of_format_is_no_format_finding():
    others = {"value": ALL_RIGHT}
    assert "reward.format" not in codes(once(TEXT_RIGHT), others, of=said("12.4%", "15%"))


def test_the_grader_compared_with_may_be_the_brittle_one():
    (finding,) = [
        f for f in told(once(ALL_RIGHT), {"text": TEXT_RIGHT}, of=TWO_FORMS) if f.code == "reward.format"
    ]
    assert finding.endpoint == "text"
    assert finding.message.startswith("text fails 50% of the answers that judge passes")


def test_recorded_scores_alone_can_be_looked_at():
    of = [Case(item=str(n // 4), group=str(n // 4), recorded=float(n % 2)) for n in range(40)]
    assert codes([], of=of) == ["grader.binary"]


def test_few_scores_are_not_called_binary():
    of = [Case(item="0", group="0", recorded=float(n % 2)) for n in range(10)]
    assert codes([], of=of) == []
