"""Pictures of the rewards: their distribution, items beside each other, and agreement with other scores."""

import math
from collections.abc import Iterator

from reports.html.picture import Key, Picture, Rows, Spec, chart, colour, quantity, tooltip
from reports.results import Results
from reports.text import count, counted, plain, share
from simulator.measure.graded import Agreement, Confusion, ItemScores
from simulator.measure.summary import GraderSummary

MOST_BARS = 25
MOST_ITEMS = 300

_MEAN, _BEST = Key("mean and standard deviation", colour("series-1")), Key("best", colour("series-2"))


def distribution(results: Results) -> Iterator[Picture]:
    """Yield how often which score was given."""
    detail, scores = results.detail, results.summary.grader.scores
    if detail is None or not detail.scores or scores.mean is None or scores.std is None:
        return
    low, high = min(detail.scores), max(detail.scores)
    width = (high - low) / MOST_BARS
    exact = len(detail.scores) <= MOST_BARS or not width
    heights: dict[int, int] = {}
    for score, times in detail.scores.items():
        bar = min(math.floor((score - low) / width), MOST_BARS - 1) if width else 0
        heights[bar] = heights.get(bar, 0) + times
    rows: Rows = (
        [{"score": score, "n": times} for score, times in sorted(detail.scores.items())]
        if exact
        else [
            {"score": low + bar * width, "to": low + (bar + 1) * width, "n": n}
            for bar, n in sorted(heights.items())
        ]
    )
    x = quantity("score", "score")
    across = {"x": x} if exact else {"x": {**x, "bin": "binned"}, "x2": {"field": "to"}}
    mark: Spec = {"type": "bar", "orient": "vertical", "color": colour("series-3")}
    if exact:
        mark["width"] = 9
    spec = chart(
        rows,
        {"mark": mark, "encoding": across},
        y=quantity("n", "rollouts"),
        tooltip=tooltip(score="score", rollouts="n"),
    )
    caption = (
        f"{scores.mean:.3f} ± {scores.std:.3f} over {counted(sum(detail.scores.values()), 'rollout')};"
        f" {count(scores.zero)} scored 0, {count(scores.one)} scored 1."
    )
    yield Picture("rewards", "Rewards", caption, spec)


