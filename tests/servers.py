"""Servers that share no code with the program: independent witnesses of what it sends."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import uvicorn
from fastapi import FastAPI, Header, HTTPException, Request

Answer = Callable[[str, dict], tuple[int, dict]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


@contextmanager
def plain_server(answer: Answer) -> Iterator[str]:
    """Serve `answer(path, body) -> (status, body)` in threads; yields the base URL."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            status, answered = answer(self.path, body)
            data = json.dumps(answered).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

        def handle_one_request(self):
            try:
                super().handle_one_request()
            except ConnectionError:  # a client that was killed
                self.close_connection = True

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def obliging(path: str, body: dict) -> tuple[int, dict]:
    """Answer every tool call with its own arguments, and every grader call with 1."""
    if path == "/grade":
        return 200, {"score": 1.0}
    return 200, {
        "type": "function_call_output",
        "id": body["id"],
        "call_id": body["call_id"],
        "output": body["arguments"],
    }


class Catalog:
    """A catalogue search and its grader as a customer would write them with FastAPI; `seen` came in."""

    def __init__(self, key: str) -> None:
        self.seen: dict[str, list[str]] = {}
        self.app = FastAPI()

        @self.app.post("/tool/search_catalog")
        async def search_catalog(request: Request, x_functions_key: str = Header()) -> dict:
            if x_functions_key != key:
                raise HTTPException(401)
            call = await request.json()
            assert call["type"] == "function_call"
            assert call["name"] == "search_catalog"
            assert set(call) == {"type", "id", "call_id", "name", "arguments", "trace_id", "item"}
            query = json.loads(call["arguments"])["query"]
            assert call["item"]["messages"][-1]["role"] == "user"
            self.seen.setdefault(call["trace_id"], []).append(call["call_id"])
            return {
                "type": "function_call_output",
                "id": call["id"],
                "call_id": call["call_id"],
                "output": json.dumps([{"sku": "COAT-1", "name": query}]),
            }

        @self.app.post("/score")
        async def score(request: Request) -> dict:
            sample = await request.json()
            assert set(sample) == {"sample", "item", "trace_id"}
            called = [call["id"] for call in sample["sample"]["output_tools"]]
            assert sorted(called) == sorted(self.seen[sample["trace_id"]])  # calls of a turn race
            return {"score": float(sample["sample"]["output_text"] == sample["item"]["reference_answer"])}


@contextmanager
def uvicorn_server(app: FastAPI) -> Iterator[str]:
    """Serve an application with uvicorn in a thread; yields the base URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listener:
        # The socket listens before uvicorn runs, so early callers wait in its queue instead of being refused.
        # Its own configuration of logging would close all handlers, and with absl's the captured stderr.
        config = uvicorn.Config(app, log_level="error", log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
