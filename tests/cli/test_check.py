"""`check`, `explain`, and the check that `run` begins with."""

import json
import os
import signal
import subprocess
import sys

import pytest
from junitparser import Failure, JUnitXml

from simulator.cli.main import invoke
from simulator.findings import RULES
from tests.checks.broken.arguments import CrashesOn, no_json
from tests.checks.broken.contract import Hangs
from tests.checks.healthy import KEY, Healthy, serving
from tests.checks.lab import write_job


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("COATS_KEY", KEY)


def report_in(folder):
    return json.loads((folder / "report.json").read_text())


def cases_in(folder):
    (suite,) = JUnitXml.fromfile(str(folder / "junit.xml"))
    return {case.name: case for case in suite}


def check(tmp_path, endpoints, *options, command="check"):
    with serving(endpoints) as url:
        target = write_job(tmp_path, url)
        return invoke([command, str(target), "--out", str(tmp_path / "out"), *options])


def spoil(tmp_path, number, text):
    path = tmp_path / "train.jsonl"
    lines = path.read_text().splitlines()
    lines[number - 1] = text
    path.write_text("\n".join(lines) + "\n")


def test_healthy_endpoints_pass(tmp_path, capsys):
    assert check(tmp_path, Healthy(), "--no-rate") == 0
    said, report = capsys.readouterr(), report_in(tmp_path / "out")
    assert (report["kind"], report["verdict"], report["findings"]) == ("check", "pass", [])
    assert report["requests"] > 100
    assert f"PASS  nothing found with {report['requests']} requests" in said.out
    assert [endpoint["name"] for endpoint in report["endpoints"]] == ["look_up", "judge"]
    (case,) = cases_in(tmp_path / "out").values()
    assert case.is_passed
    assert KEY not in said.out + said.err + (tmp_path / "out" / "report.json").read_text()


@pytest.mark.slow
def test_the_bundled_scenario_passes_within_its_budget(tmp_path):
    out = tmp_path / "out"
    assert invoke(["check", "finqa", "--no-rate", "--out", str(out)]) == 0
    report = report_in(out)
    assert report["findings"] == []
    assert report["left_out"] == []
    assert report["requests"] < 300


def test_an_error_fails_and_is_told_everywhere(tmp_path, capsys):
    assert check(tmp_path, CrashesOn(no_json), "--no-rate") == 1
    out = capsys.readouterr().out
    assert out.splitlines()[1].startswith("FAIL  1 error found with ")
    assert "error tool.crashes_on_arguments: look_up: " in out
    assert RULES["tool.crashes_on_arguments"].effect.split(",")[0] in out
    (finding,) = report_in(tmp_path / "out")["findings"]
    assert (finding["code"], finding["severity"]) == ("tool.crashes_on_arguments", "error")
    assert finding["request"].startswith("POST /tools/look_up (trace_preflight_")
    assert '{"name":"look_up","arguments":"' in finding["request"]
    assert finding["answer"].startswith("500 ")
    case = cases_in(tmp_path / "out")["tool.crashes_on_arguments look_up"]
    assert isinstance(case.result[0], Failure)
    assert "remedy: " in case.result[0].text


def test_a_file_is_told_of_by_line_and_column_and_nothing_is_sent(tmp_path, capsys):
    endpoints = Healthy()
    with serving(endpoints) as url:
        target = write_job(tmp_path, url)
        for number in (3, 7):
            spoil(tmp_path, number, '{"messages": [}')
        code = invoke(["check", str(target), "--probe", "files", "--out", str(tmp_path / "out")])
    assert (code, endpoints.requests) == (1, 0)
    place = f"{tmp_path / 'train.jsonl'}:3:15"
    (finding,) = report_in(tmp_path / "out")["findings"]
    assert (finding["code"], finding["where"]) == ("dataset.not_json", place)
    assert finding["message"].endswith("likewise on 1 more line: 7")
    assert f"{place}: error dataset.not_json: not JSON" in " ".join(capsys.readouterr().out.split())
    case = cases_in(tmp_path / "out")[f"dataset.not_json {place}"]
    assert (case._elem.get("file"), case._elem.get("line")) == (str(tmp_path / "train.jsonl"), "3")


