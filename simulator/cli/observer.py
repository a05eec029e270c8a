"""Watches a run from a process of its own, so that being watched costs the run next to nothing.

It hears of the run on its standard input, in the messages of `cli.observed`, serves what it hears on this
machine alone, and ends when its standard input does. The run never waits for it.
"""

import hmac
import os
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from reports.exposition import CONTENT_TYPE
from reports.prometheus import RunFacts, to_prometheus, to_prometheus_meanwhile
from reports.reading import PastRun, past_run
from reports.results import Results
from simulator.cli.loopback import Page, serve
from simulator.cli.observed import EXIT_NOT_SCRAPED, Begin, Message, Moment, Over, decode
from simulator.cli.tail import Tail
from simulator.errors import InputError
from simulator.measure.lines import RolloutLine
from simulator.measure.metering import meters_of
from simulator.measure.summary import Snapshot, Summary

_NICE = 19  # whatever else wants the core goes first, the run above all
_LOOK_EVERY_S = 1.0
_MOST_BYTES = 1_000_000
"""Of `rollouts.jsonl` in a look: what the page's process may have to do in a second."""
_CATCHING_UP_S = 3.0
_GLANCE_S = 0.02
_LAST_LOOK_S = 5.0
"""How long a page that somebody looks at has to ask for the end of the run."""


class Metrics:
    """What `/metrics` shows."""

    def __init__(self, facts: RunFacts) -> None:
        self._facts, self._final = facts, b""
        self.snapshot: Snapshot | None = None
        self.scraped = threading.Event()

    def answer(self, path: str) -> Page | None:
        """Return the numbers as they are now."""
        if path != "/metrics":
            return None
        if self._final:
            return Page(CONTENT_TYPE, self._final, self.scraped.set)
        return Page(CONTENT_TYPE, to_prometheus_meanwhile(self._facts, self.snapshot))

    def end(self, run: PastRun) -> None:
        """Show the numbers of the report from now on."""
        self._final = to_prometheus(Results(run.summary, run.verdict, run.findings))


class Live:
    """The live page under its token, and the data that it asks for."""

    def __init__(self, token: str, journal: Path) -> None:
        from simulator.cli.live_page import LivePage  # noqa: PLC0415 who only scrapes needs no page

        self._token, self._tail = token.encode(), Tail(journal)
        self._page, self._one_at_a_time = LivePage(), threading.Lock()
        self._is_over, self._asked_at = False, -_LAST_LOOK_S
        self.told = threading.Event()

    def answer(self, path: str) -> Page | None:
        """Return the page or its data."""
        token, slash, rest = path.removeprefix("/").partition("/")
        if not (hmac.compare_digest(token.encode("utf-8", "replace"), self._token) and slash):
            return None
        with self._one_at_a_time:
            self._asked_at = time.monotonic()
            if rest == "":
                return Page("text/html; charset=utf-8", self._page.page())
            if rest == "data":
                told = self.told.set if self._is_over else (lambda: None)
                return Page("application/json", self._page.data(), told)
        return None

    def look(self, snapshot: Snapshot) -> bool:
        """Show what is new; tells whether rollouts were."""
        lines = self._tail.read(_MOST_BYTES)
        with self._one_at_a_time:
            self._page.update(snapshot, rollouts_in(lines))
        return bool(lines)

    def end(self) -> None:
        """Show that the run is over."""
        with self._one_at_a_time:
            self._page.end()
            self._is_over = True
            if time.monotonic() - self._asked_at > _LAST_LOOK_S:
                self.told.set()  # nobody looks


def rollouts_in(lines: Iterable[bytes]) -> list[RolloutLine]:
    """Return the rollouts of whole lines; those of a process that died while it wrote are left out."""
    rollouts = []
    for line in lines:
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            rollouts.append(_decode_rollout(line))
    return rollouts


_decode_rollout = msgspec.json.Decoder(RolloutLine).decode


class Ear:
    """Hears what the run tells, in a thread of its own; `news` is set once it is over or its process gone."""

    def __init__(self) -> None:
        self.snapshot: Snapshot | None = None
        self.over: Over | None = None
        self.news, self.alone = threading.Event(), threading.Event()

    def listen(self, lines: Iterable[bytes], metrics: Metrics) -> None:
        """Take note of all that comes until the run's process has no more to say."""
        try:
            for line in lines:
                message: Message = decode(line)
                if isinstance(message, Moment):
                    self.snapshot = metrics.snapshot = message.snapshot
                elif isinstance(message, Over):
                    self.over = message
                    self.news.set()
        finally:
            self.alone.set()
            self.news.set()


def observe(begin: Begin, lines: Iterable[bytes]) -> int:
    """Serve what is heard until the run is over and somebody has seen so; return the exit code."""
    metrics, live, ear = Metrics(begin.facts), None, Ear()
    if begin.metrics is not None:
        serve(socket.socket(fileno=begin.metrics), metrics.answer)
    if begin.live is not None:
        live = Live(begin.token, Path(begin.journal))
        serve(socket.socket(fileno=begin.live), live.answer)
    nod()
    threading.Thread(target=ear.listen, args=(lines, metrics), daemon=True).start()
    while not ear.news.wait(_LOOK_EVERY_S):
        if live is not None and ear.snapshot is not None:
            live.look(ear.snapshot)
    return 0 if ear.over is None else _end(ear.over, ear, metrics, live)


def _end(over: Over, ear: Ear, metrics: Metrics, live: Live | None) -> int:
    try:
        run = past_run(Path(over.folder))
    except InputError:
        return EXIT_NOT_SCRAPED
    waits: list[tuple[threading.Event, float]] = []
    if live is not None:
        if ear.snapshot is not None:
            _catch_up(live, last_moment(ear.snapshot, run.summary))
        live.end()
        waits.append((live.told, time.monotonic() + _LAST_LOOK_S))
    metrics.end(run)
    waits.append((metrics.scraped, time.monotonic() + over.wait_s))
    nod()
    for event, until in waits:
        while not event.is_set() and time.monotonic() < until and not ear.alone.is_set():
            event.wait(_GLANCE_S)
    return 0 if metrics.scraped.is_set() or not over.wait_s else EXIT_NOT_SCRAPED


def _catch_up(live: Live, snapshot: Snapshot) -> None:
    until = time.monotonic() + _CATCHING_UP_S
    while live.look(snapshot) and time.monotonic() < until:
        pass


def last_moment(snapshot: Snapshot, summary: Summary) -> Snapshot:
    """Return how far the run was at its very end, which comes after the last snapshot that was taken."""
    faults: Counter[str] = Counter()
    for endpoint in summary.endpoints:
        faults.update(endpoint.faults)
    return msgspec.structs.replace(
        snapshot,
        elapsed_s=summary.duration_s,
        ended=summary.steps[-1].rollouts if summary.steps else 0,
        discarded=summary.rollouts.discarded,
        in_flight=0,
        calls_per_s=0.0,
        faults=dict(faults),
        left_s=None,
        meters=meters_of(summary),
    )


def main() -> int:
    """Be the observer; the run has to say first what is played."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is meant for the run
    with suppress(OSError):
        os.nice(_NICE)
    lines = sys.stdin.buffer
    begin = decode(lines.readline())
    if not isinstance(begin, Begin):
        return 2
    return observe(begin, lines)


def nod() -> None:
    """Tell the run that all is ready for what comes next."""
    os.write(sys.stdout.fileno(), b".")


if __name__ == "__main__":
    code = main()
    sys.stdout.close()
    os._exit(code)  # threads that still wait for a client must not hold it up
