"""State under the rollout's id: with calls that the scenario names, and behind several workers."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from .healthy import KEY, Answer, Healthy, parsed
from .lab import check, check_server, codes, write_job

NOTE = {
    "type": "function",
    "function": {
        "name": "note",
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]},
    },
}
NOTES = {
    "type": "function",
    "function": {"name": "notes", "parameters": {"type": "object", "properties": {}}},
}

MARKED = """
[check.state]
write = {tool = "note", arguments = {text = "remember MARK"}}
read = {tool = "notes"}
"""


class Notebook(Healthy):
    """Keeps notes: `note` writes one, `notes` reads those of the rollout."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, list[str]] = {}

    def output(self, call: dict) -> object:
        arguments = parsed(call["arguments"].encode())
        if not isinstance(arguments, dict):
            return "Error: no object"
        if call["name"] == "notes":
            return "; ".join(self.read(call["trace_id"]))
        if not isinstance(arguments.get("text"), str):
            return "Error: note needs `text`, a string"
        self.write(call["trace_id"], arguments["text"])
        return "noted"

    def tool(self, call: dict) -> Answer:
        if call["name"] not in {"note", "notes"}:
            return Answer(400, {"error": "another tool is meant"})
        with self.lock:
            if call["name"] == "note" and call["call_id"] in self.known:
                return self.known[call["call_id"]]
        answer = self.answer(call, self.output(call))
        self.known[call["call_id"]] = answer
        return answer

    def write(self, trace_id: str, text: str) -> None:
        self.kept.setdefault(trace_id, []).append(text)

    def read(self, trace_id: str) -> list[str]:
        return self.kept.get(trace_id, [])


class OneForAll(Notebook):
    def write(self, _trace_id, text):
        super().write("all", text)

    def read(self, _trace_id):
        return super().read("all")


class ByThread(Notebook):
    """As if each connection reached a worker of its own."""

    def write(self, trace_id, text):
        super().write(f"{trace_id}/{threading.get_ident()}", text)

    def read(self, trace_id):
        return super().read(f"{trace_id}/{threading.get_ident()}")


class ActsTwice(Notebook):
    def tool(self, call):
        self.known.clear()
        return super().tool(call)


class BusyNotebook(Notebook):
    """Fails reads of which more than eight come at once; what was written is there."""

    def __init__(self) -> None:
        super().__init__()
        self.reading = 0

    def tool(self, call):
        with self.lock:
            self.reading += 1
            full = self.reading > 8
        try:
            threading.Event().wait(0.05)
            return Answer(503, {"error": "full"}) if full else super().tool(call)
        finally:
            with self.lock:
                self.reading -= 1


class Forgets(Notebook):
    def write(self, trace_id, text):
        pass


@pytest.mark.parametrize(
    ("server", "found"),
    [
        (Notebook, set()),
        (OneForAll, {"state.shared", "state.not_repeatable"}),
        (ByThread, {"state.lost"}),
        (ActsTwice, {"state.acts_twice"}),
        pytest.param(BusyNotebook, {"limits.at_once"}, marks=pytest.mark.slow),
    ],
)
def test_calls_that_the_scenario_names(server, found, tmp_path):
    summary, findings = check_server(server(), tmp_path, toml=MARKED, tools=[NOTE, NOTES], agent=AGENT)
    assert codes(findings) == found
    assert summary.left_out == ()


def test_a_read_that_never_shows_what_was_written_says_nothing(tmp_path):
    summary, findings = check_server(Forgets(), tmp_path, toml=MARKED, tools=[NOTE, NOTES], agent=AGENT)
    assert findings == []
    assert any("notes does not show what note wrote" in sentence for sentence in summary.left_out)


AGENT = """
from simulator.plan.policy import ScriptedPolicy

class Agent(ScriptedPolicy):
    def play(self):
        yield self.ask("notes", tokens=1)
        return self.answer("a blue coat", tokens=1)
"""


@contextmanager
def workers(count: int) -> Iterator[str]:
    """Serve the catalogue of `memory` with uvicorn, in processes of their own."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", "tests.checks.memory:app", "--port", str(port)]
    process = subprocess.Popen(
        [*command, "--workers", str(count), "--log-level", "info"], stderr=subprocess.PIPE
    )
    try:
        ready = 0
        while ready < count:
            ready += b"Application startup complete" in process.stderr.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.parametrize(("count", "found"), [(1, set()), (2, {"state.lost"})])
def test_state_in_the_memory_of_one_worker(count, found, tmp_path, monkeypatch):
    monkeypatch.setenv("COATS_KEY", KEY)
    with workers(count) as url:
        _, findings = check(write_job(tmp_path, url))
    assert codes(findings) == found
