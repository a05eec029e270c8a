"""A scenario whose synthetic rollouts are as the recorded ones were."""

import json
import random
import statistics
import tomllib
from collections import Counter

import pytest

from simulator.job.jobfile import read_job
from simulator.job.scenariofile import parse_scenario
from simulator.job.tables import TomlFile
from simulator.job.traces.fit import fitted_scenario, mixed
from simulator.job.traces.recording import PARALLEL, RecordedCall, RecordedTurn, Recording
from simulator.plan.distribution import parse_distribution
from tests.cli.jobs import write_job
from tests.job.traces.played import Queue, play, survey

DRAWS = 40_000


def parsed(tmp_path, text):
    path = tmp_path / "scenario.toml"
    return parse_scenario(TomlFile(path, text, tomllib.loads(text)))


def settings_of(tmp_path, recorded):
    file = parsed(tmp_path, fitted_scenario(recorded, None, tmp_path))
    assert (file.job, file.policy) == ("job.json", "as-recorded")
    return file.load, file.policies["as-recorded"].synthetic


def drawn(text):
    distribution, rng = parse_distribution(text), random.Random(1)
    return sorted(distribution.draw_count(rng) for _ in range(DRAWS))


def asking(*calls_at_once, think_s=None, name="find"):
    turns = tuple(
        RecordedTurn(tuple(RecordedCall(name, "{}") for _ in range(calls)), think_s)
        for calls in calls_at_once
    )
    return Recording("k", "g", "t", "blue", (*turns, RecordedTurn((), think_s)))


def test_what_is_drawn_is_what_was_measured(tmp_path):
    recorded = survey(play(1, Queue(1, lambda _: 0.1), rollouts=400))
    load, synthetic = settings_of(tmp_path, recorded)
    calls = drawn(synthetic.calls)
    assert statistics.fmean(calls) == pytest.approx(recorded.calls_per_rollout, rel=0.02)
    shares = {number: count / 400 for number, count in enumerate(recorded.by_calls) if count}
    assert {number: count / DRAWS for number, count in Counter(calls).items()} == pytest.approx(
        shares, abs=0.01
    )
    think_s = [tokens / load.tokens_per_s for tokens in drawn(synthetic.tokens)]
    assert statistics.fmean(think_s) == pytest.approx(recorded.think_s.mean, rel=0.02)
    for percent in (50, 90, 99):
        measured = getattr(recorded.think_s, f"p{percent}")
        assert think_s[DRAWS * percent // 100] == pytest.approx(measured, rel=0.04 if percent < 99 else 0.2)
    assert set(drawn(synthetic.parallel)) == {1}
    assert synthetic.tools == {"find": recorded.calls}


def test_a_mean_is_kept_whatever_the_values_are(tmp_path):
    for values in ([1.0, 1.0, 400.0], [5.0], [0.0] * 99 + [3.0], [float(n * n) for n in range(100)]):
        recorded = survey([asking(think_s=value) for value in values])
        load, synthetic = settings_of(tmp_path, recorded)
        mean = parse_distribution(synthetic.tokens).mean / load.tokens_per_s
        assert mean == pytest.approx(statistics.fmean(values), rel=0.01, abs=0.002)


def test_calls_at_once_are_those_that_were_sent(tmp_path):
    uses = [{"recipient_name": "functions.cat", "parameters": {}}] * 3
    several = RecordedCall(PARALLEL, json.dumps({"tool_uses": uses}))
    one = Recording("k", "g", "t", "", (RecordedTurn((several,)),))
    _, synthetic = settings_of(tmp_path, survey([one, asking(1, 2), asking()]))
    assert synthetic.parallel == "mix:33.33%*1+33.34%*2+33.33%*3"
    assert synthetic.calls == "mix:33.33%*0+66.67%*3"
    assert synthetic.tools == {"cat": 3, "find": 3}


def test_what_was_not_recorded_has_its_default(tmp_path):
    text = fitted_scenario(survey([asking(1)]), None, tmp_path)
    assert "# Thinking: no times were recorded" in text
    assert parsed(tmp_path, text).policies["as-recorded"].synthetic.tokens == "lognormal:250:0.6"
    nothing = fitted_scenario(survey([asking()]), None, tmp_path)
    assert parsed(tmp_path, nothing).policies["as-recorded"].synthetic.calls == "0"


def test_the_job_is_named_and_compared(tmp_path):
    folder = tmp_path / "jobs"
    folder.mkdir()
    job = write_job(folder, "http://127.0.0.1:1")
    odd = 'a "b"\x7f\n'
    recorded = survey([asking(1, name="search_catalog"), asking(1, name=odd), asking(1, name="\ud800")])
    text = fitted_scenario(recorded, read_job(job, None), tmp_path / "out")
    file = parsed(tmp_path, text)
    assert file.job == "../jobs/job.json"
    assert file.policies["as-recorded"].synthetic.tools == {"search_catalog": 1}
    assert r'that the job does not have: "a \"b\"\u007f\n", "?".' in text
    other = fitted_scenario(survey([asking(1)]), read_job(job, None), folder)
    assert parsed(tmp_path, other).policies["as-recorded"].synthetic.tools == {}
    unnamed = fitted_scenario(recorded, None, folder)
    assert parsed(tmp_path, unnamed).policies["as-recorded"].synthetic.tools[odd] == 1


@pytest.mark.parametrize(
    ("choices", "text"),
    [
        ([], "0"),
        ([("3", 7)], "3"),
        ([("1", 1), ("2", 1), ("3", 1)], "mix:33.33%*1+33.34%*2+33.33%*3"),
        ([("1", 1), ("2", 99_999)], "mix:100%*2"),
        ([("1", 99), ("uniform:1:2", 1)], "mix:99%*1+1%*uniform:1:2"),
    ],
)
def test_a_mix_adds_up(choices, text):
    assert mixed(choices) == text
    parse_distribution(text)


def test_any_shares_add_up():
    rng = random.Random(1)
    for _ in range(300):
        choices = [(str(number), rng.choice([1, 3, 7, 1000])) for number in range(rng.randint(2, 40))]
        parse_distribution(mixed(choices))
