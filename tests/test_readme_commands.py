"""Every command that the README shows can be given, in a folder that has the files it names."""

import gzip
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from simulator.cli import check, prepare
from simulator.cli.main import invoke
from tests.cli.jobs import row
from tests.job.traces import stories
from tests.servers import obliging, plain_server

ROOT = Path(__file__).parents[1]
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
LINES = [
    line.partition("  #")[0].strip()
    for language, block in BLOCKS
    if not language
    for line in block.splitlines()
]
OURS = [line for line in LINES if line.startswith("rft-preflight ")]
SLOW = re.compile(r"rft-preflight (check job|check .*no-rate|grade|mock|run)")


def test_every_line_of_the_readme_is_of_a_kind_that_is_tried():
    others = [line for line in LINES if line not in OURS]
    assert {line.split()[0] for line in others} == {"make", "export", "examples/preflight.sh"}
    assert len(OURS) >= 30


def test_what_make_is_asked_for_is_there():
    makefile = (ROOT / "Makefile").read_text()
    for line in LINES:
        if line.startswith("make "):
            assert re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE)


TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("search", "list", "cat")
]


def write_job(folder: Path, url: str) -> None:
    for name, numbers in (("train", range(12)), ("valid", range(100, 110))):
        rows = [row(n) | {"tools": TOOLS} for n in numbers]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in rows))
    reinforcement = {
        "tools": [
            {"name": tool["function"]["name"], "server_url": f"{url}/t", "headers": {"X": "${FUNC_KEY}"}}
            for tool in TOOLS
        ],
        "grader": {"type": "endpoint", "name": "grade", "url": f"{url}/grade", "pass_threshold": 0.5},
        "max_episode_steps": 10,
        "hyperparameters": {"n_epochs": 1, "batch_size": 2, "compute_multiplier": 0.1, "eval_samples": 1},
    }
    job = {
        "model": "some-model", "training_file": "train.jsonl", "validation_file": "valid.jsonl",
        "method": {"type": "reinforcement", "reinforcement": reinforcement},
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with everything that the README's commands name, and a server for its job."""
    folder = tmp_path_factory.mktemp("readme")
    with plain_server(obliging) as url, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FUNC_KEY", "a-functions-key")
        write_job(folder, url)
        (folder / "eval_step_0.json").write_text(stories.evaluation())
        (folder / "step_0.jsonl").write_text(stories.training() + "\n")
        (folder / "step_0.jsonl.gz").write_bytes(gzip.compress((stories.own() + "\n").encode()))
        run = ["run", "job.json", "--time-scale", "0", "--skip-checks", "--out", "out/monday"]
        assert invoke(run) in {0, 3}
        for name in ("tuesday", "finqa-20260101-120000"):
            shutil.copytree("out/monday", f"out/{name}")
        yield folder


@pytest.fixture(autouse=True)
def _briefly(monkeypatch):
    """Have everything take as little time as it may: what is tried here is the command line."""
    overrides = prepare._overrides
    monkeypatch.setattr(
        prepare,
        "_overrides",
        lambda options: msgspec.structs.replace(
            overrides(options),
            time_scale=0.0,
            compute_multiplier=overrides(options).compute_multiplier and 0.2,
        ),
    )
    monkeypatch.setattr(check, "LASTING_S", 0.2)


def serves(words: list[str]) -> bool:
    """Tell whether the mock comes up, on a port that is free."""
    at = words.index("--port") if "--port" in words else len(words)
    command = [*words[:at], *words[at + 2 :], "--port", "0"]
    process = subprocess.Popen([sys.executable, "-m", "simulator.cli", *command], stdout=subprocess.PIPE)
    try:
        return process.stdout.readline().startswith(b"serving ")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(
    "command",
    [pytest.param(line, marks=[pytest.mark.slow] if SLOW.match(line) else []) for line in OURS],
)
def test_a_command_of_the_readme_can_be_given(command, folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FUNC_KEY", "a-functions-key")
    words = [
        word for part in shlex.split(command)[1:] for word in sorted(map(str, Path().glob(part))) or [part]
    ]
    if words[0] == "mock":
        assert serves(words)
        return
    if words[:2] == ["run", "scenario.toml"]:
        assert invoke(["init", "job.json"]) == 0
    more = ["--prometheus-wait", "0"] if "--prometheus-port" in words else []
    assert invoke([*words, *more]) in {0, 1, 3}


@pytest.mark.slow
def test_the_gate_for_any_ci_starts_the_endpoints_and_leaves_a_report(folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    words = next(shlex.split(line) for line in LINES if line.startswith("examples/preflight.sh"))
    assert words[3] == "job.json"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    url = json.loads((tmp_path / "job.json").read_text())["method"]["reinforcement"]["tools"][0]["server_url"]
    done = subprocess.run(
        [ROOT / words[0], "sleep 60", url, *words[3:], "--time-scale", "0", "--skip-checks"],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "FUNC_KEY": "a-functions-key"},
        capture_output=True,
        check=False,
    )
    assert done.returncode in {0, 3}, done.stderr
    assert (tmp_path / "preflight" / "report.md").is_file()


def test_a_gate_whose_endpoints_do_not_come_up_says_so(tmp_path):
    done = subprocess.run(
        [ROOT / "examples/preflight.sh", "false", "http://127.0.0.1:1/", "job.json"],
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, b"did not come up" in done.stderr) == (2, True)
