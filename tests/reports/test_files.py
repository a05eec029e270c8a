import io
import json
import math
import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml
from rich.console import Console

from reports.files import REPORTS, write_reports
from reports.json_report import to_json
from reports.junit import to_junit
from reports.reading import as_read_back
from reports.results import Results
from reports.terminal import render
from reports.text import plain
from simulator.gates import Verdict
from simulator.measure.summary import Summary
from simulator.model import Finding
from tests.reports.runs import CASES, EXAMPLES, FINDINGS, failing, interrupted, invalid, passing, replayed

CONTRACT = {
    "": "schema_version verdict scenario seed started_at duration_s load rollouts endpoints steps grader"
    " generator gates findings",
    "load": "mode steps batch_size group_size compute_multiplier rollouts_per_step time_scale assumptions",
    "rollouts": "planned completed graded discarded discarded_rate false_zero false_zero_rate groups"
    " groups_incomplete calls_per_rollout",
    "rollouts.calls_per_rollout": "mean max",
    "endpoints.0": "name kind calls attempts retries faults error_rate soft_errors service_ms"
    " schedule_delay_ms",
    "endpoints.0.service_ms": "p50 p90 p95 p99 p999 max mean",
    "endpoints.0.schedule_delay_ms": "p50 p99 max",
    "steps.0": "step rollouts sampling_s ideal_s inflation in_flight_max calls_per_s_max",
    "grader": "scores agreement learnability",
    "grader.scores": "mean std zero one",
    "generator": "cpu lag_ms trustworthy reasons",
    "generator.lag_ms": "p50 p99 max",
    "gates.0": "expr observed ok",
    "findings.0": "code severity endpoint message remedy",
}


@pytest.mark.parametrize("place", CONTRACT)
def test_the_keys_that_others_build_on_are_there(place):
    found = json.loads(to_json(*failing(), FINDINGS))
    for key in filter(None, place.split(".")):
        found = found[int(key) if key.isdigit() else key]
    assert set(CONTRACT[place].split()) <= found.keys()


def test_json_looks_like_its_golden_file(golden):
    written = to_json(*failing(), FINDINGS).decode()
    golden("failing.json", re.sub(r'"HIST[\w+/=]+"', '"HIST..."', written))  # zlib may compress otherwise


@pytest.mark.parametrize("case", CASES)
def test_json_read_back_gives_the_same_report(case):
    written = to_json(*CASES[case](), FINDINGS)
    again = (msgspec.json.decode(written, type=kind) for kind in (Summary, Verdict))
    assert to_json(*again, FINDINGS) == written


def test_json_holds_the_summary_to_the_microsecond():
    summary, verdict = failing()
    read = msgspec.json.decode(to_json(summary, verdict), type=Summary)
    for ours, theirs in zip(read.endpoints, summary.endpoints, strict=True):
        assert math.isclose(ours.service_ms.p99, theirs.service_ms.p99, abs_tol=5e-4)
    assert (read.rollouts.discarded, read.load, read.series) == (13, summary.load, summary.series)


def cases_of(xml):
    (suite,) = JUnitXml.fromstring(xml)
    return suite, {(case.classname.rpartition(".")[2], case.name): case for case in suite}


@pytest.mark.parametrize("case", [passing, failing, invalid, interrupted])
def test_junit_looks_like_its_golden_file(case, golden):
    golden(f"{case.__name__}.xml", to_junit(*case(), FINDINGS).decode())


def test_junit_has_a_case_for_each_gate_and_finding():
    suite, cases = cases_of(to_junit(*failing(), FINDINGS))
    assert suite.name == "rft-preflight finqa"
    assert (suite.tests, suite.failures, suite.errors) == (1 + 6 + 2, 3 + 1, 0)
    assert suite.time == pytest.approx(failing()[0].duration_s, abs=1e-3)
    (discarded,) = cases["gates", "rollouts.discarded_rate == 0"].result
    assert isinstance(discarded, Failure)
    assert discarded.message == "observed: 2.7%; gate: rollouts.discarded_rate == 0"
    assert cases["gates", "tools.p99 < 10s"].is_passed
    (no_auth,) = cases["findings", "no-auth cat"].result
    assert no_auth.message == "answers without a token; check the bearer token"
    assert cases["findings", "slow-start search"].is_passed
    assert cases["findings", "slow-start search"].system_out.startswith("warning: the first call took 4.1 s")


@pytest.mark.parametrize(
    ("case", "kind", "message"),
    [(invalid, "invalid", "430 ms late"), (interrupted, "interrupted", "stopped after 12 of 32 rollouts")],
)
def test_a_measurement_that_cannot_be_used_is_an_error_of_its_own(case, kind, message):
    suite, cases = cases_of(to_junit(*case()))
    (error,) = cases["measurement", "the measurement is whole and can be trusted"].result
    assert isinstance(error, Error)
    assert (error.type, suite.errors) == (kind, 1)
    assert message in error.message


def test_every_report_is_written_and_nothing_else(tmp_path):
    (tmp_path / "report.json").write_text("an earlier run's")
    results = Results(*passing(), FINDINGS)
    names = write_reports(tmp_path, results)
    assert names == list(REPORTS)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        name: report(as_read_back(results)) for name, report in REPORTS.items()
    }


def test_a_file_that_cannot_be_replaced_leaves_no_other(tmp_path):
    (tmp_path / "report.json").mkdir()
    with pytest.raises(OSError, match=r"report\.json"):
        write_reports(tmp_path, Results(*passing()))
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


HOSTILE = st.text(st.characters(codec=None, exclude_categories=()), max_size=40) | st.sampled_from(
    ["\x1b[2J\x1b]0;owned\x07", "[bold]x[/bold]", "]]><script>", "\ud800", "\u202egnp.exe", "&amp;\x00\ufffe"]
)


def poisoned(text):
    summary, verdict = failing()
    replace = msgspec.structs.replace
    replay, one = replayed()[0].replay, EXAMPLES[0]
    tool = replace(replay.tools, name=text)
    changed = replace(one, endpoint=text, recording=text, arguments=text, then=text, now=f"{text}{text}")
    summary = replace(
        summary,
        scenario=text,
        load=replace(summary.load, policy=text, assumptions=(text,)),
        endpoints=tuple(
            replace(endpoint, name=text, faults={text: 1}, violations={text: 1})
            for endpoint in summary.endpoints
        ),
        grader=replace(summary.grader, type=text),
        replay=replace(replay, formats={text: 1}, by_tool=(tool,), examples=(changed,)),
        generator=replace(summary.generator, trustworthy=False, reasons=(text,)),
    )
    gates = tuple(replace(gate, expr=text) for gate in verdict.gates)
    return summary, Verdict("invalid", gates), (Finding(text, "error", text, text, text),)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(HOSTILE)
def test_what_strangers_wrote_breaks_neither_terminal_nor_xml_nor_json(text):
    summary, verdict, findings = poisoned(text)
    screen = Console(file=io.StringIO(), width=80)
    screen.print(render(summary, verdict, [text], text))
    assert all(line.isprintable() for line in screen.file.getvalue().split("\n"))
    _, cases = cases_of(to_junit(summary, verdict, findings))
    name, message = (f"{text} {text}", f"{text}; {text}") if text else ("", "")
    assert (cases["findings", plain(name)].result[0].message or "") == plain(message)
    read = json.loads(to_json(summary, verdict, findings))
    assert read["scenario"] == text.encode("utf-8", "replace").decode()
