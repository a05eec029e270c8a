"""`run --otel`: the run's metrics, sent by OTLP over HTTP to wherever OpenTelemetry's own variables say.

The extra `otel` brings what sends them; without it there is one line that says so.
"""

import os
from importlib.util import find_spec

from reports.results import Results
from simulator.errors import PreflightError

_NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_SPOKEN = "http/protobuf"


def refuse_without_otel() -> None:
    """Do nothing where metrics can be sent; PreflightError, before anything is played, where they cannot."""
    if not all(map(_is_there, _NEEDED)):
        raise PreflightError("--otel needs what sends metrics: pip install 'rft-preflight[otel]'")
    for variable in _PROTOCOLS:
        asked = os.environ.get(variable, "")
        if asked:
            if asked != _SPOKEN:
                message = f"{variable}: {asked} is not spoken here; set it to {_SPOKEN}, or unset it"
                raise PreflightError(message)
            return


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package that it would be in
        return False


def export(results: Results) -> None:
    """Send the metrics of a run that is over; PreflightError, on one line, where that fails.

    It waits for at most OTEL_EXPORTER_OTLP_TIMEOUT seconds, 10 where that is not set.
    """
    refuse_without_otel()
    from simulator.cli.otlp import send  # noqa: PLC0415 the extra may not be there

    send(results)
