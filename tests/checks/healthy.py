"""A customer's tool and grader as they should be, in threads and with none of the program's code.

A server that misbehaves is a subclass that overrides the one thing it gets wrong.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

KEY = "key-of-the-coats"
MOST_BYTES = 950_000


class Answer(NamedTuple):
    status: int
    body: bytes | dict | list | str | float | None
    content_type: str | None = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Healthy:
    """One tool, `look_up`, that counts the calls of each rollout, and a grader with partial credit."""

    protocol_version = "HTTP/1.1"

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.counts: dict[str, int] = {}
        self.known: dict[str, Answer] = {}
        self.traces: set[str] = set()
        self.requests = 0
        self.released = threading.Event()

    def looked_at(self, what: str) -> None:
        """Hear what the check is looking at."""

    # -- the door

    def handle(self, method: str, path: str, headers: dict[str, str], raw: bytes) -> Answer:
        self.requests += 1
        if not self.admits(headers):
            return Answer(401, {"error": "who are you?"})
        if method != "POST":
            return Answer(405, {"error": "POST alone"})
        call = parsed(raw)
        if not isinstance(call, dict) or not isinstance(call.get("trace_id"), str):
            return Answer(400, {"error": "no call"})
        with self.lock:
            self.traces.add(call["trace_id"])
        return self.grade(call) if path == "/grade" else self.tool(call)

    def admits(self, headers: dict[str, str]) -> bool:
        return headers.get("authorization") == f"Bearer {KEY}"

    # -- the tool

    def tool(self, call: dict) -> Answer:
        if call.get("name") != "look_up":
            return Answer(400, {"error": "another tool is meant"})
        with self.lock:
            if call["call_id"] in self.known:
                return self.known[call["call_id"]]
        answer = self.answer(call, self.output(call))
        with self.lock:
            self.known[call["call_id"]] = answer
        return answer

    def answer(self, call: dict, output: object) -> Answer:
        body = {
            "type": "function_call_output",
            "id": call["id"],
            "call_id": call["call_id"],
            "output": output,
        }
        return Answer(200, body)

    def output(self, call: dict) -> object:
        arguments = parsed(call["arguments"].encode())
        if not isinstance(arguments, dict) or not isinstance(arguments.get("query"), str):
            return "Error: look_up needs `query`, a string"
        return self.look_up(call["trace_id"], arguments["query"])

    def look_up(self, trace_id: str, query: str) -> str:
        with self.lock:
            count = self.counts[trace_id] = self.counts.get(trace_id, 0) + 1
        return f"look-up {count}: nothing like {query[:40]}"

    # -- the grader

    def grade(self, call: dict) -> Answer:
        return Answer(200, {"score": self.score(call["sample"], call["item"], call["trace_id"])})

    def score(self, sample: dict, item: dict, trace_id: str) -> float:  # noqa: ARG002 others look at it
        given, reference = sample["output_text"].strip(), item["reference_answer"]
        if given == reference:
            return 1.0
        return 0.5 if given and reference.startswith(given) else 0.0


def parsed(text: bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


@contextmanager
def serving(endpoints: Healthy) -> Iterator[str]:
    """Serve the endpoints; yields the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = endpoints.protocol_version
        disable_nagle_algorithm = True

        def respond(self):
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = endpoints.handle(self.command, self.path, headers, raw)
            if answer is None:  # it hangs up
                self.close_connection = True
                return
            body = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
            self.send_response(answer.status)
            if answer.content_type:
                self.send_header("content-type", answer.content_type)
            self.send_header("content-length", str(len(body)))
            for name, value in answer.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET = respond  # noqa: N815 so they are called

        def log_message(self, *_):
            pass

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except ConnectionError:
                self.close_connection = True

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 256

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
