"""What `check` does, and `run` before it plays: lint the files, probe the endpoints, collect the findings."""

import signal
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
import trio

from reports.findings import verdict_of, worst_first
from simulator.checks.conduct import Orders, check_endpoints
from simulator.checks.study import Watch
from simulator.dialects.openai import OpenAI
from simulator.job.lint import lint
from simulator.job.scenario import Scenario
from simulator.measure.checked import CheckSummary
from simulator.model import Finding
from simulator.redaction import redactor

PROBES = "a few hundred calls, up to two dozen at the same time"
"""What a check sends, in the words of who is asked to agree."""


class Examined(msgspec.Struct, frozen=True):
    """What came of a check; the findings are ordered, the worst first."""

    summary: CheckSummary
    findings: tuple[Finding, ...]
    interrupted: bool = False

    @property
    def failed(self) -> bool:
        """Tell whether anything was found that would ruin a training."""
        return verdict_of(self.findings) == "fail"


def without_traffic(name: str, findings: tuple[Finding, ...]) -> Examined:
    """Return what there is where nothing was sent."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    summary = CheckSummary(name, now, "files", 0.0, 0.0, 0, 0, (), ())
    return Examined(summary, worst_first(findings))


def examine(
    scenario: Scenario,
    complaints: tuple[Finding, ...],
    orders: Orders,
    environ: Mapping[str, str],
    watch: Watch,
) -> Examined:
    """Lint the scenario's files and, unless the orders say otherwise, probe its endpoints.

    `complaints` are what was found when the files were read. A Ctrl-C ends the probes; what was found until
    then is returned.
    """
    found = complaints + lint(scenario)
    if orders.depth == "files":
        return without_traffic(scenario.name, found)
    now = datetime.now(UTC).isoformat(timespec="seconds")

    async def probe() -> tuple[CheckSummary, list[Finding], bool]:
        stop = trio.Event()
        with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async with trio.open_nursery() as nursery:

                async def listen() -> None:
                    async for _ in signals:
                        stop.set()

                nursery.start_soon(listen)
                summary, probed = await check_endpoints(
                    scenario,
                    OpenAI(),
                    orders,
                    environ,
                    redactor(scenario.secrets),
                    watch,
                    started_at=now,
                    stop=stop,
                )
                nursery.cancel_scope.cancel()
        return summary, probed, stop.is_set()

    summary, probed, interrupted = trio.run(probe)
    return Examined(summary, worst_first((*found, *probed)), interrupted)
