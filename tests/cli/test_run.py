import json
from collections import Counter

import pytest

from simulator.cli.main import invoke
from tests.cli.jobs import write_job
from tests.servers import Catalog, obliging, plain_server, uvicorn_server


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("FUNC_KEY", "a-functions-key")


def report_in(folder):
    return json.loads((folder / "report.json").read_text())


def rollouts_in(folder):
    return [json.loads(line) for line in (folder / "rollouts.jsonl").read_text().splitlines()]


def test_a_contract_server_sees_right_ids_and_every_rollout_is_graded(tmp_path, capsys):
    catalog, out = Catalog("a-functions-key"), tmp_path / "out"
    with uvicorn_server(catalog.app) as url:
        code = invoke(
            ["run", "--skip-checks", str(write_job(tmp_path, url)), "--time-scale", "0", "--out", str(out)]
        )
    report, rollouts = report_in(out), rollouts_in(out)
    assert (code, report["verdict"]) == (0, "pass")
    assert report["load"]["rollouts_per_step"] == 4 * 32
    planned = 4 * 32 + 10 * 2  # and the evaluation pass at the end
    assert report["rollouts"]["planned"] == report["rollouts"]["graded"] == planned == len(rollouts)
    assert all(not endpoint["faults"] and not endpoint["violations"] for endpoint in report["endpoints"])
    assert report["grader"]["scores"]["mean"] == 1.0
    calls_by_trace = {r["trace_id"]: [c["call_id"] for turn in r["turns"] for c in turn] for r in rollouts}
    assert {trace: Counter(calls) for trace, calls in calls_by_trace.items()} == {
        trace: Counter(calls) for trace, calls in catalog.seen.items()
    }
    assert "PASS" in capsys.readouterr().out


def test_the_compute_multiplier_doubles_the_burst(tmp_path):
    in_flight = {}
    with plain_server(obliging) as url:
        job = str(write_job(tmp_path, url, tool_path="/t", grader_path="/grade"))
        for multiplier in ("0.25", "0.5"):
            out = tmp_path / multiplier
            options = ["--compute-multiplier", multiplier, "--time-scale", "0", "--out", str(out)]
            assert invoke(["run", "--skip-checks", job, *options]) == 0
            (training, _) = report_in(out)["steps"]
            assert training["rollouts"] == training["in_flight_max"]
            in_flight[multiplier] = training["in_flight_max"]
    assert in_flight == {"0.25": 4 * 8, "0.5": 4 * 16}


def without_times_and_ids(rollout):
    if isinstance(rollout, dict):
        return {k: without_times_and_ids(v) for k, v in rollout.items() if not k.endswith(("_ms", "_id"))}
    if isinstance(rollout, list):
        return [without_times_and_ids(part) for part in rollout]
    return rollout


@pytest.mark.slow
def test_the_same_seed_sends_the_same_calls_and_another_seed_does_not(tmp_path):
    lines = {}
    with plain_server(obliging) as url:
        job = str(write_job(tmp_path, url, tool_path="/t", grader_path="/grade"))
        for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
            options = ["--compute-multiplier", "0.1", "--time-scale", "0", "--seed", seed]
            invoke(["run", "--skip-checks", job, *options, "--out", str(tmp_path / name)])
            lines[name] = [without_times_and_ids(rollout) for rollout in rollouts_in(tmp_path / name)]
            assert [line["rollout"] for line in lines[name]] == list(range(len(lines[name])))
    assert lines["a"] == lines["b"]
    assert lines["a"] != lines["c"]


def test_a_failed_gate_exits_with_1_and_the_message_has_the_discarded_rate(tmp_path, capsys):
    failing = set()

    def answer(path, body):
        if path != "/grade" and int(body["trace_id"][-2:], 16) < 13:  # about 5% of the rollouts
            failing.add(body["trace_id"])
            return 500, {"error": "out of order"}
        return obliging(path, body)

    scenario = tmp_path / "scenario.toml"
    scenario.write_text(
        'job = "job.json"\n[load]\ntime_scale = 0\nevaluation = false\n[trainer]\nretry_backoff_s = 0\n'
    )
    with plain_server(answer) as url:
        write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        code = invoke(["run", "--skip-checks", str(scenario), "--out", str(tmp_path / "out")])
    report = report_in(tmp_path / "out")
    assert (code, report["verdict"]) == (1, "fail")
    assert report["rollouts"]["discarded"] == len(failing) > 0
    (tool,) = (endpoint for endpoint in report["endpoints"] if endpoint["kind"] == "tool")
    assert tool["given_up"] >= len(failing)
    assert f"{len(failing)} of 128 rollouts" in capsys.readouterr().out
    rate = report["rollouts"]["discarded_rate"]
    assert [g["observed"] for g in report["gates"] if g["expr"] == "rollouts.discarded_rate == 0"] == [rate]


