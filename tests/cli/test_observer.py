"""A run that is watched from a process of its own: by Prometheus, and on a page of this machine."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest

from reports.prometheus import to_prometheus
from reports.reading import past_run
from reports.results import Results
from simulator.cli.main import invoke
from simulator.cli.observing import Observer, Pipe
from simulator.cli.tail import Tail
from tests.cli.jobs import write_job
from tests.cli.test_run import report_in
from tests.reports.test_progress import SNAPSHOT
from tests.servers import obliging, plain_server

PATIENCE_S = 30.0
SLOW = pytest.mark.slow
PROMETHEUS = shutil.which("prometheus")
FINQA = ("finqa", "--skip-checks", "--compute-multiplier", "0.1")


class Watched:
    """A run as a process of its own, and what it says on stderr while it goes on."""

    def __init__(self, process):
        self.process, self.said = process, []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self._news:
                self.said.append(line)
                self._news.notify_all()

    def told(self, pattern):
        """Wait for a line like that; returns what its group matched."""
        with self._news:
            found = self._news.wait_for(lambda: re.search(pattern, "".join(self.said)), PATIENCE_S)
        assert found, "".join(self.said)
        return found[found.re.groups]

    def ended(self):
        out = self.process.stdout.read()
        code = self.process.wait(PATIENCE_S)
        self._reader.join()
        assert "Traceback" not in out + "".join(self.said)
        return code, out


@contextmanager
def watched(out, *arguments):
    command = [sys.executable, "-m", "simulator.cli", "run", *map(str, arguments), "--out", str(out)]
    process = subprocess.Popen(
        command,
        env={**os.environ, "FUNC_KEY": "a-functions-key"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield Watched(process)
    finally:
        process.kill()
        process.wait()
        for stream in (process.stdout, process.stderr):
            stream.close()


@contextmanager
def endless(tmp_path):
    """Yield a scenario whose rollouts go on and on, and what is set once two calls have come."""
    calls, called = [], threading.Event()

    def answer(path, body):
        calls.append(path)
        if len(calls) > 1:
            called.set()
        return obliging(path, body)

    with plain_server(answer) as url:
        write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        load = 'mode = "steady"\nin_flight = 2\nrollouts = 1000000\ntime_scale = 0.01'
        (tmp_path / "scenario.toml").write_text(f'job = "job.json"\n[load]\n{load}\n')
        yield tmp_path / "scenario.toml", called


def get(url, path=None, method="GET", **headers):
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE_S)
    connection.request(method, parts.path if path is None else path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body, answer.headers


def value_of(text, name):
    found = re.findall(rf"^rft_preflight_{name}(?:{{.*}})? (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


def begun(text):
    return text if value_of(text, "rollouts_started_total") else ""


def until(read, *, tries=200):
    for _ in range(tries):
        if found := read():
            return found
        time.sleep(0.05)
    raise AssertionError("it never came")


# -- a run from before to after


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """A run of the finqa mock with both, and what was scraped before, during and after."""
    out, got = tmp_path_factory.mktemp("watched") / "out", {}
    with watched(out, *FINQA, "--time-scale", "0.02", "--prometheus-port", "0", "--live") as run:
        url = run.told(r"metrics are at (\S+)")
        page = run.told(r"to be seen at (\S+)")
        got["type"] = get(url)[2]["content-type"]
        got["refused"] = [
            get(url, Host="evil.example")[0],
            get(url, Host="127.0.0.1.evil.example:80")[0],
            get(url, method="POST")[0],
            get(url, "/")[0],
            get(page, "/wrong-token/")[0],
            get(page, "/")[0],
            get(page, page.rstrip("/").rpartition("/")[2])[0],
            get(page, urlsplit(page).path + "../metrics")[0],
            get(page, "/metrics")[0],
            get(page, Host="evil.example")[0],
        ]
        got["during"] = until(lambda: begun(get(url)[1].decode()))
        got["page"] = get(page)
        data = urlsplit(page).path + "data"
        got["data"] = until(
            lambda: (told := get(page, f"{data}?1")) and json.loads(told[1])["moments"] and told
        )
        run.told("waiting for one more scrape")
        got["files"] = {path.name for path in out.iterdir()}
        got["over"] = get(page, data)[1]
        got["after"] = get(url)[1]
        got["code"], got["out"] = run.ended()
        with pytest.raises(OSError, match="refused"):
            get(url)
    return out, got


def test_a_scrape_meanwhile_counts_what_has_happened(seen):
    text = seen[1]["during"]
    assert seen[1]["type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert value_of(text, "running") == 1
    assert value_of(text, "rollouts_planned") == 48
    assert value_of(text, "rollouts_started_total") == 48


def test_the_last_scrape_is_the_report(seen):
    out, got = seen
    run, report = past_run(out), report_in(out)
    assert got["after"] == to_prometheus(Results(run.summary, run.verdict, run.findings))
    assert got["after"] == (out / "metrics.prom").read_bytes()
    text = got["after"].decode()
    assert value_of(text, "attempts_total") == sum(e["attempts"] for e in report["endpoints"])
    assert value_of(text, "rollouts_graded_total") == report["rollouts"]["graded"] == 48


def test_the_report_is_there_before_anybody_is_waited_for(seen):
    _, got = seen
    assert {"report.json", "metrics.prom", "rollouts.jsonl"} <= got["files"]
    assert (got["code"], "PASS" in got["out"] or "FAIL" in got["out"]) == (
        {"pass": 0, "fail": 1, "invalid": 3}[report_in(seen[0])["verdict"]],
        True,
    ) or report_in(seen[0])["verdict"] == "invalid"


def test_who_does_not_know_the_name_or_the_token_gets_nothing(seen):
    assert seen[1]["refused"] == [403, 403, 405, 404, 404, 404, 404, 404, 404, 403]


def test_the_page_is_nobodys_to_keep_and_says_who_asked_to_nobody(seen):
    for status, body, headers in (seen[1]["page"], seen[1]["data"]):
        assert (status, bool(body)) == (200, True)
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
    assert b"<title>" in seen[1]["page"][1]


def test_the_page_shows_the_run_and_then_that_it_is_over(seen):
    during, over = json.loads(seen[1]["data"][1]), json.loads(seen[1]["over"])
    assert (during["over"], over["over"]) == (False, True)
    assert "48 of 48 rollouts" not in during["moments"]
    assert "48 of 48 rollouts" in over["moments"]


@SLOW
def test_the_meters_of_two_processes_are_scraped_together(tmp_path):
    options = ["--time-scale", "0.1", "--processes", "2", "--prometheus-port", "0"]
    with watched(tmp_path / "out", *FINQA, *options) as run:
        url = run.told(r"metrics are at (\S+)")
        text = until(lambda: begun(get(url)[1].decode()))
        assert value_of(text, "running") == 1
        assert value_of(text, "rollouts_started_total") == 48
        run.told("waiting for one more scrape")
        assert get(url)[1] == (tmp_path / "out" / "metrics.prom").read_bytes()
        assert run.ended()[0] in {0, 1, 3}


# -- who dies, who leaves, who is late


@contextmanager
def stand_in(code):
    """An observer's side of things, played by a few lines of Python, and what is said of it."""
    said = []
    process = subprocess.Popen(
        [sys.executable, "-c", code], bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        yield Observer(process, "http://127.0.0.1:1/metrics", said.append), process, said
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "report.json").write_text("{}")
    return tmp_path


