"""The server's own account of what it did, to compare a client's measurements with."""

from collections import Counter, deque
from collections.abc import Mapping
from typing import Any

import msgspec

from simulator.measure.histogram import Histogram

_SERVICE = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p999": 99.9}
_LAG = {"p50": 50.0, "p99": 99.0}
_LOG_ENTRIES = 100_000
_LOG_ARGUMENTS = 4_096


class Record:
    """One endpoint's counts and service times.

    Service time runs from the arrival of the whole request until the answer is written, queueing included,
    as it really was and not as it had been drawn. Lag is how late an answer left that was due: the mock's own
    doing, and part of service time. What was never answered (`reset`, `hang`) has neither. `unreadable`
    requests were answered 400 and are in no other count.
    """

    def __init__(self) -> None:
        self.requests = self.answers = self.unreadable = self.in_flight = self.in_flight_max = 0
        self.faults: Counter[str] = Counter()
        self.service, self.lag = Histogram(), Histogram()

    def arrive(self) -> None:
        """Count a request that is about to be served."""
        self.requests += 1
        self.in_flight += 1
        self.in_flight_max = max(self.in_flight_max, self.in_flight)

    def answered(self, service_s: float, lag_s: float) -> None:
        """Count an answer, written `service_s` after its request had arrived, `lag_s` of them too late."""
        self.answers += 1
        self.service.record(service_s)
        self.lag.record(lag_s)

    def stats(self) -> dict[str, Any]:
        """Return the account as JSON can hold it; times in ms."""
        return {
            "requests": self.requests,
            "answers": self.answers,
            "unreadable": self.unreadable,
            "in_flight": self.in_flight,
            "in_flight_max": self.in_flight_max,
            "faults": dict(sorted(self.faults.items())),
            "service_ms": _percentiles(self.service, _SERVICE)
            | {"max": self.service.max_ms, "mean": self.service.mean_ms},
            "lag_ms": _percentiles(self.lag, _LAG) | {"max": self.lag.max_ms},
        }


def _percentiles(times: Histogram, names: Mapping[str, float]) -> dict[str, float]:
    return {name: times.percentile_ms(percentile) for name, percentile in names.items()}


class LogEntry(msgspec.Struct, frozen=True):
    """A call as it came; `status` is 0 where none was sent. Long arguments are cut."""

    endpoint: str
    trace_id: str
    call_id: str
    name: str
    arguments: str
    status: int


class Log:
    """The last calls; `dropped` counts those that are no longer kept."""

    def __init__(self, limit: int = _LOG_ENTRIES) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=limit)
        self.dropped = 0

    def add(self, entry: LogEntry) -> None:
        """Keep an entry, at the cost of the oldest."""
        self.dropped += len(self._entries) == self._entries.maxlen
        if len(entry.arguments) > _LOG_ARGUMENTS:
            entry = msgspec.structs.replace(entry, arguments=entry.arguments[:_LOG_ARGUMENTS])
        self._entries.append(entry)

    def to_json(self) -> bytes:
        """Return `{"dropped": n, "entries": [...]}`, oldest first."""
        return msgspec.json.encode({"dropped": self.dropped, "entries": list(self._entries)})


def stats_json(domain: str, seed: int, records: Mapping[str, Record], refused: Mapping[int, int]) -> bytes:
    """Return what `GET /stats` answers; `refused` counts the requests that no endpoint took, by status."""
    return msgspec.json.encode(
        {
            "domain": domain,
            "seed": seed,
            "endpoints": {name: record.stats() for name, record in records.items()},
            "refused": {str(status): count for status, count in sorted(refused.items())},
        }
    )
