"""Checks that reports are made of."""

from simulator.findings import Evidence, found
from simulator.measure.checked import CheckSummary, EndpointFacts
from simulator.model import Finding

SEARCH = EndpointFacts(
    name="search",
    kind="tool",
    url="https://tools.example.test/search",
    http_version="1.1",
    tls="TLSv1.3",
    certificate_days=12.4,
    connect_ms=38.21,
    first_answer_ms=4120.5,
    warm_answer_ms=212.4,
    keep_alive=True,
    bad_arguments={
        "no JSON": "500",
        "no object": "soft error",
        "nothing": "soft error",
        "very long": "answered",
    },
    rate_per_s=17.3,
    rate_asked_per_s=50.0,
)
JUDGE = EndpointFacts(
    name="sku_grader",
    kind="grader",
    url="https://tools.example.test/score",
    http_version="1.1",
    tls="TLSv1.3",
    certificate_days=12.4,
    connect_ms=38.21,
    first_answer_ms=99.9,
    warm_answer_ms=101.0,
    keep_alive=False,
    bad_answers={"the reference": "scored 1", "a near miss": "scored 0.5", "an empty answer": "422"},
    rate_per_s=50.2,
    rate_asked_per_s=50.0,
)


def healthy() -> tuple[CheckSummary, tuple[Finding, ...]]:
    """A check that found nothing, of one endpoint of which little is known."""
    bare = EndpointFacts("echo", "tool", "http://127.0.0.1:7070/echo", "1.1", connect_ms=0.2)
    return CheckSummary("echo", "2026-01-01T12:00:00+00:00", "standard", 3.81, 0.0, 174, 0, (bare,), ()), ()


def unwell() -> tuple[CheckSummary, tuple[Finding, ...]]:
    """A check that found something in every way there is."""
    summary = CheckSummary(
        scenario="catalog",
        started_at="2026-01-01T12:00:00+00:00",
        probe="standard",
        duration_s=14.21,
        rate_duration_s=10.04,
        requests=243,
        rate_requests=1000,
        endpoints=(SEARCH, JUDGE),
        left_out=("refund: the scenario excludes it",),
    )
    crash = Evidence(
        'POST /search {"type":"function_call","name":"search","arguments":"{\\"query\\"","trace_id":'
        '"trace_preflight_0123456789abcdef012345"}',
        '500 {"error": "internal"}',
    )
    messages = "no `messages`; likewise on 2 more lines: 9, 14"
    findings = (
        found("tool.crashes_on_arguments", "bad arguments: no JSON: 500", endpoint="search", evidence=crash),
        found("dataset.no_messages", messages, where="data/train.jsonl:3:1"),
        found("wire.certificate_expires", "valid for 12 more days", endpoint="search"),
        *(
            found(
                "dataset.leak",
                f"stands in training too, at data/train.jsonl:{n}",
                where=f"data/valid.jsonl:{n}:1",
            )
            for n in range(1, 9)
        ),
        found("grader.binary", "17 answers were graded, all with exactly 0 or 1", endpoint="sku_grader"),
    )
    return summary, findings


CHECKS = {"check-healthy": healthy, "check-unwell": unwell}
