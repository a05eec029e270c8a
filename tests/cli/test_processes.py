"""A run that several processes share, as a user starts it, and what becomes of it when one of them dies."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import threading
from collections import Counter
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from reports.files import REPORTS
from simulator.cli.main import invoke
from tests.cli.jobs import write_job
from tests.cli.test_run import report_in, rollouts_in, without_times_and_ids
from tests.servers import obliging, plain_server

SLOW = pytest.mark.slow
PATIENCE_S = 60
KEY = "a-functions-key"
GRADER_LIMIT = 200.0
STEPS = """
job = "job.json"
[load]
steps = 2
compute_multiplier = 0.1
eval_interval = 1
in_flight_limit = 3
time_scale = 0
"""
ENDLESS = """
[load]
mode = "steady"
in_flight = 8
group_size = 1
rollouts = 1000000
time_scale = 0
"""
AGENT = """
job = "job.json"
policy = "agent"
[policies.agent]
kind = "scripted"
agent = "agent.py:Agent"
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for its processes")


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("FUNC_KEY", KEY)


def command(target, out, *options):
    """Start a run in a session of its own, as from a terminal."""
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "simulator.cli",
            "run",
            "--skip-checks",
            str(target),
            "--out",
            str(out),
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def ended(process):
    """Wait for the end; returns the exit code and what was said on stderr."""
    try:
        out, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert "Traceback" not in out + err
    return process.returncode, err


