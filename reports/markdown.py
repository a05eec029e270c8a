"""`report.md`: the report as a comment on a pull request, in GitHub Flavored Markdown.

The verdict comes first; what a hurried reader does not need is folded. Whatever was named or answered by
somebody else passes through `escaped`. The first line is hidden and the same for every run of a scenario, so
that a step of a pipeline finds the comment that it is to replace.
"""

from collections.abc import Iterator, Sequence

import msgspec

from reports.findings import tally, worst_first
from reports.lived import lived_through
from reports.markdown_text import Section, code_block, escaped, fitted, marker, row, table_head
from reports.platform import platform_metrics
from reports.results import Results
from reports.sentences import endpoint_notes, headline, reasons
from reports.text import count, counted, duration, duration_ms, number, observed, share
from simulator.gates import GateResult
from simulator.measure.summary import EndpointSummary, LoadSummary, Summary
from simulator.model import Finding

MOST_BYTES = 60_000
"""GitHub takes 65,536 characters of a comment."""

SYMBOLS = {"pass": "✅", "fail": "❌", "invalid": "⚠️", "interrupted": "⏹️"}

_UNFOLDED = 5
_LONGEST_NAME, _LONGEST_REASON, _LONGEST_COMMAND = 80, 500, 4_000


def to_markdown(results: Results) -> bytes:
    """Return the report in UTF-8, of fewer than MOST_BYTES bytes whatever is in it."""
    summary, verdict = results.summary, results.verdict
    word = "interrupted" if summary.interrupted else verdict.verdict
    first = (
        f"{marker('rft-preflight', summary.scenario)}\n"
        f"## {SYMBOLS[word]} {word.upper()}: {escaped(headline(summary, verdict), _LONGEST_REASON)}"
    )
    why = (f"- {escaped(reason, _LONGEST_REASON)}" for reason in reasons(summary, verdict))
    sections = (
        Section("headlines", first),
        Section("reasons", "", tuple(why)),
        _lived(summary),
        _gates(verdict.gates),
        _endpoints(summary),
        _findings(results.findings),
        _settings(summary),
        _assumed(summary.load.assumptions),
        _platform(summary),
    )
    return fitted([s for s in sections if s.head or s.lines], MOST_BYTES - 1).encode()


_EMPTY = Section("", "")


def _folded(noun: str, title: str, lines: Sequence[str], head: str = "") -> Section:
    opened = f"<details><summary>{title}</summary>\n"
    return Section(noun, f"{opened}\n{head}" if head else opened, tuple(lines), "</details>")


def _lived(summary: Summary) -> Section:
    lines = tuple(
        f"- **{escaped(fact.figure)}** {escaped(fact.what)}: {escaped(fact.meaning)}"
        for fact in lived_through(summary)
    )
    head = "### What a training would have lived through\n"
    return Section("facts", head, lines) if lines else _EMPTY


def _gates(gates: Sequence[GateResult]) -> Section:
    if not gates:
        return _EMPTY
    failed_first = sorted(gates, key=lambda gate: gate.ok)
    lines = tuple(
        row(
            (
                escaped(gate.expr, _LONGEST_NAME),
                escaped(observed(gate.observed, gate.unit)),
                "ok" if gate.ok else "**FAIL**",
            )
        )
        for gate in failed_first
    )
    return Section("gates", f"### Gates\n\n{table_head(('gate', 'observed', ''), 'lrl')}", lines)


def _endpoints(summary: Summary) -> Section:
    titles = ("endpoint", "calls", "p50", "p99", "max", "failed", "")
    head = f"### Endpoints\n\n{table_head(titles, 'lrrrrrl')}"
    failing_first = sorted(summary.endpoints, key=lambda e: (not e.given_up, not e.faults))
    return Section("endpoints", head, tuple(map(_endpoint, failing_first))) if failing_first else _EMPTY


def _endpoint(endpoint: EndpointSummary) -> str:
    times = endpoint.service_ms
    failed = f"**{escaped(share(endpoint.error_rate))}**" if endpoint.faults else "none"
    return row(
        (
            escaped(endpoint.name, _LONGEST_NAME),
            count(endpoint.calls),
            *(duration_ms(ms) if times.max else "-" for ms in (times.p50, times.p99, times.max)),
            failed if endpoint.attempts else "-",
            escaped(endpoint_notes(endpoint)),
        )
    )


def _findings(findings: Sequence[Finding]) -> Section:
    """Return the findings, the worst first; so many that a comment would be nothing else are folded."""
    lines = tuple(_finding(finding) for finding in worst_first(findings))
    if not lines:
        return _EMPTY
    title = f"Findings: {tally(findings)}"
    if len(lines) > _UNFOLDED:
        return _folded("findings", title, lines)
    return Section("findings", f"### {title}\n", lines)


def _finding(finding: Finding) -> str:
    where = " ".join(filter(None, (finding.endpoint, finding.where)))
    place = f" ({escaped(where, _LONGEST_NAME)})" if where else ""
    remedy = f"; {escaped(finding.remedy)}" if finding.remedy else ""
    code = escaped(finding.code, _LONGEST_NAME)
    return f"- **{finding.severity}** {code}{place}: {escaped(finding.message)}{remedy}"


def _settings(summary: Summary) -> Section:
    generator = summary.generator
    scenario, policy = escaped(summary.scenario, _LONGEST_NAME), escaped(summary.load.policy, _LONGEST_NAME)
    late = escaped(duration_ms(generator.lag_ms.p99))
    lines = [
        f"- seed {summary.seed}, scenario {scenario}, policy {policy}",
        f"- {_load(summary.load)}, in {duration(summary.duration_s)}",
        f"- generator: {generator.cpu:.0%} of a core, its own loop {late} late at p99",
    ]
    if summary.runs > 1:
        lines.append(f"- merged from {counted(summary.runs, 'run')}")
    if 0 < len(summary.command) <= _LONGEST_COMMAND:
        lines.append(f"\n{code_block(summary.command)}")
    return _folded("settings", "Settings", lines)


def _load(load: LoadSummary) -> str:
    scaled = f", think time compressed to {load.time_scale:g}" if load.time_scale != 1 else ""
    if load.mode != "training":
        return f"{escaped(load.mode)} load{scaled}"
    return (
        f"{counted(load.steps, 'step')} of {counted(load.rollouts_per_step, 'rollout')} (batch_size"
        f" {load.batch_size}, group_size {load.group_size}, compute_multiplier"
        f" {load.compute_multiplier:g}){scaled}"
    )


def _assumed(assumptions: Sequence[str]) -> Section:
    lines = [f"- {escaped(assumption)}" for assumption in assumptions]
    return _folded("assumptions", "Assumed", lines) if lines else _EMPTY


def _platform(summary: Summary) -> Section:
    """Return the figures under the platform's names, to be held beside the metrics of the job itself."""
    lines = [row((f"`{name}`", number(value))) for name, value in _platform_rows(summary)]
    head = table_head(("metric", ""), "lr")
    title = "In the names of the platform's training metrics"
    return _folded("metrics", title, lines, head) if lines else _EMPTY


def _platform_rows(summary: Summary) -> Iterator[tuple[str, float]]:
    told = platform_metrics(summary)
    figures = msgspec.structs.asdict(told) | {
        f"timing.{name}": seconds for name, seconds in msgspec.structs.asdict(told.timing).items()
    }
    for name, value in figures.items():
        if isinstance(value, int | float):
            yield name, value
    yield from told.errors.items()
