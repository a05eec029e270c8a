"""The other clients: how each is called, and how its figures are read."""

import importlib.util
import json
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.children import BenchError, MissingError, run, run_well
from tests.bench.felt import Felt
from tests.bench.work import Work

_HERE = Path(__file__).parent
_MARGIN_S = 60.0
_LOCUST_SPAWNING_S = 5.0
_LOCUST_SPAWN_RATE = 100
_GO_ON_ONE_CORE = {"GOMAXPROCS": "1"}  # or its threads would fight over the one they are pinned to
_HEY_FAILED = r"\[(?!200)\d+\]\s+\d+ responses|Error distribution"
_LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = [==[{body}]==]
done = function(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format("calls_per_s %f failures %d\\n", summary.requests / summary.duration * 1e6, failed))
end
"""


def wrk(work: Work) -> float:
    """Return wrk's calls per second."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(_LUA.format(body=work.body.read_text()))
        command = [_program("wrk"), "-t1", f"-c{work.callers}", f"-d{work.seconds:.0f}s", "-s", str(script)]
        ended = run_well([*command, work.url], work.seconds + _MARGIN_S)
    return _read(ended.stdout, r"calls_per_s ([\d.]+)", r"failures ([1-9]\d*)")


def hey(work: Work) -> float:
    """Return hey's calls per second."""
    command = [_program("hey"), "-z", f"{work.seconds:.0f}s", "-c", str(work.callers), "-m", "POST"]
    command += ["-T", "application/json", "-D", str(work.body), work.url]
    ended = run_well(command, work.seconds + _MARGIN_S, _GO_ON_ONE_CORE)
    return _read(
        ended.stdout, r"Requests/sec:\s+([\d.]+)", r"\[(?!200)(\d+)\]\s+\d+ responses|Error distribution"
    )


def callers(client: str, needs: Sequence[str], work: Work) -> float:
    """Return the calls per second of a Python client that `callers` knows; `needs` are the packages."""
    for package in needs:
        if importlib.util.find_spec(package) is None:
            raise MissingError("not installed")
    arguments = [client, work.url, str(work.body), str(work.callers), str(work.seconds)]
    ended = run_well([sys.executable, "-m", "tests.bench.callers", *arguments], work.seconds + _MARGIN_S)
    return float(ended.stdout)


def locust(work: Work) -> Felt:
    """Return what Locust's users feel, FastHttpUsers all of them."""
    if importlib.util.find_spec("locust") is None:
        raise MissingError("not installed")
    rate = max(_LOCUST_SPAWN_RATE, int(work.callers / _LOCUST_SPAWNING_S))
    command = [sys.executable, "-m", "locust", "-f", str(_HERE / "locust_user.py"), "--headless"]
    command += ["--host", work.base, "--users", str(work.callers), "--spawn-rate", str(rate)]
    settings = {"BENCH_BODY": work.body, "BENCH_THINK_S": work.think_s, "BENCH_SECONDS": work.seconds}
    return _felt(command, "BENCH_RESULT", settings, work)


def k6(work: Work) -> Felt:
    """Return what k6's virtual users feel."""
    command = [_program("k6"), "run", "--quiet", "--no-usage-report", str(_HERE / "k6_user.js")]
    settings = {"URL": work.url, "BODY": work.body, "USERS": work.callers, "THINK_S": work.think_s}
    settings |= {"SECONDS": work.seconds} | _GO_ON_ONE_CORE
    return _felt(command, "RESULT", settings, work)


def _felt(command: Sequence[str], result_name: str, settings: Mapping[str, object], work: Work) -> Felt:
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        environ = {name: str(value) for name, value in settings.items()} | {result_name: str(result)}
        ended = run(command, work.seconds + 2 * _MARGIN_S, environ)
        if not result.exists():
            raise BenchError(f"exit code {ended.code}, and no figures")
        figures = json.loads(result.read_text())
    if failures := figures.pop("failures"):
        raise BenchError(f"{failures:.0f} calls failed")
    return Felt(**figures, peak_mb=ended.peak_mb)


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise MissingError("not installed")
    return path


def _read(text: str, rate: str, failed: str) -> float:
    if found := re.search(failed, text):
        raise BenchError(f"calls failed: {found[0]}")
    found = re.search(rate, text)
    if found is None:
        raise BenchError("its output has no rate")
    return float(found[1])
