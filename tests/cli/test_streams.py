"""The exit code is the verdict's, whatever becomes of those who read along."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.jobs import write_job
from tests.servers import obliging, plain_server


@pytest.fixture
def command(tmp_path):
    """Yield a command line of a run that passes."""
    with plain_server(obliging) as url:
        job = write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        yield [
            *(
                sys.executable,
                "-m",
                "simulator.cli",
                "run",
                "--skip-checks",
                str(job),
                "--out",
                str(tmp_path / "out"),
            ),
            *("--compute-multiplier", "0.1", "--time-scale", "0"),
        ]


def environ(**more):
    return {**os.environ, "FUNC_KEY": "a-functions-key", **more}


def verdict_in(tmp_path):
    return json.loads((tmp_path / "out" / "report.json").read_text())["verdict"]


@pytest.mark.parametrize("stream", ["stdout", pytest.param("stderr", marks=pytest.mark.slow)])
def test_a_reader_who_has_left(command, tmp_path, stream):
    read, write = os.pipe()
    os.close(read)
    streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: write}
    assert subprocess.run(command, env=environ(), check=False, **streams).returncode == 0
    os.close(write)
    assert verdict_in(tmp_path) == "pass"


@pytest.mark.parametrize("stream", ["stdout", pytest.param("stderr", marks=pytest.mark.slow)])
def test_a_stream_that_takes_nothing(command, tmp_path, stream):
    with Path("/dev/full").open("w") as full:
        streams = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, stream: full}
        assert subprocess.run(command, env=environ(), check=False, **streams).returncode == 0
    assert verdict_in(tmp_path) == "pass"


@pytest.mark.slow
def test_a_stream_that_is_closed(command, tmp_path):
    shell = ["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *command]
    assert subprocess.run(shell, env=environ(), check=False).returncode == 0
    assert verdict_in(tmp_path) == "pass"


@pytest.mark.slow
def test_a_terminal_that_knows_ascii_only(command, tmp_path):
    narrow = environ(LC_ALL="C", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    ran = subprocess.run(command, env=narrow, check=False, capture_output=True)
    assert (ran.returncode, b"Traceback" in ran.stderr) == (0, False)
    assert b"PASS" in ran.stdout
