"""Our own command as a user runs it: a scenario in a folder, everything on, and the reports it writes."""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from tests.bench.children import BenchError, last_line, run
from tests.bench.felt import Felt, percentiles
from tests.bench.machine import cpu_s, open_files
from tests.bench.work import Work, write_job

CALLS_PER_ROLLOUT = 8
"""Seven of the tool and one of the grader."""

_RAMP_S = 5.0  # as long as Locust's users take to be spawned
_FILES_OF_ITS_OWN = 12
_FINE = {0, 1, 3}  # passed, failed, untrustworthy: the bench judges for itself
_SCENARIO = """
job = "job.json"
gates = []
policy = "bench"

[load]
{load}
{ramp}
duration_s = {seconds}
time_scale = {time_scale}
tokens_per_s = 100

[policies.bench]
kind = "synthetic"
calls = "{calls}"
parallel = "1"
# Half a second more or less: rollouts that begin together must not go on in step.
tokens = "uniform:50:150"
"""


class Ours(msgspec.Struct):
    """What a run of ours came to: `report` is report.json, `steady` what its calls met once all had begun."""

    report: dict[str, Any]
    steady: Felt
    calls: int
    calls_per_s: float


class _CpuMeter:
    """Reads the CPU time of a process while it runs, from its first connections on."""

    def __init__(self, watch: Callable[[int], None]) -> None:
        self._watch = watch
        self._readings: list[tuple[float, float]] = []  # seconds of the clock, and of the CPU

    def __call__(self, pid: int) -> None:
        self._watch(pid)
        with suppress(OSError):  # it is just ending
            if self._readings or open_files(pid) > _FILES_OF_ITS_OWN:
                self._readings.append((time.monotonic(), cpu_s(pid)))

    def share(self, since_s: float, until_s: float) -> float:
        """Return how much of a core it used between two moments, in seconds after its first connections."""
        began = self._readings[0][0]
        inside = [(at, cpu) for at, cpu in self._readings if since_s <= at - began <= until_s]
        (first_at, first_cpu), (last_at, last_cpu) = inside[0], inside[-1]
        return (last_cpu - first_cpu) / (last_at - first_at)


class _AttemptLine(msgspec.Struct):
    due_ms: float
    sent_ms: float
    done_ms: float


class _CallLine(msgspec.Struct):
    attempts: list[_AttemptLine]


class _RolloutLine(msgspec.Struct):
    turns: list[list[_CallLine]]


def ours(
    work: Work, *, rollouts_per_s: float | None = None, watch: Callable[[int], None] = lambda _pid: None
) -> Ours:
    """Run the command with `work.callers` rollouts in flight, or so many a second, and read its reports.

    `watch` is called with the process id while it runs. BenchError when there is no report.
    """
    load = f'mode = "steady"\nin_flight = {work.callers}'
    if rollouts_per_s is not None:
        load = f'mode = "rate"\nrollouts_per_s = {rollouts_per_s:.3f}'
    # What is counted begins after the ramp; without think time all begin at once.
    ramp_s = _RAMP_S if work.think_s else 0.0
    ramp = "" if work.think_s or rollouts_per_s is not None else "ramp_s = 0.0"
    seconds = ramp_s + work.seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_job(folder, work.base)
        calls = CALLS_PER_ROLLOUT - 1
        scenario = folder / "bench.toml"
        scenario.write_text(
            _SCENARIO.format(load=load, ramp=ramp, seconds=seconds, time_scale=work.think_s, calls=calls)
        )
        command = [sys.executable, "-m", "simulator.cli", "run", "--skip-checks", str(scenario)]
        command += ["--out", str(folder / "out")]
        environ = {"SSL_CERT_FILE": str(work.ca)} if work.ca else {}
        limit_s = 4 * seconds + 20 * CALLS_PER_ROLLOUT * work.think_s + 60
        meter = _CpuMeter(watch)
        ended = run(command, limit_s, environ, meter)
        if ended.code not in _FINE:
            raise BenchError(f"exit code {ended.code}: {last_line(ended.stderr)}")
        return _read(folder / "out", ramp_s, seconds, ended.peak_mb, meter)


def _read(out: Path, ramp_s: float, seconds: float, peak_mb: float, meter: _CpuMeter) -> Ours:
    report = msgspec.json.decode((out / "report.json").read_bytes())
    if report["tools"]["faults"] or report["rollouts"]["discarded"]:
        raise BenchError(f"calls failed: {report['tools']['faults']}")
    calls = sum(endpoint["attempts"] for endpoint in report["endpoints"])
    late, answer = _tool_times_ms(out / "rollouts.jsonl", ramp_s, seconds)
    # Rollouts that are on their way when the time is up still end: those seconds are not at full load.
    done = [sum(second) for second in zip(*report["series"]["done"].values(), strict=True)]
    full = done[int(ramp_s) : int(seconds)]
    read_delay_p99 = report["tools"].get("read_delay_ms", {}).get("p99")
    times = (*percentiles(late), *percentiles(answer))
    calls_per_s = sum(full) / max(1, len(full))
    cpu_us = meter.share(ramp_s, seconds) / calls_per_s * 1e6
    steady = Felt(calls_per_s, *times, peak_mb, cpu_us, read_delay_p99)
    return Ours(report, steady, calls, calls / report["duration_s"])


def _tool_times_ms(journal: Path, since_s: float, until_s: float) -> tuple[list[float], list[float]]:
    """Return how late each tool call left and how long its answer took, of those due in the time given."""
    decode = msgspec.json.Decoder(_RolloutLine).decode
    late, answer = [], []
    with journal.open("rb") as lines:
        for line in lines:
            for attempt in (a for turn in decode(line).turns for call in turn for a in call.attempts):
                if since_s * 1000 <= attempt.due_ms < until_s * 1000:
                    late.append(attempt.sent_ms - attempt.due_ms)
                    answer.append(attempt.done_ms - attempt.sent_ms)
    return late, answer