def test_a_variable_that_is_not_set_is_all_that_is_told_of_its_endpoints(tmp_path, monkeypatch):
    monkeypatch.delenv("COATS_KEY")
    target, out = write_job(tmp_path, "http://127.0.0.1:9"), tmp_path / "out"
    assert invoke(["check", str(target), "--out", str(out)]) == 1
    assert {finding["code"] for finding in report_in(out)["findings"]} == {"job.variable_unset"}


def test_a_tool_whose_variable_is_not_set_leaves_the_grader_to_be_probed(tmp_path):
    state = '[check.state]\nwrite = { tool = "look_up", arguments = { query = "a" } }\n'
    state += 'read = { tool = "look_up", arguments = { query = "a" } }\n'
    with serving(Healthy()) as url:
        target = write_job(tmp_path, url, toml=state)
        job = tmp_path / "job.json"
        job.write_text(job.read_text().replace("COATS_KEY", "ANOTHER_KEY", 1))
        assert invoke(["check", str(target), "--no-rate", "--out", str(tmp_path / "out")]) == 1
    report = report_in(tmp_path / "out")
    assert [finding["code"] for finding in report["findings"]] == ["job.variable_unset"]
    assert [endpoint["name"] for endpoint in report["endpoints"]] == ["judge"]
    assert report["endpoints"][0]["first_answer_ms"] > 0


def test_what_can_be_read_is_checked_although_the_rest_cannot(tmp_path):
    endpoints = CrashesOn(no_json)
    with serving(endpoints) as url:
        target = write_job(tmp_path, url)
        spoil(tmp_path, 3, "{}")
        job = json.loads((tmp_path / "job.json").read_text())
        job["method"]["reinforcement"]["grader"] = {"type": "judge"}
        (tmp_path / "job.json").write_text(json.dumps(job))
        assert invoke(["check", str(target), "--no-rate", "--out", str(tmp_path / "out")]) == 1
    found = {finding["code"] for finding in report_in(tmp_path / "out")["findings"]}
    assert {"job.unusable", "dataset.no_messages", "tool.crashes_on_arguments"} <= found


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("job.json", "{", "job.unusable"),
        ("job.json", "[]", "job.unusable"),
        ("job.json", '{"type": [[]]}', "job.unusable"),
        ("job.json", '{"type": "python", "source": "x"}', "job.unusable"),
        ("job.json", '[{"name": "look_up", "server_url": "http://127.0.0.1/"}]', "job.unusable"),
        ("scenario.toml", "job = ", "scenario.unusable"),
        ("train.jsonl", "", "dataset.unreadable"),
    ],
)
def test_files_that_cannot_be_used_are_findings(name, text, code, tmp_path):
    target = write_job(tmp_path, "http://127.0.0.1:9")
    (tmp_path / name).write_text(text)
    out = tmp_path / "out"
    assert invoke(["check", str(target), "--probe", "files", "--out", str(out)]) == 1
    assert code in {finding["code"] for finding in report_in(out)["findings"]}


def test_a_dataset_alone(tmp_path, capsys):
    write_job(tmp_path, "http://127.0.0.1:9")
    spoil(tmp_path, 2, '{"messages": []}')
    target, out = str(tmp_path / "train.jsonl"), str(tmp_path / "out")
    assert invoke(["check", target, "--out", out]) == 1
    assert "train.jsonl:2:14: error dataset.no_messages" in capsys.readouterr().out
    assert invoke(["run", target, "--out", out]) == 2
    assert "is a dataset, not a job" in capsys.readouterr().err


def test_run_stops_on_errors_before_it_plays(tmp_path, capsys):
    endpoints = CrashesOn(no_json)
    assert check(tmp_path, endpoints, "--time-scale", "0", command="run") == 1
    assert all(trace.startswith("trace_preflight") for trace in endpoints.traces)
    assert report_in(tmp_path / "out")["kind"] == "check"
    said = capsys.readouterr()
    assert "error tool.crashes_on_arguments" in said.out
    assert "--skip-checks" in said.err


