"""Prometheus' metrics as data: families of samples, their labels, and numbers rounded as in `report.json`."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from reports.text import plain, short

PREFIX = "rft_preflight_"
MOST_LABEL_CHARS = 120

Labels = dict[str, str]


class Family(msgspec.Struct, frozen=True):
    """The samples of one metric. `kind` is a type of Prometheus'; a counter's `name` has no `_total`.

    A sample has what its name has after the family's, its labels and its value. Of two with the same labels,
    which would spoil the whole text, only the first counts.
    """

    name: str
    kind: str
    about: str
    samples: tuple[tuple[str, Labels, float], ...]


def counter(name: str, about: str, samples: Iterable[tuple[Labels, int]]) -> Family:
    """Return counts that only grow."""
    counts = tuple(("_total", labels, value) for labels, value in samples)
    return Family(PREFIX + name, "counter", about, counts)


def gauge(name: str, about: str, samples: Iterable[tuple[Labels, float | None]]) -> Family:
    """Return values that may go up and down; what is None was not measured and is left out."""
    measured = tuple(("", labels, rounded(value)) for labels, value in samples if value is not None)
    return Family(PREFIX + name, "gauge", about, measured)


def quantiles(name: str, about: str, samples: Iterable[tuple[Labels, Mapping[str, float]]]) -> Family:
    """Return quantiles that are given in ms, by the quantile, as a metric in seconds."""
    at = tuple(
        ("", {**labels, "quantile": quantile}, rounded(rounded(ms, 3) / 1000))
        for labels, values in samples
        for quantile, ms in values.items()
    )
    return Family(f"{PREFIX}{name}_seconds", "summary", about, at)


def rounded(value: float, digits: int = 6) -> float:
    """Return the number as `report.json` has it."""
    return round(float(value), digits)


def label(text: str) -> str:
    """Return a text as the value of a label: on one line, and cut short."""
    return short(plain(text), MOST_LABEL_CHARS)


def labelled(counts: Mapping[str, int]) -> dict[str, int]:
    """Return the counts by label: names that become alike are counted together."""
    found: Counter[str] = Counter()
    for name, times in counts.items():
        found[label(name)] += times
    return dict(found)


def endpoint_labels(endpoints: Iterable[Any]) -> dict[str, Labels]:
    """Return each endpoint's labels by its name; those whose names become alike are numbered."""
    found: dict[str, Labels] = {}
    times: Counter[str] = Counter()
    for endpoint in endpoints:
        name = label(endpoint.name)
        times[name] += 1
        numbered = name if times[name] == 1 else f"{name} ({times[name]})"
        found[endpoint.name] = {"endpoint": numbered, "kind": endpoint.kind}
    return found
