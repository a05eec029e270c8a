"""`junit.xml`: a test case for the measurement itself, one for each gate and one for each finding.

A check's has one for the check itself in place of the first, a study's one for the study.
"""

import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from junitparser import Attr, Error, Failure, JUnitXml, TestCase, TestSuite
from junitparser.junitparser import FinalResult

from reports.findings import advice, brief, evidence, verdict_of
from reports.sentences import headline, reasons
from reports.text import counted, observed, plain
from simulator.findings import CHECKED
from simulator.findings.files import FILES
from simulator.gates import GateResult, Verdict
from simulator.measure.checked import CheckSummary
from simulator.measure.summary import StudySummary, Summary
from simulator.model import Finding


def to_junit(summary: Summary, verdict: Verdict, findings: Sequence[Finding] = ()) -> bytes:
    """Return the report as JUnit XML, in UTF-8."""
    suite = TestSuite(f"rft-preflight {plain(summary.scenario)}")
    suite.timestamp = plain(summary.started_at)
    for name, value in _properties(summary, verdict):
        suite.add_property(name, plain(value))
    return encoded(suite, _cases(summary, verdict, findings))


def check_to_junit(checked: CheckSummary, findings: Sequence[Finding]) -> bytes:
    """Return a check's report as JUnit XML, in UTF-8."""
    suite = TestSuite(f"rft-preflight check {plain(checked.scenario)}")
    suite.timestamp = plain(checked.started_at)
    suite.add_property("verdict", verdict_of(findings))
    suite.add_property("probe", plain(checked.probe))
    for sentence in checked.left_out:
        suite.add_property("left out", brief(sentence))
    return encoded(suite, (_check(checked), *_findings(findings)))


def study_to_junit(study: StudySummary, verdict: Verdict, findings: Sequence[Finding]) -> bytes:
    """Return the report of a study of a grader as JUnit XML, in UTF-8."""
    suite = TestSuite(f"rft-preflight grade {plain(study.scenario)}")
    suite.timestamp = plain(study.started_at)
    suite.add_property("verdict", verdict.verdict)
    suite.add_property("grader", plain(study.grader_name))
    for name, sentences in (("assumed", study.assumptions), ("left out", study.left_out)):
        for sentence in sentences:
            suite.add_property(name, brief(sentence))
    return encoded(suite, (_study(study), *map(_gate, verdict.gates), *_findings(findings)))


def _study(study: StudySummary) -> TestCase:
    wrong: list[FinalResult] = []
    if study.unfinished:
        wrong.append(junit_result(Error, "; ".join(study.left_out), "unfinished"))
    if study.grader.scores.mean is None:
        wrong.append(junit_result(Error, "no sample has a score", "invalid"))
    case = junit_case("study", "the samples were graded", *wrong)
    case.system_out = f"{counted(study.calls, 'grading')} of {counted(study.samples, 'sample')}"
    case.time = round(study.duration_s, 3)
    return case


def encoded(suite: TestSuite, cases: Iterable[TestCase]) -> bytes:
    """Return the suite with these cases as a file, in UTF-8."""
    suite.add_testcases(list(cases))
    root = JUnitXml("rft-preflight")
    root.add_testsuite(suite)
    root.update_statistics()  # type: ignore[no-untyped-call]
    del root._elem.attrib["skipped"]  # noqa: SLF001 the schema that CI viewers go by knows it of suites only
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
    yield from _findings(findings)


def _measurement(summary: Summary, verdict: Verdict) -> TestCase:
    wrong: list[FinalResult] = []
    if not summary.generator.trustworthy:
        wrong.append(junit_result(Error, "; ".join(summary.generator.reasons), "invalid"))
    if summary.interrupted:
        wrong.append(junit_result(Error, headline(summary, verdict), "interrupted"))
    if verdict.verdict == "invalid" and not wrong:
        wrong.append(junit_result(Error, headline(summary, verdict), "invalid"))
    case = junit_case("measurement", "the measurement is whole and can be trusted", *wrong)
    case.time = round(summary.duration_s, 3)  # suites add up the times of their cases
    return case


def _gate(gate: GateResult) -> TestCase:
    if gate.ok:
        return junit_case("gates", gate.expr)
    message = f"observed: {observed(gate.observed, gate.unit)}; gate: {gate.expr}"
    return junit_case("gates", gate.expr, junit_result(Failure, message, "gate"))


def _check(checked: CheckSummary) -> TestCase:
    probed = len(CHECKED)
    rules = f"{len(FILES)} rules about files" if checked.probe == "files" else f"{probed} rules"
    case = junit_case("check", f"{rules} were looked at")
    case.system_out = f"{counted(checked.requests + checked.rate_requests, 'request')} sent"
    case.time = round(
        checked.duration_s + checked.rate_duration_s, 3
    )  # suites add up the times of their cases
    return case


class _Placed(TestCase):
    """A test case that says where in which file it stands, as CI viewers know it."""

    file = Attr()
    line = Attr()


_PLACE = re.compile(r"(.+?):([0-9]+)(?::[0-9]+)?", re.DOTALL)


def _findings(findings: Sequence[Finding]) -> Iterator[TestCase]:
    """Yield a case for each finding; viewers take cases of one name for one, so no two have the same."""
    times: Counter[str] = Counter()
    for finding in findings:
        name = " ".join(filter(None, (finding.code, finding.endpoint, finding.where)))
        times[name] += 1
        yield _finding(finding, name if times[name] == 1 else f"{name} #{times[name]}")


def _finding(finding: Finding, name: str) -> TestCase:
    case = _Placed(brief(name), classname="rft-preflight.findings")
    if place := _PLACE.fullmatch(finding.where):
        case.file, case.line = plain(place[1]), place[2]
    if finding.severity == "error":
        failure = Failure(_said(finding), brief(finding.code))
        failure.text = _told(finding)
        case.result = [failure]
    else:
        case.system_out = f"{finding.severity}: {_told(finding)}"
    return case


def _said(finding: Finding) -> str:
    return "; ".join(map(brief, filter(None, (finding.message, finding.remedy))))


def _told(finding: Finding) -> str:
    """Return all of a finding, a line for each part."""
    where = f"{brief(finding.where)}: " if finding.where else ""
    parts = (f"{label}: {text}" for label, text in (*evidence(finding), *advice(finding)))
    return "\n".join((f"{where}{brief(finding.message)}", *parts))


def junit_case(group: str, name: str, *results: FinalResult) -> TestCase:
    """Return a case, whose group viewers show as its class; without results it has passed."""
    case = TestCase(plain(name), classname=f"rft-preflight.{group}")
    case.result = list(results)
    return case


def junit_result(kind: type[FinalResult], message: str, type_: str) -> FinalResult:
    """Return what a case ended in: junitparser's Failure, Error or Skipped."""
    result = kind(plain(message), plain(type_))
    result.text = plain(message)
    return result
