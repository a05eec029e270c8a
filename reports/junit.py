"""`junit.xml`: a test case for the measurement itself, one for each gate and one for each finding."""

import io
from collections.abc import Iterator, Sequence

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from reports.sentences import headline, reasons
from reports.text import observed, plain
from simulator.gates import GateResult, Verdict
from simulator.measure.summary import Summary
from simulator.model import Finding


def to_junit(summary: Summary, verdict: Verdict, findings: Sequence[Finding] = ()) -> bytes:
    """Return the report as JUnit XML, in UTF-8."""
    suite = TestSuite(f"rft-preflight {plain(summary.scenario)}")
    suite.timestamp = plain(summary.started_at)
    for name, value in _properties(summary, verdict):
        suite.add_property(name, plain(value))
    suite.add_testcases(list(_cases(summary, verdict, findings)))
    root = JUnitXml("rft-preflight")
    root.add_testsuite(suite)
    root.update_statistics()  # type: ignore[no-untyped-call]
    xml = io.BytesIO()
    root.write(xml, pretty=True)
    return xml.getvalue()


def _properties(summary: Summary, verdict: Verdict) -> Iterator[tuple[str, str]]:
    yield "verdict", verdict.verdict
    yield "headline", headline(summary, verdict)
    for reason in reasons(summary, verdict):
        yield "reason", reason
    yield "seed", str(summary.seed)
    for assumption in summary.load.assumptions:
        yield "assumed", assumption


def _cases(summary: Summary, verdict: Verdict, findings: Sequence[Finding]) -> Iterator[TestCase]:
    yield _measurement(summary, verdict)
    yield from map(_gate, verdict.gates)
    yield from map(_finding, findings)


def _measurement(summary: Summary, verdict: Verdict) -> TestCase:
    wrong: list[FinalResult] = []
    if not summary.generator.trustworthy:
        wrong.append(_result(Error, "; ".join(summary.generator.reasons), "invalid"))
    if summary.interrupted:
        wrong.append(_result(Error, headline(summary, verdict), "interrupted"))
    if verdict.verdict == "invalid" and not wrong:
        wrong.append(_result(Error, headline(summary, verdict), "invalid"))
    case = _case("measurement", "the measurement is whole and can be trusted", *wrong)
    case.time = round(summary.duration_s, 3)  # suites add up the times of their cases
    return case


def _gate(gate: GateResult) -> TestCase:
    if gate.ok:
        return _case("gates", gate.expr)
    message = f"observed: {observed(gate.observed, gate.unit)}; gate: {gate.expr}"
    return _case("gates", gate.expr, _result(Failure, message, "gate"))


def _finding(finding: Finding) -> TestCase:
    message = f"{finding.message}; {finding.remedy}"
    name = f"{finding.code} {finding.endpoint}"
    if finding.severity == "error":
        return _case("findings", name, _result(Failure, message, finding.code))
    case = _case("findings", name)
    case.system_out = plain(f"{finding.severity}: {message}")
    return case


def _case(group: str, name: str, *results: FinalResult) -> TestCase:
    case = TestCase(plain(name), classname=f"rft-preflight.{group}")
    case.result = list(results)
    return case


def _result(kind: type[FinalResult], message: str, type_: str) -> FinalResult:
    result = kind(plain(message), plain(type_))
    result.text = plain(message)
    return result