def test_secrets_are_nowhere_in_what_is_written_or_printed(tmp_path, capsys):
    def leaky(path, body):
        if path == "/grade":
            return 200, {"score": 0.5}
        return 403, {"error": "the key a-functions-key is not valid, nor is s3cr3t-code"}

    with plain_server(leaky) as url:
        job = write_job(tmp_path, url, tool_path="/t?code=s3cr3t-code", grader_path="/grade")
        invoke(
            [
                "run",
                "--skip-checks",
                str(job),
                "--compute-multiplier",
                "0.1",
                "--time-scale",
                "0",
                "--out",
                str(tmp_path / "out"),
            ]
        )
    said = capsys.readouterr()
    written = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    assert "is not valid" in written
    for secret in ("a-functions-key", "s3cr3t-code"):
        assert secret not in said.out + said.err + written


def broken_policy(tmp_path, *lines):
    """Write a scenario whose policy calls a tool once and then does what `lines` say."""
    (tmp_path / "agent.py").write_text(
        "from simulator.plan.policy import ScriptedPolicy\n"
        "class Broken(ScriptedPolicy):\n"
        "    def play(self):\n"
        "        (seen,) = yield self.ask('search_catalog', query='coat', tokens=0)\n"
        + "".join(f"        {line}\n" for line in lines)
    )
    scenario = tmp_path / "scenario.toml"
    scenario.write_text(
        'job = "job.json"\npolicy = "broken"\n'
        '[policies.broken]\nkind = "scripted"\nagent = "agent.py:Broken"\n'
    )
    return str(scenario)


def test_a_secret_in_what_a_policy_raises_is_not_printed(tmp_path, capsys):
    def leaky(path, body):
        return 403, {"error": "the key a-functions-key is not valid"}

    with plain_server(leaky) as url:
        write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        scenario = broken_policy(tmp_path, "raise ValueError(seen.output)")
        assert invoke(["run", "--skip-checks", scenario, "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr()
    assert "the key *** is not valid" in said.err
    assert "a-functions-key" not in said.out + said.err + (tmp_path / "out" / "report.json").read_text()


def test_a_policy_that_ends_the_process_does_not_end_the_run_in_silence(tmp_path, capsys):
    with plain_server(obliging) as url:
        write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        scenario = broken_policy(tmp_path, "raise SystemExit(0)")
        assert invoke(["run", "--skip-checks", scenario, "--out", str(tmp_path / "out")]) == 2
    assert "SystemExit" in capsys.readouterr().err


def test_what_an_earlier_run_left_in_the_folder_is_gone_before_the_first_call(tmp_path):
    left, out = [], tmp_path / "out"

    def answer(path, body):
        left.append((out / "report.json").exists())
        return obliging(path, body)

    out.mkdir()
    (out / "report.json").write_text('{"verdict": "pass"}')
    with plain_server(answer) as url:
        job = write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        invoke(
            [
                "run",
                "--skip-checks",
                str(job),
                "--compute-multiplier",
                "0.1",
                "--time-scale",
                "0",
                "--out",
                str(out),
            ]
        )
    assert left
    assert not any(left)


def test_a_policy_that_raises_is_one_line_and_what_was_measured_is_written(tmp_path, capsys):
    with plain_server(obliging) as url:
        write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        scenario = broken_policy(tmp_path, "raise KeyError('sku')")
        code = invoke(["run", "--skip-checks", scenario, "--out", str(tmp_path / "out")])
    assert code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()[-1:]
    assert line.startswith("rft-preflight: policy Broken raised KeyError: 'sku' at ")
    assert line.endswith("agent.py:5")
    report = report_in(tmp_path / "out")
    assert (report["verdict"], report["failure"][:13]) == ("invalid", "policy Broken")
