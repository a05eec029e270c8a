"""What a check measured on its way to the findings; times in milliseconds where named so.

The field names are those of the check's `report.json`: they stay.
"""

import msgspec

from simulator.model import EndpointKind


class EndpointFacts(msgspec.Struct, frozen=True):
    """What is known of one endpoint after the probes; None, or "", where it was not to be had.

    `http_version` is such as `1.1`, `tls` such as `TLSv1.3` or "" for plain HTTP. `connect_ms` includes the
    TLS handshake. `first_answer_ms` is the first call's time, `warm_answer_ms` the median of later ones,
    connecting included in neither. `keep_alive` tells whether a second call could use the first's connection.
    `bad_arguments` says what became of each kind: `400`, `soft error`, `answered`, or a fault's name;
    `bad_answers` says it of each answer that a grader was given: `scored 0.5`, or one of these.
    `rate_per_s` is the rate of answers while the calls of the rate probe were coming in, `rate_asked_per_s`
    that of the calls.
    """

    name: str
    kind: EndpointKind
    url: str
    http_version: str = ""
    tls: str = ""
    certificate_days: float | None = None
    connect_ms: float | None = None
    first_answer_ms: float | None = None
    warm_answer_ms: float | None = None
    keep_alive: bool | None = None
    bad_arguments: dict[str, str] = {}
    bad_answers: dict[str, str] = {}
    rate_per_s: float | None = None
    rate_asked_per_s: float | None = None


class CheckSummary(msgspec.Struct, frozen=True):
    """A check as a whole. `requests` excludes those of the rate probe, which are `rate_requests`.

    `duration_s` excludes `rate_duration_s` likewise. `left_out` says in sentences what was not probed, and
    why.
    """

    scenario: str
    started_at: str
    probe: str
    duration_s: float
    rate_duration_s: float
    requests: int
    rate_requests: int
    endpoints: tuple[EndpointFacts, ...]
    left_out: tuple[str, ...]
