"""A run is replayed from its own journal, against endpoints that are as they were, or are not."""

import json

import pytest

from simulator.cli.main import invoke
from tests.cli.jobs import write_job
from tests.cli.test_run import report_in, rollouts_in
from tests.servers import obliging, plain_server


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("FUNC_KEY", "a-functions-key")


def otherwise(path, body):
    status, answer = obliging(path, body)
    return status, answer | ({"score": 0.5} if path == "/grade" else {"output": "Error: out of order"})


def run(tmp_path, answer, out, *options):
    with plain_server(answer) as url:
        job = str(write_job(tmp_path, url, tool_path="/t", grader_path="/grade"))
        always = ["--time-scale", "0", "--out", str(tmp_path / out)]
        return invoke(["run", "--skip-checks", job, *always, *options])


def calls_of(folder):
    """Return what each rollout asked for, turn by turn, in no order."""
    return sorted(
        json.dumps([[(call["endpoint"], call["arguments"]) for call in turn] for turn in rollout["turns"]])
        for rollout in rollouts_in(folder)
    )


@pytest.fixture
def recorded(tmp_path):
    assert run(tmp_path, obliging, "first", "--compute-multiplier", "0.1") == 0
    return str(tmp_path / "first" / "rollouts.jsonl")


@pytest.mark.parametrize("processes", ["1", pytest.param("2", marks=pytest.mark.slow)])
def test_a_replay_makes_the_same_calls_and_finds_the_same_outputs(tmp_path, recorded, capsys, processes):
    gates = [option for gate in ("replay.changed_rate == 0", "grader.agreement.exact == 1")
             for option in ("--gate", gate)]  # fmt: skip
    replay = ["--traces", recorded, "--as-recorded", "--processes", processes]
    assert run(tmp_path, obliging, "again", *replay, *gates) == 0
    assert calls_of(tmp_path / "again") == calls_of(tmp_path / "first")
    first, again = (report_in(tmp_path / name) for name in ("first", "again"))
    replayed = again["replay"]
    calls = sum(endpoint["calls"] for endpoint in first["endpoints"] if endpoint["kind"] == "tool")
    assert replayed["tools"]["calls"] == replayed["tools"]["outputs"]["equal"] == calls
    assert replayed["recordings"] == replayed["rollouts"] == first["rollouts"]["completed"]
    assert again["grader"]["agreement"]["recorded"]["exact"]["value"] == 1.0
    ids = [{rollout["trace_id"] for rollout in rollouts_in(tmp_path / name)} for name in ("first", "again")]
    assert not ids[0] & ids[1]
    assert "no output is another than was recorded" in capsys.readouterr().out


def test_what_has_changed_fails_the_gates_and_is_shown(tmp_path, recorded, capsys):
    gates = ["--gate", "replay.error_now_rate == 0", "--gate", "grader.agreement.exact >= 95%"]
    assert run(tmp_path, otherwise, "again", "--traces", recorded, "--as-recorded", *gates) == 1
    report = report_in(tmp_path / "again")
    assert [gate["observed"] for gate in report["gates"]] == [1.0, 0.0]
    assert len(report["replay"]["examples"]) == 5
    assert {example["now"] for example in report["replay"]["examples"]} == {"Error: out of order"}
    assert "now  Error: out of order" in capsys.readouterr().out


def test_a_burst_of_recordings_is_the_size_of_the_jobs(tmp_path, recorded):
    assert run(tmp_path, obliging, "burst", "--traces", recorded, "--compute-multiplier", "0.5") == 0
    report = report_in(tmp_path / "burst")
    assert report["load"]["rollouts_per_step"] == 4 * 16
    assert report["replay"]["pass_ratio"] is None
    assert set(calls_of(tmp_path / "burst")) <= set(calls_of(tmp_path / "first"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--as-recorded"], "--as-recorded: there is no recording to go by; pass --traces"),
        (["--traces"], "--traces: names no file"),
        (["--traces", "gone.jsonl"], "gone.jsonl: no such file"),
        (["--traces", "job.json", "--as-recorded", "--steps", "2"], "--steps: has no meaning for a recorded"),
    ],
)
def test_what_cannot_be_replayed_is_told_in_a_line(tmp_path, capsys, options, said):
    assert run(tmp_path, obliging, "out", *options) == 2
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
