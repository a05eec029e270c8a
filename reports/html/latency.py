"""Latency by percentile, on HdrHistogram's scale, and calls per rollout."""

import math
from collections.abc import Iterator

from reports.html.picture import (
    Key,
    Picture,
    Rows,
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
from reports.text import counted
from simulator.measure.histogram import Histogram

PER_DECADE = 12
"""Points of a curve to each nine of its percentiles."""

_LEAST_MS = 0.01  # a logarithmic axis has no zero

_SERVICE, _DELAY = "service time", "schedule delay"

# 1 in so many answers takes longer: that makes the axis even, nine by nine.
_PERCENT = "datum.value == 1 ? '0%' : datum.value == 2 ? '50%' : format(1 - 1 / datum.value, '.6~%')"


def percentiles(results: Results) -> Iterator[Picture]:
    """Yield the curves of the busiest endpoints."""
    summary = results.summary
    shown = busiest({endpoint.name: endpoint.attempts for endpoint in summary.endpoints})
    rows: Rows = []
    for name in shown:
        histograms = summary.histograms.get(name)
        if histograms is not None:
            rows += _curve(name, _SERVICE, Histogram.from_hdr(histograms.service))
            rows += _curve(name, _DELAY, Histogram.from_hdr(histograms.schedule_delay))
    if not rows:
        return
    keys = series_keys(list(map(label, shown)))
    most = max(row["one_in"] for row in rows)
    axis = {
        "values": [1, 2, *(10**n for n in range(1, 8) if 10**n <= most)],
        "labelExpr": _PERCENT,
        "grid": True,
    }
    log = {"type": "log", "nice": False}
    spec = chart(
        rows,
        {"mark": {"type": "line", "interpolate": "monotone", "strokeWidth": 2}},
        height=300,
        x=quantity("one_in", "percentile", scale=log, axis=axis),
        y=milliseconds("ms"),
        color=by_name("endpoint", keys),
        strokeDash={
            "field": "what",
            "type": "nominal",
            "scale": {"domain": [_SERVICE, _DELAY], "range": [[1, 0], [3, 3]]},
            "legend": None,
        },
        tooltip=tooltip(endpoint="endpoint", what="what", percentile="percentile", ms="ms"),
    )
    dashed = Key("schedule delay, our own doing", colour("ink"), dashed=True)
    caption = "Solid: from sending to the answer's last byte. The tail is to the right."
    yield Picture("percentiles", "Latency by percentile", caption, spec, (*keys, dashed))


def _curve(name: str, what: str, histogram: Histogram) -> Rows:
    count = histogram.count
    if not count:
        return []
    steps = range(math.ceil(PER_DECADE * math.log10(count)))
    one_in = [10 ** (step / PER_DECADE) for step in steps]
    percentiles = [*(100 * (1 - 1 / number) for number in one_in), 100.0]
    return [
        {
            "one_in": round(number, 3),
            "percentile": f"{percentile:.6g}%",
            "ms": round(max(ms, _LEAST_MS), 3),
            "endpoint": label(name),
            "what": what,
        }
        for number, percentile, ms in zip(
            [*one_in, float(count)], percentiles, histogram.percentiles_ms(percentiles), strict=True
        )
    ]


def calls_per_rollout(results: Results) -> Iterator[Picture]:
    """Yield how many tool calls rollouts made."""
    detail = results.detail
    if detail is None or not detail.calls:
        return
    rows: Rows = [{"calls": calls, "n": n} for calls, n in sorted(detail.calls.items())]
    ordinal = {"field": "calls", "type": "ordinal", "title": "tool calls", "axis": {"labelAngle": 0}}
    wide = quantity("calls", "tool calls")
    spec = chart(
        rows,
        {"mark": {"type": "bar", "orient": "vertical", "color": colour("series-1")}},
        x=ordinal if len(rows) <= MOST_BARS else wide,
        y=quantity("n", "rollouts"),
        tooltip=tooltip(tool_calls="calls", rollouts="n"),
    )
    calls = results.summary.rollouts.calls_per_rollout
    caption = f"On average {calls.mean:.1f}, at most {counted(calls.max, 'call')}; completed rollouts only."
    yield Picture("calls-per-rollout", "Tool calls per rollout", caption, spec)


MOST_BARS = 30
