"""A run that is ended from outside, as a process of its own."""

import json
import os
import signal
import subprocess
import sys

import pytest

from reports.files import REPORTS
from tests.cli.jobs import write_job
from tests.servers import obliging, plain_server

IMPATIENT = 5
SCENARIO = """
job = "job.json"
[load]
mode = "steady"
in_flight = 8
rollouts = 1000000
time_scale = 0
grace_s = 5
"""


@pytest.fixture
def steady_run(tmp_path):
    """Start an endless run and send it a signal once its journal has lines; returns it when it has ended."""

    def play(signum, times=1):
        journal, ready = tmp_path / "out" / "rollouts.jsonl", []

        def answer(path, body):
            if ready and journal.exists() and journal.stat().st_size > 0:
                pid = ready.pop()
                for _ in range(times):
                    os.kill(pid, signum)
            return obliging(path, body)

        with plain_server(answer) as url:
            write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
            (tmp_path / "scenario.toml").write_text(SCENARIO)
            process = subprocess.Popen(
                [sys.executable, "-m", "simulator.cli", "run", str(tmp_path / "scenario.toml"),
                 "--out", str(tmp_path / "out"), "--skip-checks"],
                env={**os.environ, "FUNC_KEY": "a-functions-key"},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )  # fmt: skip
            ready.append(process.pid)
            process.said = process.communicate(timeout=60)
        return process

    return play


@pytest.mark.parametrize("signum", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_an_interrupted_run_exits_with_130_and_writes_what_it_measured(steady_run, tmp_path, signum):
    process = steady_run(signum)
    out, err = process.said
    assert process.returncode == 130, err
    assert "Traceback" not in out + err
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    rollouts = [json.loads(line) for line in (tmp_path / "out" / "rollouts.jsonl").read_text().splitlines()]
    assert (tmp_path / "out" / "junit.xml").exists()
    assert report["rollouts"]["graded"] == sum(r["state"] == "graded" for r in rollouts) > 0
    # Those in flight were given their grace, and needed little of it.
    assert {r["state"] for r in rollouts} == {"graded"}


def test_impatience_costs_nothing_that_was_measured(steady_run, tmp_path):
    process = steady_run(signal.SIGINT, times=IMPATIENT)
    assert process.returncode == 130
    assert "Traceback" not in "".join(process.said)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {*REPORTS, "rollouts.jsonl"}
    assert json.loads((tmp_path / "out" / "report.json").read_text())["verdict"] in {"invalid", "fail"}


@pytest.mark.slow
def test_a_killed_run_leaves_whole_lines_but_for_the_one_it_was_writing(steady_run, tmp_path):
    process = steady_run(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    *whole, _part_of_a_line = (tmp_path / "out" / "rollouts.jsonl").read_text().split("\n")
    assert len(whole) > 0
    assert all(json.loads(line)["state"] == "graded" for line in whole)
