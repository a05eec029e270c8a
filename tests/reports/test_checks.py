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
from reports.check_terminal import render_check
from reports.endpoint_facts import varied
from reports.files import CHECK_REPORTS, write_check_reports
from reports.findings import alike
from reports.findings_terminal import render_findings
from reports.junit import check_to_junit
from reports.text import plain
from simulator.findings import CHECKED, RULES, found
from simulator.findings.files import FILES
from simulator.measure.checked import CheckSummary
from simulator.model import Finding
from tests.reports.checks import CHECKS, LONG_PATH, SEARCH, crowded, files_only, healthy, unwell, warned
from tests.reports.test_files import HOSTILE

OUT = "out/catalog-check-20260101-120000"


def shown(what, width=100, **console):
    screen = Console(file=io.StringIO(), width=width, **console)
    screen.print(what)
    return screen.file.getvalue()


def report_of(checked, findings):
    return render_check(checked, findings, list(CHECK_REPORTS), OUT)


# -- the terminal


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("case", CHECKS)
def test_looks_like_its_golden_file(case, width, golden):
    text = shown(report_of(*CHECKS[case]()), width)
    assert all(len(line) <= width for line in text.splitlines() if not line.startswith(LONG_PATH))
    golden(f"{case}-{width}.txt", "".join(line.rstrip() + "\n" for line in text.splitlines()))


@pytest.mark.parametrize("case", CHECKS)
def test_colour_says_nothing_that_the_words_do_not(case):
    coloured = shown(report_of(*CHECKS[case]()), force_terminal=True, color_system="truecolor")
    assert "\x1b[" in coloured
    assert Text.from_ansi(coloured).plain.split() == shown(report_of(*CHECKS[case]())).split()


@pytest.mark.parametrize("width", [40, 80, 100])
@pytest.mark.parametrize("render", [lambda findings: report_of(files_only()[0], findings), render_findings])
def test_what_editors_jump_by_is_never_broken(render, width):
    lines = shown(render(files_only()[1]), width).splitlines()
    assert f"{LONG_PATH}:1204:33: error dataset.last_not_user:" in lines
    assert any(line.startswith("valid.jsonl:3:15: error dataset.last_not_user:") for line in lines)


def test_nothing_that_was_sent_is_lost_at_the_edge():
    body = "POST /search " + "".join(f'{{"n":{n}}}' for n in range(40))
    finding = msgspec.structs.replace(unwell()[1][0], request=body)
    text = shown(report_of(unwell()[0], (finding,)), 80)
    assert "".join(body.split()) in "".join(text.split())


def test_a_check_that_is_not_whole_does_not_pass():
    checked, _ = healthy()
    unfinished = (found("check.unfinished", "ordinary calls took too long"),)
    assert "UNFINISHED  no error, but 1 warning found" in shown(report_of(checked, unfinished))
    assert json.loads(check_to_json(checked, unfinished))["verdict"] == "unfinished"
    _, findings = unwell()
    assert json.loads(check_to_json(checked, (*findings, *unfinished)))["verdict"] == "fail"


def test_all_errors_are_shown_and_many_alike_warnings_are_listed():
    errors = [found("dataset.unusable_row", f"row {n}", where=f"train.jsonl:{n}:1") for n in range(40)]
    checked, findings = unwell()
    text = shown(report_of(checked, (*findings, *errors)))
    assert all(f"train.jsonl:{n}:1: error dataset.unusable_row: row {n}\n" in text for n in range(40))
    listed = ", ".join(f"valid.jsonl:{n}:1" for n in range(4, 9))
    assert f"and 5 more, in full in report.json: {listed}" in " ".join(text.split())
    assert text.count("FAIL  42 errors, 9 warnings, 1 note found") == 2  # at the end too, for it is long


def test_what_asks_for_the_same_is_told_once_the_worst_first():
    groups = alike(crowded()[1])
    order = [(group[0].severity, group[0].code, len(group)) for group in groups]
    assert order == [
        ("error", "tool.crashes_on_arguments", 17),
        ("warning", "dataset.duplicate_rows", 26),
        ("warning", "wire.no_keep_alive", 17),
    ]
    assert [one.endpoint for one in groups[0]] == sorted(one.endpoint for one in groups[0])
    text = " ".join(shown(report_of(*crowded())).split())
    assert text.count(RULES["tool.crashes_on_arguments"].effect) == 1
    assert text.count("request POST / {}") == 3
    assert "what the others were sent and answered is in report.json" in text


