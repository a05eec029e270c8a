"""Table 5: a long run, and whether memory, files and connections stay what they are."""

import time
from contextlib import suppress
from urllib.parse import urlsplit

import msgspec
import numpy as np

from tests.bench.machine import connections_to, memory_kb, open_files
from tests.bench.options import Options
from tests.bench.ours import Ours, ours
from tests.bench.rounds import say
from tests.bench.tables import Table, count
from tests.bench.targets import standard

_IN_FLIGHT, _THINK_S = 1_000, 1.0
_SETTLING_S = 60.0
_SAY_EVERY = 60


class Sample(msgspec.Struct):
    """A moment of the run, `at` seconds after its start."""

    at: float
    memory_kb: float
    files: int
    connections: int


class Sampler:
    """Takes a sample a second, until `until_s`."""

    def __init__(self, port: int, until_s: float) -> None:
        self.samples: list[Sample] = []
        self._port, self._until_s = port, until_s
        self._began = time.monotonic()

    def watch(self, pid: int) -> None:
        """Take a sample if it is time for one."""
        at = time.monotonic() - self._began
        if at < len(self.samples) or at > self._until_s:
            return
        with suppress(OSError):  # it is just ending
            sample = Sample(at, memory_kb(pid), open_files(pid), connections_to(self._port))
            self.samples.append(sample)
            if len(self.samples) % _SAY_EVERY == 0:
                say(f"  {at:.0f} s: {sample.memory_kb:,.0f} KB, {sample.files} files")


def soak(options: Options) -> Table:
    """Keep a steady load up for `options.soak_s` seconds, and watch our process."""
    with standard() as target:
        sampler = Sampler(urlsplit(target.base).port or 0, options.soak_s)
        work = options.work(target.base, seconds=options.soak_s, callers=_IN_FLIGHT, think_s=_THINK_S)
        run = ours(work, watch=sampler.watch)
    settled = _settled(sampler.samples, options.soak_s)
    title = f"Soak: {_IN_FLIGHT:,} in flight, {_THINK_S:g} s of think time, {options.soak_s:,.0f} s"
    header = ("figure", f"after {settled[0].at:.0f} s", "at the end", "a minute")
    return Table(title, header, _rows(settled), _notes(settled, run))


def _settled(samples: list[Sample], seconds: float) -> list[Sample]:
    """Return the samples after the first minute, or after the first half of a shorter run."""
    since = min(_SETTLING_S, seconds / 2)
    return [sample for sample in samples if sample.at >= since]


def _rows(samples: list[Sample]) -> list[tuple[str, ...]]:
    names = {"memory_kb": "memory, KB", "files": "open files", "connections": "connections"}
    return [
        (name, count(values[0]), count(values[-1]), f"{_slope_a_minute(samples, values):+z,.1f}")
        for field, name in names.items()
        for values in [[getattr(sample, field) for sample in samples]]
    ]


def _slope_a_minute(samples: list[Sample], values: list[float]) -> float:
    return float(np.polyfit([sample.at for sample in samples], values, 1)[0]) * 60


def _notes(samples: list[Sample], run: Ours) -> list[str]:
    slope_kb = _slope_a_minute(samples, [sample.memory_kb for sample in samples])
    rollouts = run.report["rollouts"]["completed"]
    rollouts_a_minute = rollouts / run.report["duration_s"] * 60
    growth = slope_kb * 1024 / rollouts_a_minute
    return [
        f"{run.calls:,} calls in {rollouts:,} rollouts, {run.steady.calls_per_s:,.0f} calls/s.",
        f"Memory grows by {growth:,.0f} bytes a rollout.",
    ]
