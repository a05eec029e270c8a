"""`junit.xml`: a test case for the measurement itself, one for each gate and one for each finding.

A check's has one for the check itself in place of the first.
"""

import io
import re
from collections.abc import Iterable, Iterator, Sequence

from junitparser import Error, Failure, JUnitXml, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from reports.sentences import headline, reasons
from reports.text import observed, plain
from simulator.findings import RULES
from simulator.gates import GateResult, Verdict
from simulator.measure.checked import CheckSummary
from simulator.measure.summary import Summary
from simulator.model import Finding


def to_junit(summary: Summary, verdict: Verdict, findings: Sequence[Finding] = ()) -> bytes:
    """Return the report as JUnit XML, in UTF-8."""
    suite = TestSuite(f"rft-preflight {plain(summary.scenario)}")
    suite.timestamp = plain(summary.started_at)
    for name, value in _properties(summary, verdict):
        suite.add_property(name, plain(value))
    return _encoded(suite, _cases(summary, verdict, findings))


def check_to_junit(checked: CheckSummary, findings: Sequence[Finding]) -> bytes:
    """Return a check's report as JUnit XML, in UTF-8."""
    suite = TestSuite(f"rft-preflight check {plain(checked.scenario)}")
    suite.timestamp = plain(checked.started_at)
    for sentence in checked.left_out:
        suite.add_property("left out", plain(sentence))
    whole = _case("check", f"{len(RULES)} rules were held against the files and {checked.requests} answers")
    whole.time = round(checked.duration_s + checked.rate_duration_s, 3)
    return _encoded(suite, (whole, *map(_finding, findings)))


def _encoded(suite: TestSuite, cases: Iterable[TestCase]) -> bytes:
    suite.add_testcases(list(cases))
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
    name = f"{finding.code} {finding.where or finding.endpoint}"
    said = f"{finding.message}; {finding.remedy}"
    if finding.severity == "error":
        failure = _result(Failure, said, finding.code)
        failure.text = _told(finding)
        case = _case("findings", name, failure)
    else:
        case = _case("findings", name)
        case.system_out = f"{finding.severity}: {_told(finding)}"
    if place := _PLACE.fullmatch(finding.where):
        case._elem.set("file", plain(place[1]))  # noqa: SLF001 the library has no name for these two
        case._elem.set("line", place[2])  # noqa: SLF001
    return case


def _told(finding: Finding) -> str:
    """Return all of a finding, a line for each part."""
    parts = (
        f"{finding.where}: {finding.message}" if finding.where else finding.message,
        finding.request and f"request: {finding.request}",
        finding.answer and f"answer: {finding.answer}",
        finding.effect and f"training: {finding.effect}",
        f"remedy: {finding.remedy}",
    )
    return "\n".join(plain(part) for part in parts if part)


_PLACE = re.compile(r"(.+?):(\d+)(?::\d+)?")


def _case(group: str, name: str, *results: FinalResult) -> TestCase:
    case = TestCase(plain(name), classname=f"rft-preflight.{group}")
    case.result = list(results)
    return case


def _result(kind: type[FinalResult], message: str, type_: str) -> FinalResult:
    result = kind(plain(message), plain(type_))
    result.text = plain(message)
    return result