@pytest.mark.slow
def test_run_goes_on_with_skip_checks(tmp_path):
    endpoints = CrashesOn(no_json)
    assert check(tmp_path, endpoints, "--skip-checks", "--time-scale", "0", command="run") == 0
    assert not any(trace.startswith("trace_preflight") for trace in endpoints.traces)


def test_run_checks_then_plays_and_reports_both(tmp_path, capsys):
    class Binary(Healthy):
        def score(self, sample, item, trace_id):
            return float(super().score(sample, item, trace_id) == 1)

    endpoints = Binary()
    assert check(tmp_path, endpoints, "--time-scale", "0", command="run") == 0
    report = report_in(tmp_path / "out")
    assert report["rollouts"]["graded"] > 0
    assert [finding["code"] for finding in report["findings"]] == ["grader.binary", "reward.flat_groups"]
    assert "note grader.binary: judge: " in capsys.readouterr().err
    probes = {trace for trace in endpoints.traces if trace.startswith("trace_preflight")}
    assert len(endpoints.traces - probes) == report["rollouts"]["planned"]
    assert probes


def test_a_host_elsewhere_is_asked_about(tmp_path, capsys):
    target = write_job(tmp_path, "https://tools.example.test")
    assert invoke(["check", str(target), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "up to two dozen at the same time and 50 per second for 10 s" in said
    assert "https://tools.example.test: look_up, judge (with headers Authorization)" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check"], "TARGET: is missing"),
        (["check", "no-such-target"], "no-such-target"),
        (["check", "finqa", "--probe", "deep"], "deep"),
        (["check", "finqa", "--time-limit", "0"], "--time-limit: must be above 0"),
        (["check", "finqa", "--policy", "none-such"], "--policy: no policy is named"),
        (["explain", "state.lots"], "did you mean state.lost"),
        (["explain", "\x1b[31m"], "see `rft-preflight check --list`"),
    ],
)
def test_wrong_invocations(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert invoke(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rft-preflight: ")
    assert said in line
    assert line.isprintable()


def test_every_code_is_listed_and_explained(capsys):
    assert invoke(["check", "--list"]) == 0
    listed = capsys.readouterr().out
    for code, rule in RULES.items():
        assert code in listed
        assert invoke(["explain", code]) == 0
        explained = " ".join(capsys.readouterr().out.split())
        assert f"{rule.severity} {code}: " in explained
        assert " ".join(rule.effect.split()) in explained


@pytest.mark.slow
def test_a_check_that_is_not_whole_does_not_pass(tmp_path, capsys):
    class Dawdling(Healthy):
        def tool(self, call):
            self.released.wait(0.7)
            return super().tool(call)

    endpoints = Dawdling()
    assert check(tmp_path, endpoints, "--no-rate", "--time-limit", "1.5") == 3
    assert report_in(tmp_path / "out")["verdict"] == "unfinished"
    assert "UNFINISHED  no error, but " in capsys.readouterr().out


def test_a_check_that_is_stopped_tells_what_it_has(tmp_path):
    class Waiting(Hangs):
        def tool(self, call):
            self.called.set()
            return super().tool(call)

    endpoints, out = Waiting(), tmp_path / "out"
    endpoints.called = type(endpoints.released)()
    with serving(endpoints) as url:
        command = [sys.executable, "-m", "simulator.cli", "check", str(write_job(tmp_path, url))]
        process = subprocess.Popen(
            [*command, "--out", str(out)],
            env={**os.environ, "COATS_KEY": KEY},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert endpoints.called.wait(60)
        process.send_signal(signal.SIGINT)
        said = process.communicate()
        endpoints.released.set()
    assert process.returncode == 130
    assert "Traceback" not in "".join(said)
    assert [finding["code"] for finding in report_in(out)["findings"]] == ["check.unfinished"]
