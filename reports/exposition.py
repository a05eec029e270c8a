"""Prometheus' text format, written by its own library, which is only loaded where somebody asks for it."""

from collections.abc import Iterable, Iterator, Mapping

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from reports.prometheus_families import Family

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class _Families(Collector):
    def __init__(self, families: Iterable[Family], everywhere: Mapping[str, str]) -> None:
        self._families, self._everywhere = families, everywhere

    def collect(self) -> Iterator[Metric]:
        """Yield the families as the library wants them."""
        for family in self._families:
            metric, seen = Metric(family.name, family.about, family.kind), set()
            for suffix, own, value in family.samples:
                labels = {**self._everywhere, **own}
                key = (suffix, *sorted(labels.items()))
                if key not in seen:
                    seen.add(key)
                    metric.add_sample(family.name + suffix, labels, value)
            if metric.samples:
                yield metric


def exposed(families: Iterable[Family], everywhere: Mapping[str, str]) -> bytes:
    """Return the families in the text format; every sample has the labels `everywhere`."""
    return generate_latest(_Families(families, everywhere))
