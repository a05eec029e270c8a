"""Child processes that are pinned, bounded in time, and never outlive the bench."""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.machine import CLIENT_CORE, peak_memory_mb, pinned

ROOT = Path(__file__).parents[2]
"""The folder every child is started in, so that `python -m` finds our packages."""

_LOOK_EVERY_S = 0.02
_ENDING_S = 3.0


class BenchError(Exception):
    """A client or target that could not do its part; the message is one line for the table's reader."""


class MissingError(BenchError):
    """A program that is not installed: no mistake, and no use to try again."""


class Ended(msgspec.Struct):
    """A child that ended by itself: what it printed, and the most memory it held, in MB."""

    code: int
    stdout: str
    stderr: str
    peak_mb: float


@contextmanager
def child(
    command: Sequence[str], core: int, environ: Mapping[str, str] | None = None, **streams: Any
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command on one core while the body runs; then end it and whatever it started."""
    variables = {**os.environ, **(environ or {})}
    with pinned(core):
        # A process group of its own: Ctrl-C reaches only us, and we can end the child's children too.
        process = subprocess.Popen(command, cwd=ROOT, env=variables, process_group=0, **streams)
    try:
        yield process
    finally:
        _end(process)


def run(
    command: Sequence[str],
    limit_s: float,
    environ: Mapping[str, str] | None = None,
    watch: Callable[[int], None] = lambda _pid: None,
) -> Ended:
    """Run a client on its core until it ends; BenchError when that takes longer than `limit_s` seconds.

    `watch` is called with the process id fifty times a second.
    """
    peak_mb, deadline = 0.0, time.monotonic() + limit_s
    with (
        # Files, not pipes: nobody reads while the client runs, and a full pipe would stop it.
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        child(command, CLIENT_CORE, environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err) as process,
    ):
        while process.poll() is None:
            if time.monotonic() > deadline:
                raise BenchError(f"did not end within {limit_s:.0f} s")
            peak_mb = peak_memory_mb(process.pid) or peak_mb  # of those who are there under load
            watch(process.pid)
            time.sleep(_LOOK_EVERY_S)
        return Ended(process.returncode, _text(out), _text(err), peak_mb)


def run_well(command: Sequence[str], limit_s: float, environ: Mapping[str, str] | None = None) -> Ended:
    """Run a client as `run` does; BenchError, with its last word, when its exit code is not 0."""
    ended = run(command, limit_s, environ)
    if ended.code != 0:
        raise BenchError(f"exit code {ended.code}: {last_line(ended.stderr or ended.stdout)}")
    return ended


def last_line(text: str) -> str:
    """Return the last line that says something, cut to what fits a table's note."""
    lines = text.strip().splitlines()
    return lines[-1].strip()[:200] if lines else "no word"


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(_ENDING_S)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _text(file: Any) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")
