"""What the job would send, or not."""

import json

import pytest

from simulator.plan.synthetic import SyntheticSettings
from tests.job.folder import ENVIRON, JOB

from .studio import TOML, at, findings, only, rows

pytestmark = pytest.mark.usefixtures("folder")


def moved(url, name="read"):
    return JOB.replace(f'"http://127.0.0.1:9/{name}"', json.dumps(url))


def test_a_call_without_tls():
    job = moved("http://tools.test/read?v=1")
    finding = only("job.no_tls", job=job)
    assert finding.where == at(job, "http://tools.test/read?v=1")
    assert (finding.endpoint, finding.message) == ("read", '"read" at tools.test is called without TLS')


def test_a_call_without_credentials():
    job = moved("https://tools.test:8443/read")
    finding = only("job.no_credentials", job=job)
    assert finding.where == at(job, "https://tools.test:8443/read")
    assert (finding.endpoint, finding.message) == ("read", '"read" at tools.test:8443 is sent no credentials')


def test_the_grader_too():
    job = moved("https://tools.test/grade", "grade")
    finding = only("job.no_credentials", job=job)
    assert (finding.endpoint, finding.where) == ("grader", at(job, "https://tools.test/grade"))


def test_the_endpoints_of_a_host_are_one_finding():
    job = moved("https://tools.test/read").replace("http://127.0.0.1:9/grade", "https://tools.test/grade")
    finding = only("job.no_credentials", job=job)
    assert finding.message == '"read", "grader" at tools.test are sent no credentials'


def test_a_header_or_a_query_are_credentials_enough():
    job = moved("https://tools.test/read?v=1")
    assert findings(job=job) == ()
    headers = '"name": "read", "headers": {"X-Key": "${FIND_TOKEN}"},'
    assert findings(job=moved("https://tools.test/read").replace('"name": "read",', headers)) == ()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]:80"])
def test_this_machine_is_no_matter(host):
    assert findings(job=moved(f"http://{host}/read")) == ()


def test_the_host_in_a_variable_is_judged_by_its_value(monkeypatch):
    monkeypatch.setitem(ENVIRON, "HOST", "http://tools.test")
    job = moved("${HOST}/read?v=1")
    finding = only("job.no_tls", job=job)
    assert finding.where == at(job, "${HOST}/read?v=1")


HYPER = '"hyperparameters": {"batch_size": 4, "compute_multiplier": 1.5, "n_epochs": "auto"}'


def with_hyper(**hyper):
    return JOB.replace(HYPER, f'"hyperparameters": {json.dumps(hyper)}')


@pytest.mark.parametrize(("rows_", "epochs", "steps"), [(10, 1, 3), (10, 3, 9), (12, 1, 3), (13, 1, 4)])
def test_an_evaluation_that_is_never_due(rows_, epochs, steps):
    train = rows("train", rows_)
    hyper = {"batch_size": 4, "n_epochs": epochs}
    assert findings(train=train, job=with_hyper(**hyper, eval_interval=steps)) == ()
    job = with_hyper(**hyper, eval_interval=steps + 1)
    finding = only("job.evaluation_never", train=train, job=job)
    assert finding.where == "job.json:14:" + str(
        job.splitlines()[13].index(f'"eval_interval": {steps + 1}') + len('"eval_interval": ') + 1
    )
    assert f"every {steps + 1} steps, and {steps} in all: {rows_} rows in batches of 4" in finding.message


@pytest.mark.parametrize("unknown", ["batch_size", "n_epochs", "eval_interval"])
def test_where_the_platform_decides_nothing_is_said(unknown):
    hyper = {"batch_size": 4, "n_epochs": 1, "eval_interval": 100}
    assert findings(job=with_hyper(**{**hyper, unknown: "auto"})) == ()
    del hyper[unknown]
    assert findings(job=with_hyper(**hyper)) == ()