def variance(grader: GraderSummary) -> Iterator[Picture]:
    """Yield the items, sorted by the mean of their rollouts' scores."""
    learning = grader.learnability
    if learning is None or not learning.per_item:
        return
    ordered = sorted(learning.per_item, key=lambda item: (item.mean, item.best))
    shown = _thinned(ordered)
    rows: Rows = [
        {
            "place": place,
            "item": f"{item.split} {item.item}",
            "mean": round(item.mean, 4),
            "low": round(item.mean - item.std, 4),
            "high": round(item.mean + item.std, 4),
            "best": round(item.best, 4),
            "rollouts": item.rollouts,
        }
        for place, item in enumerate(shown, 1)
    ]
    told = tooltip(item="item", mean="mean", best="best", rollouts="rollouts")
    spec = chart(
        rows,
        {
            "mark": {"type": "rule", "color": colour("series-1"), "opacity": 0.6},
            "encoding": {"y": quantity("low", "score"), "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "color": colour("series-1"), "size": 30},
            "encoding": {"y": quantity("mean"), "tooltip": told},
        },
        {
            "mark": {"type": "point", "color": colour("series-2"), "shape": "triangle-up", "size": 34},
            "encoding": {"y": quantity("best"), "tooltip": told},
        },
        height=260,
        x=quantity("place", "items, sorted", axis={"tickMinStep": 1}, scale={"domain": [0, len(rows) + 1]}),
    )
    left_out = f", {count(len(shown))} of them drawn" if len(shown) < len(ordered) else ""
    caption = (
        f"{counted(len(ordered), 'item')}{left_out}. An item whose rollouts all score alike teaches nothing:"
        f" {share(learning.flat_groups.value or 0.0)} of {counted(learning.groups, 'group')}."
    )
    yield Picture("variance", "Rewards by item", caption, spec, (_MEAN, _BEST))


def _thinned(items: list[ItemScores]) -> list[ItemScores]:
    if len(items) <= MOST_ITEMS:
        return items
    return [items[round(n * (len(items) - 1) / (MOST_ITEMS - 1))] for n in range(MOST_ITEMS)]


def agreements(grader: GraderSummary) -> Iterator[Picture]:
    """Yield, for each that the grader is compared with, Bland and Altman's plot and who passes what."""
    for number, (name, agreement) in enumerate(grader.agreement.items(), 1):
        if agreement.scores:
            yield _bland_altman(number, name, agreement)
        yield _confusion(number, name, agreement.confusion)


def _bland_altman(number: int, name: str, agreement: Agreement) -> Picture:
    rows: Rows = [
        {
            "mean": round((pair.grader + pair.reference) / 2, 4),
            "difference": round(pair.grader - pair.reference, 4),
            "n": pair.count,
        }
        for pair in agreement.scores
    ]
    estimates = (agreement.limits_low, agreement.bias, agreement.limits_high)
    lines: Rows = [
        {"at": round(estimate.value, 4), "what": what}
        for estimate, what in zip(estimates, ("limit", "bias", "limit"), strict=True)
        if estimate.value is not None
    ]
    spec = chart(
        rows,
        {
            "mark": {"type": "circle", "color": colour("series-1"), "opacity": 0.65},
            "encoding": {
                "x": quantity("mean", "mean of both scores", scale={"zero": False}),
                "y": quantity("difference", "grader less the other"),
                "size": quantity("n", legend=None, scale={"range": [25, 500]}),
                "tooltip": tooltip(mean="mean", difference="difference", samples="n"),
            },
        },
        {
            "data": {"values": lines},
            "mark": {"type": "rule", "strokeDash": [5, 4], "color": colour("series-2")},
            "encoding": {"y": quantity("at"), "tooltip": tooltip(what="what", at="at")},
        },
        height=260,
    )
    title = f"Differences from {plain(name)}"
    caption = (
        f"Bland and Altman's plot of {counted(agreement.pairs, 'sample')}: dashed are the bias and the limits"
        " within which 95% of the differences lie. Larger circles are more samples."
    )
    return Picture(f"bland-altman-{number}", title, caption, spec)


def _confusion(number: int, name: str, confusion: Confusion) -> Picture:
    total = confusion.both + confusion.grader_only + confusion.reference_only + confusion.neither
    cells = (
        ("passes", "passes", confusion.both),
        ("passes", "fails", confusion.grader_only),
        ("fails", "passes", confusion.reference_only),
        ("fails", "fails", confusion.neither),
    )
    rows: Rows = [
        {"grader": grader, "other": other, "n": n, "told": f"{count(n)} ({share(n / total if total else 0)})"}
        for grader, other, n in cells
    ]
    ordinal = {"type": "nominal", "sort": ["passes", "fails"], "axis": {"labelAngle": 0, "ticks": False}}
    spec = chart(
        rows,
        {
            "mark": {"type": "rect", "color": colour("heat")},
            "encoding": {"fillOpacity": quantity("n", legend=None, scale={"range": [0.08, 0.75]})},
        },
        {
            "mark": {"type": "text", "fontSize": 14, "color": colour("ink")},
            "encoding": {"text": {"field": "told"}},
        },
        height=140,
        x={**ordinal, "field": "other", "title": f"by {plain(name)}"},
        y={**ordinal, "field": "grader", "title": "by the grader"},
        tooltip=tooltip(by_the_grader="grader", by_the_other="other", samples="n"),
    )
    caption = f"A score of {confusion.threshold:g} or more passes."
    return Picture(f"confusion-{number}", f"Who passes what, beside {plain(name)}", caption, spec)
