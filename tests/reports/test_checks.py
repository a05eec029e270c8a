"""A check, shown in every way there is."""

import io
import json

import msgspec
import pytest
from hypothesis import given, settings
from junitparser import Failure, JUnitXml
from rich.console import Console
from rich.text import Text

from reports.check_json import check_to_json
from reports.check_terminal import render_check, render_findings
from reports.files import CHECK_REPORTS, write_check_reports
from reports.junit import check_to_junit
from reports.rules import rules_markdown
from reports.text import plain
from simulator.findings import GROUPS, RULES, found
from simulator.measure.checked import CheckSummary
from simulator.model import Finding
from tests.reports.checks import CHECKS, healthy, unwell
from tests.reports.test_files import HOSTILE

OUT = "out/catalog-check-20260101-120000"


def shown(what, width=100, **console):
    screen = Console(file=io.StringIO(), width=width, **console)
    screen.print(what)
    return screen.file.getvalue()


def report_of(checked, findings):
    return render_check(checked, findings, list(CHECK_REPORTS), OUT)


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("case", CHECKS)
def test_looks_like_its_golden_file(case, width, golden):
    text = shown(report_of(*CHECKS[case]()), width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"{case}-{width}.txt", "".join(line.rstrip() + "\n" for line in text.splitlines()))


def test_colour_says_nothing_that_the_words_do_not():
    coloured = shown(report_of(*unwell()), force_terminal=True, color_system="truecolor")
    assert "\x1b[" in coloured
    assert Text.from_ansi(coloured).plain.split() == shown(report_of(*unwell())).split()


def test_all_errors_are_shown_and_many_alike_warnings_are_folded():
    errors = [found("dataset.unusable_row", f"row {n}", where=f"train.jsonl:{n}:1") for n in range(40)]
    checked, findings = unwell()
    text = shown(report_of(checked, (*findings, *errors)))
    assert all(f"row {n}\n" in text for n in range(40))
    assert "3 more of dataset.leak: all are in report.json" in text
    assert "FAIL  42 errors, 9 warnings, 1 note found" in text


def test_findings_of_a_run_are_a_line_or_two_each():
    _, findings = unwell()
    text = " ".join(shown(render_findings(findings)).split())
    assert "data/train.jsonl:3:1: error dataset.no_messages: no `messages`; likewise on" in text
    assert "warning wire.certificate_expires: search: valid for 12 more days; renew the certificate" in text
    assert RULES["wire.certificate_expires"].effect not in text


@pytest.mark.parametrize("case", CHECKS)
def test_json_read_back_gives_the_same_check(case):
    checked, findings = CHECKS[case]()
    written = check_to_json(checked, findings)
    read = json.loads(written)
    assert read["kind"] == "check"
    assert read["verdict"] == ("fail" if case == "check-unwell" else "pass")
    assert msgspec.convert(read["findings"], tuple[Finding, ...]) == findings
    again = msgspec.convert(read, CheckSummary)
    assert check_to_json(again, findings) == written
    assert again.endpoints[0].http_version == checked.endpoints[0].http_version


def cases_of(checked, findings):
    (suite,) = JUnitXml.fromstring(check_to_junit(checked, findings))
    return suite, list(suite)


def test_junit_has_a_case_for_the_check_and_one_for_each_finding():
    checked, findings = unwell()
    suite, (whole, *cases) = cases_of(checked, findings)
    assert (suite.tests, suite.failures) == (1 + len(findings), 2)
    assert f"{len(RULES)} rules" in whole.name
    assert whole.time == pytest.approx(14.21 + 10.04)
    for case, finding in zip(cases, findings, strict=True):
        assert case.name == f"{finding.code} {finding.where or finding.endpoint}"
        told = case.result[0].text if finding.severity == "error" else case.system_out
        assert finding.message in told
        assert finding.effect in told
        assert f"remedy: {finding.remedy}" in told
        assert isinstance(case.result[0], Failure) if finding.severity == "error" else case.is_passed
    assert "request: POST /search" in cases[0].result[0].text
    assert (cases[1]._elem.get("file"), cases[1]._elem.get("line")) == ("data/train.jsonl", "3")


def test_a_check_without_findings_has_a_case_that_passed():
    _, (whole,) = cases_of(*healthy())
    assert whole.is_passed


def test_files_are_written_whole(tmp_path):
    checked, findings = unwell()
    assert write_check_reports(tmp_path, checked, findings) == ["report.json", "junit.xml"]
    assert {path.name for path in tmp_path.iterdir()} == {"report.json", "junit.xml"}
    assert (tmp_path / "report.json").read_bytes() == check_to_json(checked, findings)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(HOSTILE)
def test_what_strangers_wrote_breaks_neither_terminal_nor_xml_nor_json(text):
    checked, _ = unwell()
    replace = msgspec.structs.replace
    endpoints = tuple(
        replace(e, name=text, http_version=text, tls=text, bad_arguments={text: text})
        for e in checked.endpoints
    )
    checked = replace(checked, scenario=text, endpoints=endpoints, left_out=(text,))
    finding = Finding(text, "error", text, text, text, text, text, text, text)
    for what in (report_of(checked, (finding,)), render_findings((finding,))):
        assert all(line.isprintable() for line in shown(what, 80).split("\n"))
    _, (_, case) = cases_of(checked, (finding,))
    assert case.result[0].message == plain(f"{text}; {text}")
    assert (
        json.loads(check_to_json(checked, (finding,)))["scenario"] == text.encode("utf-8", "replace").decode()
    )


def test_a_megabyte_of_message_is_told_in_time():
    checked, _ = unwell()
    finding = found("endpoint.fails", "x" * 1_000_000, endpoint="search")
    assert "x" * 90 in shown(report_of(checked, (finding,)))


# -- the rules themselves


def test_every_rule_is_one_of_its_group_and_whole():
    rules = [rule for rules in GROUPS.values() for rule in rules]
    assert len(RULES) == len(rules)  # no code twice
    for rule in rules:
        assert rule.severity in {"error", "warning", "note"}
        assert rule.how.endswith(".")
        assert rule.effect.endswith(".")
        assert not rule.remedy.endswith(".")  # it follows a semicolon
        assert not rule.title.endswith(".")
        assert f"| `{rule.code}` | {rule.severity} | {rule.title} |" in rules_markdown()
