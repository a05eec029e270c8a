"""The run's side of being watched: starts the observer, tells it how far the run is, and never waits for it.

The sockets are opened here, so that a port that is taken is refused before anything is sent; the observer
inherits them. Snapshots go into a pipe that takes what it can: an observer that is slow misses some, and one
that is dead is no loss to the run.
"""

import os
import secrets
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from reports.prometheus import RunFacts
from reports.reading import JOURNAL, REPORT
from simulator.cli.observed import EXIT_NOT_SCRAPED, Begin, Message, Moment, Over, encode
from simulator.cli.prepare import Prepared, RunOptions
from simulator.errors import InputError
from simulator.measure.summary import Snapshot
from simulator.plan.schedule import arrivals

_READY_S = 15.0
_ENDING_S = 2.0
_MARGIN_S = 10.0
"""What the observer gets to read the report and to end, beside the time it may wait."""
_GLANCE_S = 0.05
_TOKEN_BYTES = 16

Say = Callable[[str], None]


class Observer:
    """The process that watches a run, seen from the run. `metrics` is what it serves to be scraped, or ""."""

    def __init__(self, process: subprocess.Popen[bytes], metrics: str, say: Say) -> None:
        assert process.stdin is not None  # noqa: S101 piped by whoever made it
        self._process, self._pipe, self._say = process, Pipe(process.stdin.fileno()), say
        self._metrics, self._is_lost = metrics, False

    def begin(self, begin: Begin) -> None:
        """Tell what is played, and wait until all is loaded that serving it takes, which costs CPU time."""
        self._send(begin, _ENDING_S)
        if not self._is_lost and not self._nodded_within(_READY_S):
            self._lose()

    def tell(self, snapshot: Snapshot) -> None:
        """Tell how far the run is, if the observer has time to hear it."""
        self._send(Moment(snapshot), 0.0)

    def over(self, folder: Path, wait_s: float) -> None:
        """Tell that the report is in the folder, and wait until that was scraped, or for `wait_s` seconds.

        SIGINT and SIGTERM end the waiting, and nothing else.
        """
        if not (folder / REPORT).is_file():
            return
        wait_s = wait_s if self._metrics else 0.0
        self._send(Over(str(folder.absolute()), wait_s), _ENDING_S)
        if self._is_lost:
            return
        with _signals_noted() as noted:
            if wait_s and self._nodded_within(_MARGIN_S, noted):
                self._say(
                    f"waiting for one more scrape of {self._metrics}, {wait_s:g} s at most, so that the last"
                    " numbers scraped are the report's; Ctrl-C ends the waiting"
                )
            if self._ended_within(wait_s + _MARGIN_S, noted) == EXIT_NOT_SCRAPED:
                self._say(f"nobody scraped within {wait_s:g} s: see metrics.prom")

    def _nodded_within(self, seconds: float, noted: Sequence[int] = ()) -> bool:
        """Wait for a sign that the observer is ready for what comes next; tells whether it gave one."""
        assert self._process.stdout is not None  # noqa: S101 as above
        until = time.monotonic() + seconds
        while not noted and time.monotonic() < until:
            if select.select([self._process.stdout], [], [], _GLANCE_S)[0]:
                return bool(self._process.stdout.read(1))
        return False

    def _ended_within(self, seconds: float, noted: Sequence[int]) -> int | None:
        until = time.monotonic() + seconds
        while not noted and time.monotonic() < until:
            with suppress(subprocess.TimeoutExpired):
                return self._process.wait(_GLANCE_S)
        return None

    def _send(self, message: Message, limit_s: float) -> None:
        if self._is_lost:
            return
        try:
            self._pipe.offer(encode(message) + b"\n", limit_s)
        except OSError:
            self._lose()

    def _lose(self) -> None:
        self._is_lost = True
        self._say("the process that serves --prometheus-port and --live died; the run goes on without it")


class Pipe:
    """Lines for a reader that may be slow: one that does not fit while it is busy with others is dropped."""

    def __init__(self, fd: int) -> None:
        os.set_blocking(fd, False)
        self._fd, self._rest = fd, b""

    def offer(self, line: bytes, limit_s: float = 0.0) -> None:
        """Write a line, as a whole or not at all; wait for room for `limit_s`. OSError without a reader."""
        until = time.monotonic() + limit_s
        while self._rest and self._written_before(until):
            pass
        if not self._rest:
            self._rest = line
            while self._rest and self._written_before(until):
                pass
            if len(self._rest) == len(line):
                self._rest = b""

    def _written_before(self, until: float) -> bool:
        """Write what is left of a line; tells whether to go on with it."""
        with suppress(BlockingIOError):
            self._rest = self._rest[os.write(self._fd, self._rest) :]
            return True
        left_s = until - time.monotonic()
        return left_s > 0 and bool(select.select([], [self._fd], [], left_s)[1])


@contextmanager
def observing(prepared: Prepared, options: RunOptions, say: Say) -> Iterator[Observer | None]:
    """Start what the options ask for, and end it; None where they ask for nothing.

    InputError where a port cannot be had.
    """
    if not prepared.setup.observed:
        yield None
        return
    token, wanted = secrets.token_urlsafe(_TOKEN_BYTES), {}
    with ExitStack() as stack:
        if options.prometheus_port is not None:
            wanted["metrics"] = stack.enter_context(_listener(options.prometheus_port, "--prometheus-port"))
        if options.live:
            wanted["live"] = stack.enter_context(_listener(options.live_port, "--live-port"))
        at = {name: f"http://127.0.0.1:{sock.getsockname()[1]}" for name, sock in wanted.items()}
        process = stack.enter_context(_process([sock.fileno() for sock in wanted.values()]))
        observer = Observer(process, f"{at['metrics']}/metrics" if "metrics" in at else "", say)
        fds = {name: sock.fileno() for name, sock in wanted.items()}
        observer.begin(Begin(_facts(prepared), fds.get("metrics"), fds.get("live"), token,
                             str((prepared.out / JOURNAL).absolute())))  # fmt: skip
        for sock in wanted.values():
            sock.close()  # the observer has its own, and where it died nobody is to wait for an answer
        if "metrics" in at:
            say(f"metrics are at {at['metrics']}/metrics")
        if "live" in at:
            say(f"the run is to be seen at {at['live']}/{token}/")
        yield observer


def _listener(port: int, option: str) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError as error:
        message = f"port {port} of 127.0.0.1 cannot be had: {os.strerror(error.errno or 0)}"
        raise InputError(message, where=option, remedy="choose another, or 0 for any that is free") from None


@contextmanager
def _process(fds: list[int]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the observer, in a process group of its own, where no Ctrl-C comes.

    Not in a session of its own: Linux may give each session the same share of a core, however nice it is.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "simulator.cli.observer"],
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        pass_fds=fds,
        process_group=0,
    )
    try:
        yield process
    finally:
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                stream.close()
        try:
            process.wait(_ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _facts(prepared: Prepared) -> RunFacts:
    setup = prepared.setup
    filled = arrivals(setup.load, setup.job.hyperparameters)
    return RunFacts(
        setup.scenario,
        setup.seed,
        setup.policy,
        setup.load.mode,
        filled.compute_multiplier,
        setup.started_at,
    )


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """Give a list that gets the signals which would end the process."""
    noted: list[int] = []
    both = (signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.signal(number, lambda got, _: noted.append(got)) for number in both}
    try:
        yield noted
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