def test_other_remedies_are_not_lost_among_alike_findings():
    findings = [found("job.unusable", f"no {name}", remedy=f"add {name}") for name in ("url", "name", "url")]
    text = shown(report_of(files_only()[0], findings))
    assert [text.count(remedy) for remedy in ("add url", "add name")] == [2, 1]


def test_only_what_is_known_of_endpoints_is_in_the_table():
    bare = healthy()[0].endpoints[0]
    text = shown(report_of(*healthy()))
    assert "endpoint  HTTP  connect" in text
    assert not {"TLS", "first", "warm", "rate", "kept", "bad", "answers"} & set(text.split())
    assert "  endpoint  " not in shown(report_of(*CHECKS["check-unreachable"]()))
    both = msgspec.structs.replace(healthy()[0], endpoints=(bare, SEARCH))
    lines = shown(report_of(both, ())).splitlines()
    assert ["echo", "1.1", "-", "0.2", "ms", "-", "-", "-", "-"] in [line.split() for line in lines]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (["400", "422", "soft error", "answered"], "2 refused (4xx), 1 soft error, 1 answered"),
        (["soft error", "timeout", "soft error"], "2 soft errors, 1 hung"),
        (["scored 0", "scored 0.5", "500", "307"], "2 scored 0 to 0.5, 1 crashed (5xx), 1 redirected (3xx)"),
        (["scored 1", "malformed_answer"], "1 scored 1, 1 malformed answer"),
        (["scored -1e+30", "scored 2.5e-05"], "2 scored -1e+30 to 2.5e-05"),
        (["scored \x1b[2J", "scored inf"], "1 scored ?[2J, 1 scored inf"),
    ],
)
def test_what_became_of_bad_calls_is_counted(said, told):
    facts = msgspec.structs.replace(SEARCH, bad_arguments=dict(enumerate(said)), bad_answers={})
    (row,) = varied([facts])
    assert shown(row).split() == ["bad", "calls", "search", *told.split()]


@pytest.mark.parametrize(
    ("rates", "said"),
    [
        ((50.0,), "at 50 per second"),
        ((50.0, 50.0), "at 50 per second each"),
        ((9.5, 50.0), "at 9.5 to 50 per second each"),
    ],
)
def test_the_headline_says_at_which_rate(rates, said):
    endpoints = [
        msgspec.structs.replace(SEARCH, url=f"http://a/{n}", rate_asked_per_s=rate)
        for n, rate in enumerate(rates)
    ]
    checked = msgspec.structs.replace(healthy()[0], endpoints=(*endpoints,), rate_requests=500)
    headline = shown(report_of(checked, ())).strip().split("\n\n")[0]
    assert " ".join(headline.split()).endswith(f"and 500 in 0 s {said}")


def test_a_check_without_errors_says_so():
    assert "PASS  nothing found with 174 requests in 3.8 s" in shown(report_of(*healthy()))
    assert "PASS  no error, but 9 warnings, 1 note found with 243 requests" in shown(report_of(*warned()))


def test_findings_of_a_run_are_a_line_or_two_each():
    _, findings = unwell()
    text = " ".join(shown(render_findings(findings)).split())
    assert "data/train.jsonl:3:1: error dataset.no_messages: no `messages`; likewise on" in text
    assert "warning wire.certificate_expires: search: valid for 12 more days; renew the certificate" in text
    assert RULES["wire.certificate_expires"].effect not in text
    assert shown(render_findings(())) == ""


# -- files


@pytest.mark.parametrize("case", CHECKS)
def test_json_read_back_gives_the_same_check(case):
    checked, findings = CHECKS[case]()
    written = check_to_json(checked, findings)
    read = json.loads(written)
    assert (read["schema_version"], read["kind"]) == (1, "check")
    failed = any(finding.severity == "error" for finding in findings)
    assert read["verdict"] == ("fail" if failed else "pass")
    assert msgspec.convert(read["findings"], tuple[Finding, ...]) == findings
    assert msgspec.convert(read, CheckSummary) == checked


def test_json_looks_like_its_golden_file(golden):
    golden("check-unwell.json", check_to_json(*unwell()).decode())


@pytest.mark.parametrize("case", ["check-unwell", "check-healthy"])
def test_junit_looks_like_its_golden_file(case, golden):
    golden(f"{case}.xml", check_to_junit(*CHECKS[case]()).decode())


