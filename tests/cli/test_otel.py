import contextlib
import http.server
import logging
import socket
import sys
import threading

import msgspec
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from reports.otel import measures
from reports.results import Results
from simulator.cli.otel import export, refuse_without_otel
from simulator.errors import PreflightError
from tests.reports.runs import CASES, failing


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch):
    for variable in ("ENDPOINT", "METRICS_ENDPOINT", "PROTOCOL", "METRICS_PROTOCOL", "HEADERS"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{variable}", raising=False)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")


@contextlib.contextmanager
def collector(status=200):
    """Serve a collector; yield its URL and what it was sent, as path, headers and metrics."""
    received = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            received.append((self.path, self.headers, ExportMetricsServiceRequest.FromString(body)))
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def attributes_of(holder):
    return {
        one.key: one.value.string_value if one.value.HasField("string_value") else one.value.int_value
        for one in holder.attributes
    }


def metrics_in(request):
    (resource,) = request.resource_metrics
    (scope,) = resource.scope_metrics
    return attributes_of(resource.resource), {metric.name: metric for metric in scope.metrics}


@pytest.mark.parametrize("case", ["failing", "crowded", "unmeasured", "toolless"])
def test_a_collector_receives_every_metric_with_its_value(case, monkeypatch):
    results = Results(*CASES[case]())
    with collector() as (url, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        export(results)
    ((path, headers, request),) = received
    assert (path, headers["content-type"]) == ("/v1/metrics", "application/x-protobuf")
    _, found = metrics_in(request)
    sent = {measure.name: measure for measure in measures(results)}
    assert found.keys() == sent.keys()
    for name, measure in sent.items():
        data = getattr(found[name], measure.kind)
        assert (found[name].unit, found[name].description) == (measure.unit, measure.about)
        for ours, theirs in zip(measure.points, data.data_points, strict=True):
            assert attributes_of(theirs) == ours.attributes
            if measure.kind == "histogram":
                assert (theirs.count, tuple(theirs.bucket_counts)) == (ours.value.count, ours.value.counts)
            else:
                kind = theirs.WhichOneof("value")
                assert getattr(theirs, kind) == ours.value


def test_points_span_the_run_and_the_resource_is_the_users_to_name(monkeypatch):
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=ci")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=secret")
    with collector() as (url, received):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{url}/mine")
        export(Results(*failing()))
    ((path, headers, request),) = received
    assert (path, headers["x-key"]) == ("/mine", "secret")
    resource, found = metrics_in(request)
    assert (resource["service.name"], resource["deployment.environment.name"]) == ("rft-preflight", "ci")
    assert resource["rft_preflight.seed"] == 7
    attempts = found["rft_preflight.attempts"].sum
    assert (attempts.is_monotonic, attempts.aggregation_temporality) == (True, 2)
    (point, *_) = attempts.data_points
    assert point.start_time_unix_nano == 1_767_268_800_000_000_000
    assert point.time_unix_nano - point.start_time_unix_nano == pytest.approx(40.8416e9, abs=1e5)


def test_a_collector_that_refuses_is_told_of_on_one_line(monkeypatch, caplog, capsys):
    with collector(status=400) as (url, _):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        with pytest.raises(PreflightError, match=r"the metrics were not sent: .*400.*ENDPOINT") as error:
            export(Results(*failing()))
    assert "\n" not in str(error.value)
    assert (caplog.records, capsys.readouterr().err) == ([], "")
    assert logging.getLogger("opentelemetry").propagate


def test_nobody_there_is_told_of_on_one_line(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    with pytest.raises(PreflightError, match="the metrics were not sent: "):
        export(Results(*failing()))


def test_an_endpoint_that_is_none_is_told_of(monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "nonsense")
    with pytest.raises(PreflightError, match=r"the metrics were not sent: .*nonsense"):
        export(Results(*failing()))


def test_another_protocol_is_refused_before_anything_is_sent(monkeypatch):
    refuse_without_otel()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    with pytest.raises(PreflightError, match="OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not spoken here"):
        refuse_without_otel()
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "http/protobuf")
    refuse_without_otel()


@pytest.mark.parametrize("missing", ["opentelemetry", "opentelemetry.exporter.otlp.proto.http"])
def test_without_the_extra_there_is_a_line_that_says_how_to_get_it(missing, monkeypatch):
    for module in [name for name in sys.modules if name == missing or name.startswith(f"{missing}.")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [Without(missing), *sys.meta_path])
    with pytest.raises(PreflightError, match=r"^--otel needs .*: pip install 'rft-preflight\[otel\]'$"):
        export(Results(*failing()))


class Without:
    """An importer that knows of no such module, and lets nobody else find it."""

    def __init__(self, missing):
        self.missing = missing

    def find_spec(self, name, *_):
        if name == self.missing:
            raise ModuleNotFoundError(name)


def test_a_report_that_does_not_say_when_is_not_sent():
    summary, verdict = failing()
    with pytest.raises(PreflightError, match="does not tell when the run began"):
        export(Results(msgspec.structs.replace(summary, started_at="?"), verdict))