def test_an_observer_that_died_is_told_of_once_and_never_waited_for(folder):
    with stand_in("") as (observer, process, said):
        process.wait()
        for _ in range(3):
            observer.tell(SNAPSHOT)
        observer.over(folder, 30.0)
    assert said == ["the process that serves --prometheus-port and --live died; the run goes on without it"]


def test_a_run_tells_an_observer_that_hears_nothing_without_ever_waiting(folder):
    with stand_in("import time; time.sleep(60)") as (observer, _, said):
        began = time.monotonic()
        for _ in range(2000):
            observer.tell(SNAPSHOT)
        assert time.monotonic() - began < 1.0
    assert said == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_waiting_and_nothing_else(folder, number):
    before = signal.getsignal(number)
    with stand_in("import time; print(end='.', flush=True); time.sleep(60)") as (observer, process, said):
        timer = threading.Timer(0.1, os.kill, (os.getpid(), number))
        timer.start()
        observer.over(folder, 30.0)
        assert process.poll() is None
    assert said[0].startswith("waiting for one more scrape of http://127.0.0.1:1/metrics, 30 s at most")
    assert (len(said), signal.getsignal(number)) == (1, before)


@pytest.mark.parametrize(
    ("wait_s", "code", "said_first", "said_last"),
    [(0.0, 0, [], []), (5.0, 0, ["waiting"], []), (5.0, 1, ["waiting"], ["nobody scraped within 5 s"])],
)
def test_what_became_of_the_waiting_is_said(folder, wait_s, code, said_first, said_last):
    with stand_in(f"input(); print(end='.'); exit({code})") as (observer, _, said):
        observer.over(folder, wait_s)
    expected = [*said_first, *said_last]
    assert [line[: len(begin)] for line, begin in zip(said, expected, strict=True)] == expected


