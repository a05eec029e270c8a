"""Checks that reports are made of."""

from collections.abc import Callable

import msgspec

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


LONG_PATH = "/home/runner/work/retail-agent/retail-agent/training/2026-01/datasets/exports/coats.jsonl"


def warned() -> tuple[CheckSummary, tuple[Finding, ...]]:
    """A check that found no error."""
    checked, findings = unwell()
    return checked, tuple(finding for finding in findings if finding.severity != "error")


def files_only() -> tuple[CheckSummary, tuple[Finding, ...]]:
    """A check that sent nothing, of files some of which lie deep."""
    findings = (
        found("dataset.last_not_user", "the last message is the tool's", where=f"{LONG_PATH}:1204:33"),
        found("dataset.last_not_user", "the last message is the assistant's", where="valid.jsonl:3:15"),
        found("job.variable_unset", "FUNC_KEY has no value", where="job.json:8:31", remedy="export FUNC_KEY"),
        found("dataset.too_few_rows", "8 rows, fewer than 10", where="valid.jsonl"),
    )
    return CheckSummary("job", "2026-01-01T12:00:00+00:00", "files", 0.0, 0.0, 0, 0, (), ()), findings


def unreachable() -> tuple[CheckSummary, tuple[Finding, ...]]:
    """A check that found nobody to talk to."""
    nobody = EndpointFacts("echo", "tool", "http://127.0.0.1:7070/echo")
    findings = (found("wire.refused", "nothing listens at 127.0.0.1:7070", endpoint="echo"),)
    return CheckSummary(
        "echo", "2026-01-01T12:00:00+00:00", "standard", 0.1, 0.0, 0, 0, (nobody,), ()
    ), findings


def crowded() -> tuple[CheckSummary, tuple[Finding, ...]]:
    """A check that found 60 things, most of them at 17 tools with long names."""
    names = [f"mcp__retail_backoffice_{'x' * n}__find_order_by_customer_{n}" for n in range(17)]
    tools = [msgspec.structs.replace(SEARCH, name=name, url=f"{SEARCH.url}/{name}") for name in names]
    findings = (
        *(
            found("wire.no_keep_alive", f"opening one took {n}.1 ms", endpoint=name)
            for n, name in enumerate(names)
        ),
        *(
            found(
                "tool.crashes_on_arguments",
                "arguments: no JSON: 500",
                endpoint=name,
                evidence=Evidence("POST / {}", "500 {}"),
            )
            for name in reversed(names)
        ),
        *(
            found("dataset.duplicate_rows", "the same as on line 3", where=f"{LONG_PATH}:{n}:1")
            for n in range(10, 36)
        ),
    )
    summary = msgspec.structs.replace(unwell()[0], endpoints=(*tools, JUDGE), rate_requests=9000, left_out=())
    return summary, findings


CHECKS: dict[str, Callable[[], tuple[CheckSummary, tuple[Finding, ...]]]] = {
    f"check-{case.__name__.replace('_', '-')}": case
    for case in (healthy, unwell, warned, files_only, unreachable, crowded)
}