def workers_of(pid):
    """The worker processes of a run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"spawn_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue  # it is gone
    return sorted(found)


# -- the same run


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    """The folders of the same run played by one process and by two."""
    folder = tmp_path_factory.mktemp("twice")
    with pytest.MonkeyPatch.context() as patch, plain_server(obliging) as url:
        patch.setenv("FUNC_KEY", KEY)
        grader = {"type": "endpoint", "name": "sku", "url": f"{url}/grade", "rate_limit": GRADER_LIMIT}
        write_job(folder, url, tool_path="/t", grader=grader)
        (folder / "scenario.toml").write_text(STEPS)
        for processes in ("1", "2"):
            run = command(folder / "scenario.toml", folder / processes, "--processes", processes)
            code, err = ended(run)
            assert code == 0, err
    return folder / "1", folder / "2"


def test_two_processes_play_the_rollouts_that_one_would(twice):
    one, two = ([without_times_and_ids(line) for line in rollouts_in(folder)] for folder in twice)
    assert [line["rollout"] for line in two] == list(range(len(two)))
    assert len(two) == 2 * (12 + 20)
    assert one == two


def test_the_calls_of_two_processes_have_ids_of_their_own(twice):
    ids = Counter(rollout["trace_id"] for rollout in rollouts_in(twice[1]))
    ids += Counter(call["call_id"] for r in rollouts_in(twice[1]) for turn in r["turns"] for call in turn)
    assert set(ids.values()) == {1}


def test_the_report_of_two_processes_counts_what_that_of_one_does(twice):
    one, two = map(report_in, twice)
    assert (one["generator"]["processes"], two["generator"]["processes"]) == (1, 2)
    assert one["rollouts"] == two["rollouts"]
    assert one["grader"] == two["grader"]
    assert one["load"] == two["load"]
    counts = ("name", "calls", "attempts", "retries", "given_up", "faults", "soft_errors", "violations")
    of = [[[endpoint[name] for name in counts] for endpoint in report["endpoints"]] for report in (one, two)]
    assert of[0] == of[1]
    steps = [[(s["step"], s["kind"], s["rollouts"], s["discarded"]) for s in r["steps"]] for r in (one, two)]
    assert steps[0] == steps[1]
    assert steps[1] == [
        (n, kind, many, 0) for n in (1, 2) for kind, many in (("training", 12), ("evaluation", 20))
    ]
    assert [gate["ok"] for gate in two["gates"]] == [True] * len(one["gates"])


@pytest.mark.parametrize("which", [0, 1], ids=["one process", "two processes"])
def test_processes_keep_one_limit_in_flight_between_them(twice, which):
    training = [step for step in report_in(twice[which])["steps"] if step["kind"] == "training"]
    assert [step["in_flight_max"] for step in training] == [3, 3]


def test_no_process_begins_a_phase_before_all_have_ended_the_one_before(twice):
    spans = {}
    for rollout in rollouts_in(twice[1]):
        spans.setdefault((rollout["step"], rollout["kind"]), []).append(
            (rollout["started_ms"], rollout["ended_ms"])
        )
    assert [*spans] == [(1, "training"), (1, "evaluation"), (2, "training"), (2, "evaluation")]
    for before, after in pairwise(spans.values()):
        assert max(end for _, end in before) < min(start for start, _ in after)


def test_processes_keep_one_limit_on_the_graders_rate_between_them(twice):
    graded = rollouts_in(twice[1])
    due = sorted(rollout["grade"]["attempts"][0]["due_ms"] for rollout in graded)
    assert all(later - sooner > 1000 / GRADER_LIMIT - 0.01 for sooner, later in pairwise(due))
    assert {rollout["group"] % 2 for rollout in graded} == {0, 1}


# -- as many as there may be


@pytest.mark.parametrize(
    ("processes", "said"),
    [
        ("0", "--processes: must be from 1 to 64"),
        ("-1", "--processes: must be from 1 to 64"),
        ("1000", "--processes: must be from 1 to 64"),
        (
            "9",
            "--processes: 9 processes cannot share this load: it has work for 8; ask for fewer, or leave it",
        ),
        ("1.5", "--processes"),
        ("two", "--processes"),
    ],
)
def test_a_number_of_processes_that_cannot_be_is_refused(tmp_path, capsys, processes, said):
    called = []
    with plain_server(lambda path, _: called.append(path) or (200, {})) as url:
        write_job(tmp_path, url)
        (tmp_path / "scenario.toml").write_text('job = "job.json"' + ENDLESS)
        out = tmp_path / "out"
        options = [f"--processes={processes}", "--out", str(out)]
        assert invoke(["run", "--skip-checks", str(tmp_path / "scenario.toml"), *options]) == 2
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    assert said in line
    assert (printed.out, called, out.exists()) == ("", [], False)


# -- ended from outside


class Endless:
    """An endless run of two processes; `meanwhile(run)` is called once, when both have written of their own.

    `survived` counts the workers that were alive when it had ended, and for `patience_s` more.
    """

    def __init__(self, folder, meanwhile, patience_s=0):
        self.out, self._meanwhile, self._first = folder / "out", meanwhile, threading.Lock()
        self.workers, self._watched = [], []
        with plain_server(self._answer) as url:
            write_job(folder, url, tool_path="/t", grader_path="/grade")
            (folder / "scenario.toml").write_text('job = "job.json"' + ENDLESS)
            self._first.acquire()
            self.process = command(folder / "scenario.toml", self.out, "--processes", "2")
            self._first.release()
            self.code, self.err = ended(self.process)
        self.survived = sum(not select.select([fd], [], [], patience_s)[0] for fd in self._watched)
        for fd in self._watched:
            os.close(fd)

    def _answer(self, path, body):
        if not self.workers and self._both_have_written() and self._first.acquire(blocking=False):
            self.workers = workers_of(self.process.pid)
            self._watched = [os.pidfd_open(worker) for worker in self.workers]
            self._meanwhile(self)
        return obliging(path, body)

    def _both_have_written(self):
        return {rollout["group"] % 2 for rollout in self.journal()} == {0, 1}

    def journal(self):
        """The whole lines there are."""
        path = self.out / "rollouts.jsonl"
        lines = path.read_text().split("\n")[:-1] if path.exists() else []
        return [json.loads(line) for line in lines]

    def states(self, *shards):
        """What became of the rollouts of these shards, by the journal."""
        return Counter(rollout["state"] for rollout in self.journal() if rollout["group"] % 2 in shards)


def lost(report):
    """What the report says of workers that died; a busy machine may give it more to say."""
    return [reason for reason in report["generator"]["reasons"] if reason.startswith("worker process")]


def interrupt(run):
    os.kill(run.process.pid, signal.SIGINT)


def interrupt_as_a_terminal_does(run):
    os.killpg(run.process.pid, signal.SIGINT)


def terminate(run):
    os.kill(run.process.pid, signal.SIGTERM)


def terminate_as_a_service_manager_does(run):
    os.killpg(run.process.pid, signal.SIGTERM)


@pytest.mark.parametrize(
    "end",
    [
        interrupt_as_a_terminal_does,
        pytest.param(interrupt, marks=SLOW),
        pytest.param(terminate, marks=SLOW),
        pytest.param(terminate_as_a_service_manager_does, marks=SLOW),
    ],
)
def test_an_interrupted_run_of_two_processes_writes_all_and_leaves_none_behind(tmp_path, end):
    run = Endless(tmp_path, end)
    assert (run.code, len(run.workers), run.survived) == (130, 2, 0), run.err
    assert {path.name for path in run.out.iterdir()} == {*REPORTS, "rollouts.jsonl"}
    report = report_in(run.out)
    assert (report["interrupted"], report["generator"]["processes"]) == (True, 2)
    assert lost(report) == []
    assert run.states(0)["graded"] > 0 < run.states(1)["graded"]
    assert run.states(0, 1) == {"graded": report["rollouts"]["graded"]}, "those in flight had their grace"


def test_a_worker_that_is_killed_is_said_and_the_others_rollouts_are_there(tmp_path):
    run = Endless(tmp_path, lambda run: os.kill(run.workers[0], signal.SIGKILL))
    assert (run.code, len(run.workers), run.survived) == (3, 2, 0), run.err
    report = report_in(run.out)
    (reason,) = lost(report)
    died = re.fullmatch(r"worker process ([12]) of 2 died; its share of the rollouts is missing", reason)
    assert died, reason
    others = 2 - int(died[1])
    rollouts = report["rollouts"]
    assert (report["verdict"], report["interrupted"], report["failure"]) == ("invalid", False, "")
    assert rollouts["graded"] == run.states(others)["graded"] > 0
    assert rollouts["completed"] + rollouts["discarded"] + rollouts["interrupted"] == rollouts["planned"]
    assert rollouts["planned"] == 1_000_000, "never silently fewer"
    assert run.states(1 - others)["graded"] > 0, "what it had written down stays"
    assert "worker process" in (run.out / "junit.xml").read_text()


@SLOW
def test_when_all_workers_are_killed_nothing_is_left_to_report_and_that_is_said(tmp_path):
    run = Endless(tmp_path, lambda run: [os.kill(worker, signal.SIGKILL) for worker in run.workers])
    assert (run.code, len(run.workers), run.survived) == (3, 2, 0), run.err
    report = report_in(run.out)
    assert [reason[:21] for reason in sorted(lost(report))] == [
        "worker process 1 of 2",
        "worker process 2 of 2",
    ]
    assert (report["verdict"], report["rollouts"]["planned"]) == ("invalid", 1_000_000)
    assert report["rollouts"]["graded"] == 0 < run.states(0, 1)["graded"]


@SLOW
def test_workers_end_when_the_process_that_leads_them_is_killed(tmp_path, monkeypatch):
    with TemporaryDirectory() as folder:  # what was killed leaves its own behind
        monkeypatch.setenv("TMPDIR", folder)
        run = Endless(tmp_path, lambda run: os.kill(run.process.pid, signal.SIGKILL), PATIENCE_S)
    assert (run.code, len(run.workers), run.survived) == (-signal.SIGKILL, 2, 0)
    assert run.states(0)["graded"] > 0 < run.states(1)["graded"]


# -- ended from inside


def agent(folder, *lines, before=()):
    """Write a scenario whose policy does what `lines` say after its first call, its module `before` first."""
    (folder / "agent.py").write_text(
        "\n".join(
            [
                "import multiprocessing, os, signal",
                "from simulator.plan.policy import ScriptedPolicy",
                *before,
                "class Agent(ScriptedPolicy):",
                "    def play(self):",
                "        (seen,) = yield self.ask('search_catalog', query='coat', tokens=0)",
                *[f"        {line}" for line in lines],
                "        return self.answer('done', tokens=0)",
                "",
            ]
        )
    )
    (folder / "scenario.toml").write_text(AGENT + ENDLESS)
    return folder / "scenario.toml"


@SLOW
def test_a_policy_that_fails_in_one_process_ends_the_run_as_it_would_with_one(tmp_path):
    def leaky(path, body):
        status, answered = obliging(path, body)
        return status, answered if path == "/grade" else {**answered, "output": f"the key {KEY} is good"}

    said = []
    with plain_server(leaky) as url:
        write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        of_one_item = "if 'number 2?' in str(self.item.row): raise KeyError(seen.output)"
        scenario = agent(tmp_path, of_one_item)
        for processes in ("1", "2"):
            out = tmp_path / processes
            code, err = ended(command(scenario, out, "--processes", processes))
            report = report_in(out)
            said.append((code, err.splitlines()[-1], report["failure"], report["verdict"]))
            assert report["interrupted"] is True
            assert report["rollouts"]["planned"] == 1_000_000
            assert KEY not in err + "".join(path.read_text() for path in out.iterdir())
    assert said[0] == said[1]
    code, line, failure, verdict = said[1]
    assert (code, verdict) == (2, "invalid")
    assert line == f"rft-preflight: {failure}"
    assert failure.startswith("policy Agent raised KeyError: ")
    assert failure.endswith("agent.py:6")


@pytest.mark.slow
def test_a_module_that_cannot_be_loaded_in_a_worker_is_said_in_a_line(tmp_path):
    with plain_server(obliging) as url:
        write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        locked = f"if multiprocessing.parent_process() is not None: raise RuntimeError('no {KEY}')"
        scenario = agent(tmp_path, before=[locked])
        code, err = ended(command(scenario, tmp_path / "out", "--processes", "2"))
    report = report_in(tmp_path / "out")
    assert KEY not in err + json.dumps(report)
    assert (code, report["verdict"]) in {(2, "invalid"), (3, "invalid")}
    assert "RuntimeError: no ***" in " ".join([report["failure"], *lost(report)])


@SLOW
def test_a_long_name_of_the_temporary_folder_is_no_hindrance(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 120)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    with plain_server(obliging) as url:
        write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        options = ["--processes", "2", "--time-scale", "0", "--compute-multiplier", "0.1"]
        code, err = ended(command(tmp_path / "job.json", tmp_path / "out", *options))
    assert code == 0, err


@SLOW
def test_ctrl_c_while_workers_start_is_heard_once_they_have(tmp_path):
    with plain_server(obliging) as url:
        write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        (tmp_path / "scenario.toml").write_text('job = "job.json"' + ENDLESS)
        process = command(tmp_path / "scenario.toml", tmp_path / "out", "--processes", "2")
        while len(workers_of(process.pid)) < 2:
            assert process.poll() is None
        os.killpg(process.pid, signal.SIGINT)
        code, err = ended(process)
    assert code == 130, err
    assert lost(report_in(tmp_path / "out")) == []


@pytest.mark.slow
def test_a_worker_that_dies_before_it_has_begun_does_not_hold_the_others_up(tmp_path):
    with plain_server(obliging) as url:
        write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        scenario = agent(
            tmp_path,
            before=[
                "if multiprocessing.parent_process() is not None:",
                "    try:",
                f"        os.close(os.open({str(tmp_path / 'died')!r}, os.O_CREAT | os.O_EXCL))",
                "        os.kill(os.getpid(), signal.SIGKILL)",
                "    except FileExistsError:",
                "        pass",
            ],
        )
        code, err = ended(command(scenario, tmp_path / "out", "--processes", "2"))
    assert code == 3, err
    report = report_in(tmp_path / "out")
    assert report["verdict"] == "invalid"
    assert len(lost(report)) == 1
    assert report["rollouts"]["planned"] == 1_000_000
