"""What is called: nginx, which costs next to nothing and says always the same, or our own mock."""

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import trustme

from tests.bench.children import BenchError, child
from tests.bench.machine import TARGET_CORE, allow_many_files
from tests.bench.work import GRADER_PATH, TOOL_PATH

_STARTING_S = 10.0
_MOST_CONNECTIONS = 16_384
_ANSWER = '{"type":"function_call_output","call_id":"call_0","id":"fc_0","output":"hello from the tool"}'
_LOCATIONS = f"""
    location = {TOOL_PATH} {{ return 200 '{_ANSWER}'; }}
    location = {GRADER_PATH} {{ return 200 '{{"score":1}}'; }}
"""
_CONFIG = """
worker_processes 1;
daemon off;
pid {folder}/pid;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; multi_accept on; }}
http {{
  access_log off;
  default_type application/json;
  keepalive_requests 1000000000;
  keepalive_timeout 600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  ssl_certificate {folder}/server.pem;
  ssl_certificate_key {folder}/server.pem;
  server {{
    # The kernel cuts the backlog to net.core.somaxconn; a burst of connects beyond that waits a second.
    listen 127.0.0.1:{port} backlog=16384;
    listen 127.0.0.1:{tls_port} ssl backlog=16384;
    {locations}
  }}
}}
"""


class Target(msgspec.Struct, frozen=True):
    """A server that is up. `tls` is its HTTPS address, "" where it has none, and `ca` who vouches for it."""

    name: str
    base: str
    tls: str = ""
    ca: Path | None = None


def has_nginx() -> bool:
    """Tell whether nginx can be started."""
    return shutil.which("nginx") is not None


@contextmanager
def nginx() -> Iterator[Target]:
    """Serve fixed answers, over HTTP and HTTPS."""
    with tempfile.TemporaryDirectory() as name:
        folder, port, tls_port = Path(name), _free_port(), _free_port()
        ca = _write_certificates(folder)
        config = folder / "nginx.conf"
        files = allow_many_files()
        connections = min(_MOST_CONNECTIONS, files - 64)
        settings = {"files": files, "connections": connections, "locations": _LOCATIONS}
        config.write_text(_CONFIG.format(folder=folder, port=port, tls_port=tls_port, **settings))
        log = folder / "error.log"
        command = [shutil.which("nginx") or "nginx", "-p", name, "-c", str(config), "-e", str(log)]
        with child(command, TARGET_CORE, stderr=subprocess.DEVNULL) as process:
            _wait_until_open(port, process, log)
            yield Target("nginx", f"http://127.0.0.1:{port}", f"https://127.0.0.1:{tls_port}", ca)


@contextmanager
def mock(settings: Mapping[str, Any] | None = None) -> Iterator[Target]:
    """Serve our mock's echo domain, behaving as the settings say."""
    command = [sys.executable, "-m", "endpoints_mock", "echo", "--parent-pipe"]
    command += ["--settings", json.dumps(settings or {})]
    pipe = subprocess.PIPE
    with child(command, TARGET_CORE, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        line = process.stdout.readline()
        if not line:
            raise BenchError("the mock did not start")
        yield Target("mock", json.loads(line)["url"])


@contextmanager
def standard() -> Iterator[Target]:
    """Serve nginx where it is installed, the mock otherwise."""
    with (nginx if has_nginx() else mock)() as target:
        yield target


def mock_stats(target: Target) -> dict[str, Any]:
    """Return the mock's own account of what it served, per endpoint."""
    with urllib.request.urlopen(f"{target.base}/stats", timeout=10) as answer:  # noqa: S310 our own mock
        return json.load(answer)["endpoints"]


def _write_certificates(folder: Path) -> Path:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    return folder / "ca.pem"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTING_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    complaint = log.read_text().strip() if log.exists() else ""
    raise BenchError(f"nginx did not start: {complaint[-200:]}")