def test_an_evaluation_that_the_scenario_never_plays():
    finding = only("job.evaluation_never", toml=TOML + "[load]\nsteps = 3\neval_interval = 4")
    assert finding.where == "load.eval_interval"
    assert finding.message == "the scenario plays an evaluation every 4 steps, and 3 in all"


@pytest.mark.parametrize(
    "load",
    [
        "steps = 4\neval_interval = 4",
        "steps = 3\neval_interval = 4\nevaluation = false",
        'mode = "steady"\nin_flight = 1\nduration_s = 1\neval_interval = 4',
        "steps = 3",
    ],
)
def test_scenarios_that_play_what_they_ask_for(load):
    assert findings(toml=TOML + f"[load]\n{load}") == ()


def capped(cap, calls, *, counts="call", parallel="1"):
    toml = TOML.replace('"uniform:2:4"', f'"{calls}"\nparallel = "{parallel}"')
    job = JOB.replace('"max_episode_steps": 10', f'"max_episode_steps": {cap}')
    return {"toml": f'{toml}\n[trainer]\nepisode_step = "{counts}"', "job": job}


@pytest.mark.parametrize(
    ("cap", "calls", "counts", "parallel"),
    [
        (5, "5", "call", "1"),
        (2, "5", "turn", "3"),
        (5, "20", "turn", "4"),
        (7, "5", "call_and_turn", "3"),
        (8, "uniform:4:8", "call", "1"),
    ],
)
def test_calls_up_to_the_cap(cap, calls, counts, parallel):
    assert findings(**capped(cap, calls, counts=counts, parallel=parallel)) == ()


@pytest.mark.parametrize(
    ("cap", "calls", "counts", "parallel", "said"),
    [
        (4, "5", "call", "1", "100.0% of 1,000 synthetic rollouts want more than 4 calls; the mean is 5.0"),
        (1, "5", "turn", "3", "100.0% of 1,000 synthetic rollouts want more than 1 turns; the mean is 5.0"),
        (6, "5", "call_and_turn", "3", "rollouts want more than 6 calls and turns; the mean is 5.0"),
        (4, "20000", "call", "1", "the mean is 10000.0 calls, the most 10000"),
    ],
)  # fmt: skip
def test_calls_over_the_cap(cap, calls, counts, parallel, said):
    files = capped(cap, calls, counts=counts, parallel=parallel)
    finding = only("job.calls_over_cap", **files)
    assert finding.where == "job.json:15:28"
    assert said in finding.message


def test_a_share_over_the_cap():
    finding = only("job.calls_over_cap", **capped(6, "mix:70%*4+30%*8"))
    share = float(finding.message.split("%")[0])
    assert 25 < share < 35
    assert finding == only("job.calls_over_cap", **capped(6, "mix:70%*4+30%*8"))


def test_the_default_distribution_is_played_and_so_counts():
    (finding,) = findings(**capped(2, SyntheticSettings().calls))
    assert finding.code == "job.calls_over_cap"
    assert findings(**capped(6, SyntheticSettings().calls)) == ()


def test_a_scripted_policy_says_nothing():
    toml = 'job = "job.json"\npolicy = "own"\n[policies.own]\nkind = "scripted"\nagent = "agent.py:Agent"'
    toml += '\n[policies.other]\nkind = "synthetic"\ncalls = "99"'
    assert findings(toml=toml) == ()


def test_recorded_calls_over_the_cap():
    train = rows("train")
    train[2]["reference_tool_calls"] = ["find"] * 11
    train[4]["reference_tool_calls"] = ["find"] * 12
    train[5]["reference_tool_calls"] = ["find"] * 10
    train[6]["reference_tool_calls"] = "find" * 12
    finding = only("job.calls_over_cap", train=train)
    place = json.dumps(train[2]).index('["find"') + 1
    assert finding.where == f"train.jsonl:3:{place}"
    assert finding.message == (
        "`reference_tool_calls` has 11 calls, and max_episode_steps is 10; likewise on 1 more line: 5"
    )
    assert findings(train=train, toml=TOML + '[trainer]\nepisode_step = "turn"') == ()
