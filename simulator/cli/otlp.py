"""Metrics as data, into OpenTelemetry's own structures and through its exporter; needs the extra `otel`."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from reports.otel import BOUNDS_S, Buckets, Measure, Point, began_and_ended_ns, measures
from reports.results import Results
from reports.text import plain, short
from simulator.errors import PreflightError

PROGRAM = "rft-preflight"

_CUMULATIVE = AggregationTemporality.CUMULATIVE
_LONGEST_REASON = 300

Span = tuple[int, int]
"""When the run began and ended, in nanoseconds since the epoch."""


def send(results: Results) -> None:
    """Send the metrics; PreflightError where they cannot be sent, or are refused."""
    try:
        span = began_and_ended_ns(results.summary)
    except ValueError:
        raise PreflightError(
            "the report does not tell when the run began; its metrics were not sent"
        ) from None
    data = _data(measures(results), span, results.summary.seed)
    with _listening() as said:
        try:
            exporter = OTLPMetricExporter()
            sent = exporter.export(data) is MetricExportResult.SUCCESS
            exporter.shutdown()
        except Exception as error:
            sent = False
            said.append(str(error))
    if not sent:
        reason = short(plain(" ".join(dict.fromkeys(said)) or "no reason was given"), _LONGEST_REASON)
        raise PreflightError(f"the metrics were not sent: {reason}; see OTEL_EXPORTER_OTLP_ENDPOINT")


def _data(found: Sequence[Measure], span: Span, seed: int) -> MetricsData:
    ours = Resource(
        {"service.name": PROGRAM, "service.version": version(PROGRAM), "rft_preflight.seed": seed}
    )
    resource = ours.merge(OTELResourceDetector().detect())  # the user's own variables come first
    metrics = [_metric(one, span) for one in found]
    scope = ScopeMetrics(InstrumentationScope(PROGRAM, version(PROGRAM)), metrics, "")
    return MetricsData([ResourceMetrics(resource, [scope], "")])


def _metric(measure: Measure, span: Span) -> Metric:
    data: Sum | Gauge | Histogram
    if measure.kind == "histogram":
        data = Histogram([_histogram(point, span) for point in measure.points], _CUMULATIVE)
    else:
        numbers = [_number(point, span) for point in measure.points]
        data = Sum(numbers, _CUMULATIVE, is_monotonic=True) if measure.kind == "sum" else Gauge(numbers)
    return Metric(measure.name, measure.about, measure.unit, data)


def _number(point: Point, span: Span) -> NumberDataPoint:
    if isinstance(point.value, Buckets):
        raise TypeError("a histogram is no number")
    return NumberDataPoint(point.attributes, *span, point.value)


def _histogram(point: Point, span: Span) -> HistogramDataPoint:
    buckets = point.value
    if not isinstance(buckets, Buckets):
        raise TypeError("a number is no histogram")
    return HistogramDataPoint(
        point.attributes,
        *span,
        buckets.count,
        buckets.sum,
        buckets.counts,
        BOUNDS_S,
        buckets.min,
        buckets.max,
    )


@contextmanager
def _listening() -> Iterator[list[str]]:
    """Give what the exporter logs while it is at work, which nobody else is to see."""
    said: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, ear = logging.getLogger("opentelemetry"), Ear()
    propagates = logger.propagate
    logger.addHandler(ear)
    logger.propagate = False
    try:
        yield said
    finally:
        logger.removeHandler(ear)
        logger.propagate = propagates
