"""Endpoints that a bundled scenario brings along, in a process of their own for the time of a run."""

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import msgspec

from simulator.errors import PreflightError
from simulator.job.scenario import embedded_endpoints
from simulator.job.scenariofile import EmbeddedEndpoints

_END_TIME_LIMIT_S = 5.0


class Embedded(msgspec.Struct, frozen=True):
    """Endpoints that will listen at `environ`'s URL once `serving` is entered."""

    config: EmbeddedEndpoints
    port: int
    environ: dict[str, str]

    @contextmanager
    def serving(self) -> Iterator[None]:
        """Run the endpoints; PreflightError when they do not come up.

        The process has a session of its own, so that Ctrl-C leaves it to serve the rollouts still in flight,
        and it ends when its standard input does, so that it cannot outlive us.
        """
        command = [sys.executable, "-P", "-m", "endpoints_mock", self.config.mock, "--port", str(self.port)]
        command += ["--settings", json.dumps(self.config.settings), "--parent-pipe"]
        process = subprocess.Popen(  # noqa: S603 our own module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "MOCK_TOKEN": self.environ[self.config.token]},
        )
        assert process.stdin is not None  # noqa: S101 piped above
        assert process.stdout is not None  # noqa: S101 piped above
        try:
            if not process.stdout.readline():
                raise PreflightError(f"the endpoints of scenario `{self.config.mock}` did not come up")
            yield
        finally:
            process.stdin.close()
            try:
                process.wait(_END_TIME_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


def embed(target: str, environ: Mapping[str, str]) -> Embedded | None:
    """Return the endpoints to start; None when `target` brings none, or the environment names others."""
    config = embedded_endpoints(target)
    if config is None or config.url in environ:
        return None
    port = _free_port()
    ours = {config.url: f"http://127.0.0.1:{port}", config.token: secrets.token_hex(16)}
    return Embedded(config, port, ours)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port
