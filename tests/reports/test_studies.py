"""A study of a grader, shown in every way there is."""

import io
import json

import msgspec
import pytest
from junitparser import Failure, JUnitXml
from rich.console import Console
from rich.text import Text

from reports.files import STUDY_REPORTS, write_study_reports
from reports.junit import study_to_junit
from reports.study_json import study_to_json
from reports.study_terminal import render_study
from simulator.measure.summary import StudySummary
from tests.reports.studies import STUDIES, flawed, good

OUT = "out/catalog-grade-20260101-120000"


def shown(study, verdict, findings, width=100, **console):
    screen = Console(file=io.StringIO(), width=width, **console)
    screen.print(render_study(study, verdict, findings, list(STUDY_REPORTS), OUT))
    return screen.file.getvalue()


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("case", STUDIES)
def test_looks_like_its_golden_file(case, width, golden):
    text = shown(*STUDIES[case](), width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"{case}-{width}.txt", "".join(line.rstrip() + "\n" for line in text.splitlines()))


@pytest.mark.parametrize("case", STUDIES)
def test_colour_says_nothing_that_the_words_do_not(case):
    coloured = shown(*STUDIES[case](), force_terminal=True, color_system="truecolor")
    assert Text.from_ansi(coloured).plain.split() == shown(*STUDIES[case]()).split()


@pytest.mark.parametrize("case", STUDIES)
def test_names_of_strangers_do_nothing(case):
    assert "\x1b" not in shown(*STUDIES[case]())


def test_markup_in_a_name_is_shown_as_it_is():
    assert "[red]other[/red]?[31m" in shown(*flawed())


@pytest.mark.parametrize("case", STUDIES)
def test_the_json_is_the_summary(case):
    study, verdict, findings = STUDIES[case]()
    report = study_to_json(study, verdict, findings)
    read = msgspec.json.decode(report, type=StudySummary)
    assert (read.samples, read.grader.scores.one) == (study.samples, study.grader.scores.one)
    assert json.loads(report)["verdict"] == verdict.verdict
    assert [one["code"] for one in json.loads(report)["findings"]] == [one.code for one in findings]


def test_junit_has_a_case_for_the_study_each_gate_and_each_finding():
    study, verdict, findings = flawed()
    suite = next(iter(JUnitXml.fromstring(study_to_junit(study, verdict, findings))))
    assert len(list(suite)) == 1 + len(verdict.gates) + len(findings)
    failed = [case.name for case in suite if any(isinstance(result, Failure) for result in case.result)]
    errors = [f"{one.code} judge" for one in findings if one.severity == "error"]
    assert failed == [gate.expr for gate in verdict.gates if not gate.ok] + errors


def test_a_study_without_scores_is_an_error_in_junit():
    study, verdict, findings = STUDIES["study-ungraded"]()
    suite = next(iter(JUnitXml.fromstring(study_to_junit(study, verdict, findings))))
    assert suite.errors == 2  # there was no time for all, too


def test_verdicts():
    assert {name: study()[1].verdict for name, study in STUDIES.items()} == {
        "study-good": "fail", "study-flawed": "fail", "study-recorded": "pass", "study-ungraded": "fail"
    }  # fmt: skip
    assert [gate.ok for gate in good()[1].gates] == [False, True, True]


def test_files_are_written_whole(tmp_path):
    assert write_study_reports(tmp_path, *good()) == list(STUDY_REPORTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(STUDY_REPORTS)