def cases_of(checked, findings):
    (suite,) = JUnitXml.fromstring(check_to_junit(checked, findings))
    return suite, list(suite)


def test_junit_has_a_case_for_the_check_and_one_for_each_finding():
    checked, findings = unwell()
    suite, (whole, *cases) = cases_of(checked, findings)
    assert (suite.tests, suite.failures) == (1 + len(findings), 2)
    assert whole.name == f"{len(CHECKED)} rules were looked at"
    assert whole.system_out == "1,243 requests sent"
    assert whole.time == pytest.approx(14.21 + 10.04)
    properties = {(one.name, one.value) for one in suite.properties()}
    assert {("verdict", "fail"), ("left out", "refund: the scenario excludes it")} <= properties
    for case, finding in zip(cases, findings, strict=True):
        assert case.name == f"{finding.code} {finding.where or finding.endpoint}"
        told = case.result[0].text if finding.severity == "error" else case.system_out
        assert finding.message in told
        assert finding.effect in told
        assert f"remedy: {finding.remedy}" in told
        if finding.severity == "error":
            assert isinstance(case.result[0], Failure)
            assert case.result[0].type == finding.code
        else:
            assert case.is_passed
            assert told.startswith(f"{finding.severity}: ")
    assert "\nrequest: POST /search {" in cases[0].result[0].text
    assert '\nanswer: 500 {"error": "internal"}\ntraining: ' in cases[0].result[0].text


@pytest.mark.parametrize(
    ("where", "file", "line"),
    [
        ("data/train.jsonl:3:1", "data/train.jsonl", "3"),
        ("train.jsonl:14", "train.jsonl", "14"),
        ("a:1:b.jsonl:20:300", "a:1:b.jsonl", "20"),
        ("odd\nna\x1bme.jsonl:3:1", "odd na?me.jsonl", "3"),
        ("train.jsonl", None, None),
        ("--train", None, None),
        ("", None, None),
    ],
)
def test_junit_says_in_which_file_and_line(where, file, line):
    _, (_, case) = cases_of(healthy()[0], (found("job.no_tls", "no TLS", endpoint="cat", where=where),))
    assert (case._elem.get("file"), case._elem.get("line")) == (file, line)
    assert case.name == f"job.no_tls cat {plain(where)}".rstrip()


def test_junit_has_no_two_cases_of_one_name():
    twice = [found("endpoint.malformed", message, endpoint="search") for message in ("no output", "no JSON")]
    _, (_, *cases) = cases_of(healthy()[0], twice)
    assert [case.name for case in cases] == ["endpoint.malformed search", "endpoint.malformed search #2"]


def test_a_check_without_findings_has_a_case_that_passed():
    _, (whole,) = cases_of(*healthy())
    assert whole.is_passed
    _, (whole, *_) = cases_of(*files_only())
    assert whole.name == f"{len(FILES)} rules about files were looked at"


def test_files_are_written_whole(tmp_path):
    checked, findings = unwell()
    assert write_check_reports(tmp_path, checked, findings) == ["report.json", "junit.xml"]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "report.json": check_to_json(checked, findings),
        "junit.xml": check_to_junit(checked, findings),
    }


# -- strangers


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
    note = replace(finding, severity="note")
    for what in (report_of(checked, (finding, *[note] * 9)), render_findings((finding, *[note] * 9))):
        assert all(line.isprintable() for line in shown(what, 80).split("\n"))
    _, (_, case, passed) = cases_of(checked, (finding, note))
    assert (case.result[0].message or "") == (plain(f"{text}; {text}") if text else "")
    assert passed.is_passed
    read = json.loads(check_to_json(checked, (finding,)))
    assert read["findings"][0]["answer"] == text.encode("utf-8", "replace").decode()


def test_a_megabyte_is_cut_for_people_and_whole_in_json():
    long = "x" * 999_990 + "\x1b[2J" + "the end"
    finding = Finding("tool.type", "error", long, long, long, long, long, long, long)
    checked = msgspec.structs.replace(unwell()[0], left_out=(long,))
    for said in (
        shown(report_of(checked, (finding,)), 80),
        shown(render_findings((finding,)), 80),
        check_to_junit(checked, (finding,)).decode(),
    ):
        assert "the end" in said
        assert "\x1b" not in said
        assert len(said) < 20_000
    assert json.loads(check_to_json(checked, (finding,)))["findings"][0]["message"] == long