def test_without_a_report_nobody_is_waited_for(tmp_path):
    with stand_in("import time; time.sleep(60)") as (observer, _, said):
        observer.over(tmp_path, 30.0)
    assert said == []


@SLOW
def test_a_dead_observer_is_told_of_once_and_does_not_hurt_the_run(tmp_path):
    with (
        endless(tmp_path) as (scenario, called),
        watched(tmp_path / "out", scenario, "--skip-checks", "--live", "--prometheus-port", "0") as run,
    ):
        assert called.wait(PATIENCE_S)
        os.kill(observer_of(run.process.pid), signal.SIGKILL)
        run.told("(died); the run goes on")
        os.kill(run.process.pid, signal.SIGINT)
        code, _ = run.ended()
    assert (code, sum("died" in line for line in run.said)) == (130, 1)
    assert report_in(tmp_path / "out")["rollouts"]["completed"] > 0


def observer_of(pid):
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        if b"simulator.cli.observer" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("there is no observer")


@SLOW
def test_ctrl_c_ends_the_waiting_with_the_runs_own_exit_code_and_nobody_stays(tmp_path):
    with plain_server(obliging) as url:
        job = write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        options = [
            "--skip-checks",
            "--compute-multiplier",
            "0.1",
            "--time-scale",
            "0",
            "--prometheus-port",
            "0",
        ]
        with watched(tmp_path / "out", job, *options) as run:
            run.told("waiting for one more scrape")
            observer = observer_of(run.process.pid)
            os.killpg(run.process.pid, signal.SIGINT)
            code, _ = run.ended()
    assert code == 0
    with pytest.raises(ProcessLookupError):
        os.kill(observer, 0)


# -- what is refused


