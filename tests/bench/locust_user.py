"""A locustfile: users who post the same body, with or without think time, and note what they feel.

    python -m locust --headless -f tests/bench/locust_user.py --host URL --users N --spawn-rate M

Settings come from the environment: BENCH_BODY and BENCH_RESULT are files, BENCH_THINK_S and BENCH_SECONDS
numbers. Counting begins when all users have been spawned and have had a second more; then the run ends by
itself and BENCH_RESULT holds the figures.
"""

import json
import os
import time
from array import array
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, constant, events, task
from locust.env import Environment

_BODY = Path(os.environ["BENCH_BODY"]).read_bytes()
_THINK_S = float(os.environ["BENCH_THINK_S"])
_SECONDS = float(os.environ["BENCH_SECONDS"])
_WARM_UP_S = 1.0
_JSON = {"content-type": "application/json"}


class Notes:
    """What the users felt while it counted; times in seconds."""

    def __init__(self) -> None:
        self.counting = False
        self.late, self.answer = array("d"), array("d")
        self.failures = 0

    def add(self, late: float | None, answer: float) -> None:
        """Note one call; `late` None where it had no moment at which it was due."""
        if self.counting:
            self.answer.append(answer)
            if late is not None:
                self.late.append(late)


notes = Notes()


class Caller(FastHttpUser):
    """Posts, and thinks."""

    wait_time = constant(_THINK_S)
    due: float | None = None

    @task
    def call(self) -> None:
        """Make one call, and remember when the next one is due."""
        sent = time.monotonic()
        answer = self.client.post("/tools/echo", data=_BODY, headers=_JSON)
        done = time.monotonic()
        notes.failures += answer.status_code != 200
        notes.add(None if self.due is None else sent - self.due, done - sent)
        self.due = done + _THINK_S


@events.init.add_listener
def prepare(environment: Environment, **_more: Any) -> None:
    """Start the clock once all users are there."""

    @environment.events.spawning_complete.add_listener
    def begin(**_more: Any) -> None:
        if not notes.answer:
            gevent.spawn(_measure, environment)


def _measure(environment: Environment) -> None:
    gevent.sleep(_WARM_UP_S)
    notes.counting = True
    began, cpu_began = time.monotonic(), time.process_time()
    gevent.sleep(_SECONDS)
    notes.counting = False
    seconds, cpu_s = time.monotonic() - began, time.process_time() - cpu_began
    calls = len(notes.answer)
    figures = {
        "calls_per_s": calls / seconds,
        **_percentiles_ms("late", notes.late),
        **_percentiles_ms("answer", notes.answer),
        "cpu_us": cpu_s / max(1, calls) * 1e6,
        "failures": notes.failures,
    }
    Path(os.environ["BENCH_RESULT"]).write_text(json.dumps(figures))
    environment.runner.quit()


def _percentiles_ms(name: str, values: array) -> dict[str, float]:
    """Return median and 99th percentile; without numpy, whose memory is not the client's to answer for."""
    ordered = sorted(values) or [0.0]
    return {f"{name}_p{p}": ordered[len(ordered) * p // 100] * 1000 for p in (50, 99)}
