"""The burst over time: rollouts in flight, calls per second, faults by kind, and latency as a heat map."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

from reports.html.picture import (
    OTHERS,
    Key,
    Picture,
    Rows,
    Spec,
    busiest,
    by_name,
    chart,
    colour,
    label,
    milliseconds,
    quantity,
    series_keys,
    tooltip,
)
from reports.results import Results
from reports.text import counted, duration_ms, plain
from simulator.measure.detail import Bins, Detail
from simulator.measure.histogram import middle_us
from simulator.measure.summary import Summary

MOST_PIECES = 240
PER_DECADE = 8
"""Rows of the heat map to a factor of ten."""

_FAULT_COLOURS = 6


def burst(results: Results) -> Iterator[Picture]:
    """Yield what happened when."""
    summary = results.summary
    if len(summary.series.in_flight) and summary.rollouts.planned:
        yield _in_flight(summary)
        yield from _calls(summary)
        yield from _faults(results)


def _time(summary: Summary) -> dict[str, object]:
    end = int(summary.duration_s) + 1
    return quantity("t", "seconds since the run began", scale={"domain": [0, end], "nice": False})


def pieces(values: Sequence[int], combine: Callable[[Sequence[int]], float]) -> list[tuple[int, int, float]]:
    """Return at most MOST_PIECES pieces of a series per second: from, to, and what becomes of its values."""
    step = math.ceil(len(values) / MOST_PIECES) or 1
    return [
        (start, start + step, combine(values[start : start + step])) for start in range(0, len(values), step)
    ]


def _mean(values: Sequence[int]) -> float:
    return round(sum(values) / len(values), 2)


def _in_flight(summary: Summary) -> Picture:
    rows: Rows = [{"t": start, "n": most} for start, _, most in pieces(summary.series.in_flight, max)]
    rows.append({"t": rows[-1]["t"] + 1, "n": rows[-1]["n"]})
    mark = {"type": "area", "interpolate": "step-after", "color": colour("series-1"), "opacity": 0.8}
    spec = chart(
        rows,
        {"mark": {**mark, "tooltip": True}},
        height=150,
        x=_time(summary),
        y=quantity("n", "rollouts in flight"),
    )
    most = max(summary.series.in_flight)
    return Picture("in-flight", "Rollouts in flight", f"At most {counted(most, 'rollout')} at a time.", spec)


def _calls(summary: Summary) -> Iterator[Picture]:
    attempts = {endpoint.name: endpoint.attempts for endpoint in summary.endpoints}
    shown, done = busiest(attempts), summary.series.done
    series = {label(name): done.get(name, []) for name in shown}
    rest = [done[name] for name in attempts if name in done and name not in shown and attempts[name]]
    if rest:
        series[OTHERS] = [sum(second) for second in zip(*rest, strict=True)]
    rows: Rows = [
        {"t": start, "to": end, "n": rate, "what": name}
        for name, per_second in series.items()
        for start, end, rate in pieces(per_second, _mean)
        if rate
    ]
    if rows:
        keys = series_keys(list(series))
        spec = _stacked(rows, summary, "answers per second", keys)
        yield Picture("calls", "Calls answered per second", _plateau(summary), spec, keys)


def _plateau(summary: Summary) -> str:
    level = [e for e in summary.endpoints if e.plateau_per_s is not None]
    told = [f"{plain(e.name)} answers about {e.plateau_per_s or 0:.3g} per second" for e in level]
    return f"However many are sent, {' and '.join(told)}." if told else "Failed attempts are included."


def _faults(results: Results) -> Iterator[Picture]:
    detail = results.detail
    if detail is None or not detail.faults:
        return
    rows: Rows = [
        {"t": piece * detail.bin_s, "to": (piece + 1) * detail.bin_s, "n": count, "what": plain(fault)}
        for fault, per_piece in detail.faults.items()
        for piece, count in sorted(per_piece.items())
    ]
    totals = Counter({fault: per_piece.total() for fault, per_piece in detail.faults.items()})
    keys = tuple(
        Key(plain(fault), colour(f"fault-{min(n, _FAULT_COLOURS)}"))
        for n, (fault, _) in enumerate(totals.most_common(), 1)
    )
    caption = f"{counted(totals.total(), 'attempt')} failed; retries count."
    spec = _stacked(rows, results.summary, "faults", keys)
    yield Picture("faults", "Faults by kind", caption, spec, keys)


def _stacked(rows: Rows, summary: Summary, what: str, keys: Sequence[Key]) -> Spec:
    return chart(
        rows,
        {"mark": {"type": "bar", "binSpacing": 0, "clip": True}},
        height=150,
        x={**_time(summary), "bin": "binned"},
        x2={"field": "to"},
        y=quantity("n", what, stack="zero"),
        color=by_name("what", keys),
        tooltip=tooltip(what="what", second="t", number="n"),
    )


def heat_maps(results: Results) -> Iterator[Picture]:
    """Yield, for each of the busiest endpoints, how long answers took when."""
    summary, detail = results.summary, results.detail
    if detail is None:
        return
    shown = busiest({endpoint.name: endpoint.attempts for endpoint in summary.endpoints})
    for number, name in enumerate(shown, 1):
        rows = _cells(detail.service.get(name, {}), detail)
        if rows:
            yield _heat_map(number, name, rows, summary)


def _cells(bins: Bins, detail: Detail) -> Rows:
    rows: Rows = []
    for piece, counts in sorted(bins.items()):
        cells: Counter[int] = Counter()
        for bucket, count in counts.items():
            cells[math.floor(PER_DECADE * math.log10(max(middle_us(bucket) / 1000, 0.01)))] += count
        rows += [
            {
                "t": piece * detail.bin_s,
                "to": (piece + 1) * detail.bin_s,
                "from_ms": round(10 ** (level / PER_DECADE), 4),
                "to_ms": round(10 ** ((level + 1) / PER_DECADE), 4),
                "n": count,
            }
            for level, count in sorted(cells.items())
        ]
    return rows


def _heat_map(number: int, name: str, rows: Rows, summary: Summary) -> Picture:
    reach = [min(row["from_ms"] for row in rows), max(row["to_ms"] for row in rows)]
    opacity = {"type": "sqrt", "range": [0.12, 1.0]}
    spec = chart(
        rows,
        {"mark": {"type": "rect", "color": colour("heat"), "clip": True}},
        height=170,
        x=_time(summary),
        x2={"field": "to"},
        y=milliseconds("from_ms", "service time", domain=reach),
        y2={"field": "to_ms"},
        fillOpacity=quantity("n", legend=None, scale=opacity),
        tooltip=tooltip(second="t", from_ms="from_ms", to_ms="to_ms", answers="n"),
    )
    times = next(e.service_ms for e in summary.endpoints if e.name == name)
    caption = f"p50 {duration_ms(times.p50)}, p99 {duration_ms(times.p99)}; darker is more answers."
    return Picture(f"heat-{number}", label(name), caption, spec)