@pytest.mark.parametrize("option", [pytest.param("--prometheus-port", marks=SLOW), "--live-port"])
def test_a_port_that_is_taken_is_refused_before_anything_is_sent(tmp_path, monkeypatch, capsys, option):
    monkeypatch.setenv("FUNC_KEY", "a-functions-key")
    called = []

    def never(path, _body):
        called.append(path)
        return 500, {}

    with plain_server(never) as url, socket.create_server(("127.0.0.1", 0)) as taken:
        job, port = write_job(tmp_path, url), taken.getsockname()[1]
        assert invoke(["run", str(job), "--live", option, str(port), "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{option}: port {port} of 127.0.0.1 cannot be had: Address already in use" in line
    assert called == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--prometheus-port", "70000"], "--prometheus-port: must be from 0 to 65535"),
        (["--prometheus-port", "0", "--prometheus-wait", "nan"], "--prometheus-wait: must be"),
        (["--live-port", "8000"], "add --live"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, monkeypatch, capsys, options, said):
    monkeypatch.setenv("FUNC_KEY", "a-functions-key")
    job = write_job(tmp_path, "http://127.0.0.1:9")
    assert invoke(["run", str(job), *options]) == 2
    assert said in capsys.readouterr().err


# -- the pipe to a slow reader, and the end of a file that grows


def test_a_line_that_does_not_fit_is_dropped_and_no_line_is_cut():
    reader, writer = os.pipe()
    pipe, sent = Pipe(writer), [b"%05d" % n + b"x" * 30_000 + b"\n" for n in range(20)]
    began = time.monotonic()
    for line in sent:
        pipe.offer(line)
    assert time.monotonic() - began < 1.0
    os.set_blocking(reader, False)
    got = b""
    for _ in range(40):
        with suppress(BlockingIOError):
            got += os.read(reader, 100_000)
        pipe.offer(b"later\n")
    whole = got.splitlines(keepends=True)
    assert whole[:2] == sent[:2]
    assert set(whole) <= {*sent, b"later\n"}
    assert b"later\n" in whole
    os.close(reader)
    with pytest.raises(BrokenPipeError):
        pipe.offer(b"too late\n")
    os.close(writer)


def test_a_tail_gives_whole_lines_once_and_not_again_when_a_sorted_file_takes_the_place(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    tail = Tail(path)
    assert tail.read(100) == []
    path.write_bytes(b"two\non")
    assert tail.read(100) == [b"two"]
    with path.open("ab") as file:
        file.write(b"e\nthree\nfour\n")
    assert tail.read(4) == [b"one"]
    assert tail.read(100) == [b"three", b"four"]
    (tmp_path / "sorted").write_bytes(b"one\ntwo\nthree\nfour\nfive\n")
    (tmp_path / "sorted").replace(path)
    assert tail.read(100) == []


def test_a_tail_goes_on_after_what_a_full_disk_took_back(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    path.write_bytes(b"one\nhalf")
    tail = Tail(path)
    assert tail.read(100) == [b"one"]
    os.truncate(path, 4)
    assert tail.read(100) == []
    with path.open("ab") as file:
        file.write(b"two\n")
    assert tail.read(100) == [b"two"]


# -- the real one


@SLOW
@pytest.mark.skipif(not PROMETHEUS, reason="there is no Prometheus on this machine")
def test_prometheus_ends_up_with_the_numbers_of_the_report(tmp_path):
    out = tmp_path / "out"
    with watched(out, *FINQA, "--time-scale", "0.1", "--prometheus-port", "0") as run:
        target = urlsplit(run.told(r"metrics are at (\S+)")).netloc
        with prometheus(tmp_path, target) as api:
            code, _ = run.ended()
            assert code in {0, 1, 3}
            report = report_in(out)
            until(lambda: asked(api, "rft_preflight_running") == [("", 0.0)])
            by_name = dict(asked(api, "rft_preflight_attempts_total"))
            assert by_name == {e["name"]: e["attempts"] for e in report["endpoints"]}
            p99 = dict(asked(api, 'rft_preflight_service_time_quantile_seconds{quantile="0.99"}'))
            assert p99 == {e["name"]: round(e["service_ms"]["p99"] / 1000, 6) for e in report["endpoints"]}
            counts = dict(asked(api, "rft_preflight_service_time_seconds_count"))
            assert counts == by_name
            assert asked(api, "rft_preflight_score_mean") == [("", report["grader"]["scores"]["mean"])]
            ((_, rising),) = asked(api, "count_over_time(rft_preflight_running[10m])", of="{}")
            assert rising > 1, "it was scraped while it went on, too"


@contextmanager
def prometheus(tmp_path, target):
    """Run a Prometheus that scrapes the target four times a second; yields the URL of its API."""
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 250ms, scrape_timeout: 250ms}\n"
        f"scrape_configs: [{{job_name: run, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [PROMETHEUS, f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'tsdb'}",
         f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def asked(api, query, of="last_over_time({}[10m])"):
    """Each endpoint's last value; the target is gone, and what it had said is no more the present."""
    found = json.loads(get(api, f"/api/v1/query?query={quote(of.format(query))}")[1])["data"]["result"]
    return [(one["metric"].get("endpoint", ""), float(one["value"][1])) for one in found]
