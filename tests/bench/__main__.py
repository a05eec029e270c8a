"""Whole rollouts, everything on, against the mock's echo domain: client on one core, mock on another.

The numbers are this machine's, at this moment: compare the ratios of one run, not the figures of two.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import trio

from simulator.dialects.openai import OpenAI
from simulator.engine.journal import Journal
from simulator.engine.session import Setup, conduct
from simulator.measure.summary import Summary
from simulator.model import Endpoint, Grader, Hyperparameters, Item, Job, Load, ToolCall, TrainerRules
from simulator.plan.schedule import schedule
from simulator.plan.synthetic import SyntheticPolicy, SyntheticSettings
from simulator.transport.http11 import Http11

ROUNDS = 3
SECONDS = 5.0
ITEM = Item(0, "train", 1, msgspec.Raw(b'{"messages":[{"role":"user","content":"How much?"}]}'), {})
POLICY = SyntheticSettings(calls="7", parallel="1", tokens="70")
_ECHO = ("echo", '{"text":"hello"}')
CHOICES = ((_ECHO[0], _ECHO[1:]),)
CORES = sorted(os.sched_getaffinity(0))


def main() -> None:
    """Measure and print a table."""
    os.sched_setaffinity(0, {CORES[0]})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with _mock() as url:
        print(f"{'rollouts in flight':<28}{'calls/s':>10}{'CPU/call':>12}{'delay p50':>12}{'delay p99':>12}")
        for in_flight, think in ((100, 0.0), (1000, 1.0), (5000, 1.0)):
            rounds = [_measure(url, in_flight, think) for _ in range(ROUNDS)]
            name = f"{in_flight:,}, {'no think time' if not think else f'{think:g} s of think time'}"
            rate, cpu_us, p50, p99 = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(f"{name:<28}{rate:>10,.0f}{cpu_us:>9.0f} us{p50:>9.2f} ms{p99:>9.2f} ms")
        rates = [trio.run(_httpx_rate, url) for _ in range(ROUNDS)]
        print(f"{'httpx on Trio, 100 callers':<28}{statistics.median(rates):>10,.0f}")


def _measure(url: str, in_flight: int, think: float) -> tuple[float, float, float, float]:
    summary = _play(url, in_flight, think)
    calls = sum(endpoint.attempts for endpoint in summary.endpoints)
    delays = [endpoint.schedule_delay_ms for endpoint in summary.endpoints]
    cpu_us = summary.generator.cpu * summary.duration_s / calls * 1e6
    return calls / summary.duration_s, cpu_us, max(d.p50 for d in delays), max(d.p99 for d in delays)


def _play(url: str, in_flight: int, think: float) -> Summary:
    job = Job(
        tools=(Endpoint("echo", "tool", f"{url}/tools/echo"),),
        grader=Grader("endpoint", "grader", Endpoint("grader", "grader", f"{url}/grade")),
        hyperparameters=Hyperparameters(),
    )
    # 70 tokens at 70 tokens/s: a second of thinking per turn.
    load = Load(mode="steady", in_flight=in_flight, duration_s=SECONDS, time_scale=think)
    setup = Setup(
        scenario="bench",
        job=job,
        load=load,
        rules=TrainerRules(),
        dialect=OpenAI(),
        phases=schedule(job, load, (ITEM,), ()),
        policy="synthetic",
        make_policy=lambda _item, rng: SyntheticPolicy(POLICY, CHOICES, rng),
        seed=0,
        started_at="",
        run_key=str(time.monotonic_ns()),
    )
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder) / "rollouts.jsonl") as journal:
        return trio.run(conduct, setup, Http11, journal, str, lambda _: None)


async def _httpx_rate(url: str) -> float:
    done = 0
    body = OpenAI().tool_request(OpenAI().call_ids("0" * 32, 0), ToolCall(*_ECHO), "trace_0", ITEM)
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=100)
    async with httpx.AsyncClient(limits=limits) as client:

        async def caller() -> None:
            nonlocal done
            while True:
                await client.post(f"{url}/tools/echo", content=body)
                done += 1

        with trio.move_on_after(SECONDS):
            async with trio.open_nursery() as nursery:
                for _ in range(100):
                    nursery.start_soon(caller)
    return done / SECONDS


@contextmanager
def _mock() -> Iterator[str]:
    command = [sys.executable, "-m", "endpoints_mock", "echo", "--parent-pipe"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        os.sched_setaffinity(process.pid, {CORES[-1]})
        yield json.loads(process.stdout.readline())["url"]
        process.stdin.close()


if __name__ == "__main__":
    main()
