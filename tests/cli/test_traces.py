"""`traces`: what it prints, what it writes, and what it refuses."""

import json
import os

import msgspec
import pytest

from simulator.cli.main import invoke
from simulator.job.scenario import Overrides, load_scenario
from simulator.job.traces.survey import Survey
from simulator.measure.recorded import Recorded
from tests.cli.jobs import write_job


def line(number, *, shift_ms=0.0, **changes):
    """A rollout as this program writes it, of two calls."""
    at = shift_ms + 100.0 * number

    def call(name, due, done):
        return {
            "endpoint": name, "call_id": "call_1", "arguments": "{}", "fault": None,
            "attempts": [{"due_ms": at + due, "done_ms": at + done}],
        }  # fmt: skip

    return {
        "rollout": number, "step": 1, "kind": "training", "group": number // 4, "item": number // 4,
        "split": "train", "trace_id": "trace_a", "state": "graded", "score": 0.5, "answer": "blue",
        "started_ms": at, "ended_ms": at + 5000.0,
        "turns": [[call("search_catalog", 1000.0, 1500.0)], [call("\x1b[2Jcat", 2000.0, 4000.0)]],
        **changes,
    }  # fmt: skip


def written(path, *lines):
    path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
    return path


@pytest.fixture
def recording(tmp_path):
    return written(tmp_path / "some.jsonl", *map(line, range(12)))


def test_what_is_in_a_recording_is_printed_and_nothing_written(recording, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert invoke(["traces", str(recording)]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert "12 recorded rollouts of 3 items made 24 tool calls" in said.out
    assert "\x1b" not in said.out
    assert max(map(len, said.out.splitlines())) <= 100
    assert [path.name for path in tmp_path.iterdir()] == ["some.jsonl"]


def test_the_report_is_written_beside_what_is_there(recording, tmp_path, capsys):
    assert invoke(["traces", str(recording), "--out", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["some.jsonl", "traces.json"]
    report = (tmp_path / "traces.json").read_bytes()
    read = msgspec.json.decode(report, type=Recorded)
    assert (read.rollouts, read.latency_s.p50, read.passes[0].in_flight_max) == (12, 0.5, 12)
    assert json.loads(report)["kind"] == "traces"
    assert "traces.json" in capsys.readouterr().out


def test_files_whose_clocks_are_their_own_are_not_put_together(tmp_path, recording, capsys):
    other = written(tmp_path / "other.jsonl", *map(line, range(12)))
    assert invoke(["traces", str(recording), str(other), "--out", str(tmp_path / "out")]) == 0
    report = json.loads((tmp_path / "out" / "traces.json").read_text())
    assert [one["in_flight_max"] for one in report["passes"]] == [12, 12]
    assert report["reading"]["files"] == 2
    capsys.readouterr()


def test_a_fitted_scenario_can_be_played(recording, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FUNC_KEY", "a-key")
    job = write_job(tmp_path, "http://127.0.0.1:1")
    path = tmp_path / "fitted.toml"
    assert invoke(["traces", str(recording), "--fit", str(path), "--job", str(job)]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"wrote {path}; now `rft-preflight run {path}`"
    scenario = load_scenario(str(path), Overrides(), os.environ)
    assert scenario.policies[scenario.policy].synthetic.calls == "2"
    before = path.read_text()
    assert invoke(["traces", str(recording), "--fit", str(path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert path.read_text() == before


def test_broken_records_are_counted_up_to_a_share(tmp_path, capsys):
    path = written(tmp_path / "some.jsonl", *map(line, range(12)), line(12, turns=7), "{")
    assert invoke(["traces", str(path)]) == 2
    assert "some.jsonl:13" in capsys.readouterr().err
    for share in ("20%", "0.2", " 20 % "):
        assert invoke(["traces", str(path), "--broken", share]) == 0
        said = capsys.readouterr().out
        assert "2 of 14 records left out" in said
        assert "some.jsonl:14: not JSON" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "FILE: is missing"),
        (["no-such-file"], "no-such-file: no such file"),
        (["some.jsonl", "--broken", "many"], "--broken: must be a share from 0 to 1"),
        (["some.jsonl", "--broken", "nan"], "--broken: must be a share from 0 to 1"),
        (["some.jsonl", "--broken", "101%"], "--broken: must be a share from 0 to 1"),
        (["some.jsonl", "--job", "job.json"], "--job: is only for --fit"),
        (["some.jsonl", "--fit", "new.toml", "--job", "no-job.json"], "no-job.json: no such file"),
        (["some.jsonl", "--fit", "no-folder/new.toml"], "no-folder/new.toml: cannot be written"),
        (["some.jsonl", "--out", "some.jsonl"], "some.jsonl: cannot be written"),
        (["some.jsonl", "--bogus"], "Unknown option"),
        (["garbage"], "garbage:1: not JSON"),
        (["nothing"], "nothing:1: not JSON"),
        (["job"], "job:1: is no rollout"),
    ],
)
def test_what_cannot_be_used_is_one_line(arguments, said, recording, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "garbage", "?")
    written(tmp_path / "nothing")
    written(tmp_path / "job", {"method": {}})
    assert invoke(["traces", *arguments]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (only,) = shown.err.splitlines()
    assert said in only
    assert not (tmp_path / "new.toml").exists()


def test_ctrl_c_ends_it(recording, tmp_path, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Survey, "add", interrupted)
    assert invoke(["traces", str(recording), "--out", str(tmp_path / "out")]) == 130
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "rft-preflight: interrupted\n")
    assert not (tmp_path / "out").exists()
