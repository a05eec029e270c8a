"""`junit.xml` of a comparison: a test case for both measurements, one for each gate and one for each line."""

from collections.abc import Iterator

from junitparser import Error, Failure, Skipped, TestCase, TestSuite

from reports.comparison_sentences import difference, gate_observed, headline, how, sentence
from reports.junit import encoded, junit_case, junit_result
from reports.text import plain
from simulator.measure.comparison import ComparedLine, Comparison


def comparison_to_junit(comparison: Comparison) -> bytes:
    """Return the comparison as JUnit XML, in UTF-8.

    A line that is worse is a failure only without gates, which otherwise decide alone.
    """
    suite = TestSuite(f"rft-preflight compare {plain(comparison.now.scenario)}")
    suite.timestamp = plain(comparison.now.started_at)
    suite.add_property("verdict", comparison.verdict)
    suite.add_property("headline", headline(comparison))
    suite.add_property("method", how(comparison))
    for one in comparison.differences:
        suite.add_property("differs", difference(one))
    return encoded(suite, _cases(comparison))


def _cases(comparison: Comparison) -> Iterator[TestCase]:
    wrong = [
        f"{name}: {reason}"
        for name, run in (("BASE", comparison.base), ("NOW", comparison.now))
        for reason in run.untrusted
    ]
    said = [junit_result(Error, "; ".join(wrong), "invalid")] if wrong else []
    yield junit_case("measurement", "both measurements are whole and can be trusted", *said)
    for gate in comparison.gates:
        failed = [] if gate.ok else [junit_result(Failure, gate_observed(gate), "gate")]
        yield junit_case("gates", gate.expr, *failed)
    for line in comparison.lines:
        yield _line(line, fails=not comparison.gates)


def _line(line: ComparedLine, *, fails: bool) -> TestCase:
    if line.verdict == "worse" and fails:
        return junit_case("lines", line.name, junit_result(Failure, sentence(line), "worse"))
    if line.verdict == "unclear":
        return junit_case("lines", line.name, junit_result(Skipped, line.note or "unclear", "unclear"))
    case = junit_case("lines", line.name)
    case.system_out = f"{line.verdict}: {sentence(line)}" if line.verdict != "same" else "same"
    return case
