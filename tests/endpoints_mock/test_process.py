"""The mock as a process of its own: how it starts, and that it always ends."""

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

ENDS_WITHIN_S = 20


@contextmanager
def mock(*arguments, **environment):
    with subprocess.Popen(
        [sys.executable, "-m", "endpoints_mock", *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | environment,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


def ended(process):
    out, err = process.communicate(timeout=ENDS_WITHIN_S)
    return process.returncode, out, err


def test_it_says_where_it_is_asks_for_the_token_and_ends_with_its_parent():
    with mock("echo", "--parent-pipe", MOCK_TOKEN="s3cret") as process:
        url = json.loads(process.stdout.readline())["url"]
        assert url.startswith("http://127.0.0.1:")
        assert httpx.get(f"{url}/stats").status_code == 401
        answer = httpx.get(f"{url}/stats", headers={"authorization": "Bearer s3cret"})
        assert answer.json()["domain"] == "echo"
        assert ended(process) == (0, "", "")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_quietly(signum):
    with mock("echo") as process:
        process.stdout.readline()
        process.send_signal(signum)
        assert ended(process) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--settings", "{"], "settings: "),
        (["--settings", '{"token":"s3cret"}'], "pass it in MOCK_TOKEN"),
        (["--settings", '{"endpoints":{"serach":{}}}'], "echo has no endpoint `serach`"),
        (["--port", "99999"], "there is no port 99999"),
    ],
)
def test_unusable_settings_end_it_with_one_line(arguments, message):
    with mock("echo", *arguments) as process:
        code, out, err = ended(process)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert "s3cret" not in err
