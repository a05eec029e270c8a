"""A small HTTP server for this machine alone: a few GETs at a time, and no path that it was not told of."""

import socket
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

MOST_AT_ONCE = 16
_TIME_LIMIT_S = 5.0
_HOSTS = frozenset({"127.0.0.1", "localhost"})
_HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def _nothing() -> None:
    return None


class Page(msgspec.Struct, frozen=True):
    """What a path has to show; `served` is called once it has been sent as a whole."""

    content_type: str
    body: bytes
    served: Callable[[], None] = _nothing


Answer = Callable[[str], Page | None]
"""What is at a path, which has no query any more; None where nothing is. Threads call it at the same time."""


def serve(listener: socket.socket, answer: Answer) -> None:
    """Serve on a socket that listens on 127.0.0.1, in threads, for as long as the process lives."""
    server = _Server(listener, answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, listener: socket.socket, answer: Answer) -> None:
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket, self.answer = listener, answer
        self._slots = threading.BoundedSemaphore(MOST_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Answer in a thread of its own, or close the connection where there are too many."""
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer, and make room for another."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that left."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = _TIME_LIMIT_S
    error_message_format, error_content_type = "%(message)s\n", "text/plain; charset=utf-8"

    def do_GET(self) -> None:
        """Answer with a page."""
        if not self._is_called_by_its_name():
            self.send_error(403, "ask for 127.0.0.1 or localhost")
            return
        page = self.server.answer(self.path.partition("?")[0])
        if page is None:
            self.send_error(404, "there is nothing here")
            return
        self.send_response(200)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(page.body)))
        self.end_headers()
        self.wfile.write(page.body)
        page.served()

    def _refuse(self) -> None:
        self.send_error(405, "only GET is answered")

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815 as above

    def _is_called_by_its_name(self) -> bool:
        """Tell whether the Host header names this machine: any other is a page elsewhere, which rebinds DNS.

        Whatever the port: it may be forwarded from another one.
        """
        named = self.headers.get_all("Host", [])
        return len(named) == 1 and named[0].partition(":")[0].lower() in _HOSTS

    def version_string(self) -> str:
        """Say who answers, and no version."""
        return "rft-preflight"

    def end_headers(self) -> None:
        """Add what every answer says."""
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing of what was asked."""
