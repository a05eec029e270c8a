"""Table 4: what ours reports of service times that the mock knows."""

from collections.abc import Mapping
from functools import partial

import msgspec

from tests.bench.options import Options
from tests.bench.ours import CALLS_PER_ROLLOUT, ours
from tests.bench.rounds import in_turn, say
from tests.bench.tables import Table, ms
from tests.bench.targets import mock, mock_stats
from tests.bench.work import TOOL

_SERVICE_MS = ("20", "lognormal:50:1", "mix:99%*20+1%*2000")
_PERCENTILES = ("p50", "p90", "p95", "p99", "p999")
_SHARE_OF_CAPACITY = 0.5
_CAPACITY_SECONDS = 3.0
_TOLERANCE, _TOLERANCE_MS = 0.01, 1.0
_HEADER = ("service time, ms", "percentile", "ours", "the mock itself", "difference", "within 1% + 1 ms")


class Compared(msgspec.Struct):
    """One percentile of one run, as ours reports it and as the mock does; ms.

    `doubts` are the reasons ours gives why the run cannot be trusted.
    """

    ours: float
    mock: float
    doubts: tuple[str, ...]

    @property
    def difference(self) -> float:
        """How much more ours reports."""
        return self.ours - self.mock

    @property
    def within(self) -> bool:
        """Tell whether the difference is as small as it should be."""
        return abs(self.difference) <= _TOLERANCE * self.mock + _TOLERANCE_MS


def truth(options: Options) -> Table:
    """Compare percentiles at half of what client and mock can do."""
    per_s = _SHARE_OF_CAPACITY * _capacity(options)
    entries = {service: partial(_compare, service, per_s, options) for service in _SERVICE_MS}
    results = in_turn(options.rounds, entries)
    rows = [
        _row(service, percentile, [compared[percentile] for compared in rounds])
        for service, rounds in results.items()
        for percentile in _PERCENTILES
    ]
    notes = [
        f"{per_s:,.0f} calls/s, half of what the two can do; shown is the round with the largest difference.",
        *_doubts(results),
        *results.complaints(),
    ]
    return Table("Truth: service times that the mock knows, and what ours reports", _HEADER, rows, notes)


def _capacity(options: Options) -> float:
    say("  how much the mock can serve")
    with mock() as target:
        return ours(options.work(target.base, seconds=_CAPACITY_SECONDS)).calls_per_s


def _compare(service_ms: str, per_s: float, options: Options) -> dict[str, Compared]:
    with mock({"endpoints": {TOOL: {"service_ms": service_ms}}}) as target:
        run = ours(options.work(target.base), rollouts_per_s=per_s / CALLS_PER_ROLLOUT)
        theirs = mock_stats(target)[TOOL]["service_ms"]
    own = run.report["tools"]["service_ms"]
    doubts = tuple(run.report["generator"]["reasons"])
    return {p: Compared(own[p], theirs[p], doubts) for p in _PERCENTILES}


def _doubts(results: Mapping[str, list[dict[str, Compared]]]) -> list[str]:
    """Say which runs ours itself called invalid, and its first reason."""
    doubts = [
        (service, compared[_PERCENTILES[0]].doubts)
        for service, rounds in results.items()
        for compared in rounds
    ]
    return [
        f"{service}: one run was invalid, says ours: {reasons[0]}." for service, reasons in doubts if reasons
    ]


def _row(service: str, percentile: str, rounds: list[Compared]) -> tuple[str, ...]:
    worst = max(rounds, key=lambda compared: abs(compared.difference))
    good = sum(compared.within for compared in rounds)
    within = "yes" if good == len(rounds) else f"{good} of {len(rounds)} rounds"
    name = "p99.9" if percentile == "p999" else percentile
    return (service, name, ms(worst.ours), ms(worst.mock), f"{worst.difference:+,.2f} ms", within)
