"""A comparison, shown in every way there is."""

import io
import json
import re

import msgspec
import pytest
from junitparser import JUnitXml
from rich.console import Console
from rich.text import Text

from reports.comparison_json import comparison_to_json
from reports.comparison_junit import comparison_to_junit
from reports.comparison_markdown import MOST_CHARS, comparison_to_markdown
from reports.comparison_sentences import MOST_SENTENCES, change, reasons, sentence
from reports.comparison_terminal import render_comparison
from simulator.measure.comparison import Difference
from tests.reports.comparisons import (
    CASES,
    HOSTILE,
    LINES,
    comparison,
    gated,
    hostile,
    line,
    same,
    untrusted,
    worse,
)

WRITTEN = ["comparison.json", "comparison.md", "junit.xml"]


def shown(compared, width=80, **console):
    screen = Console(file=io.StringIO(), width=width, **console)
    screen.print(render_comparison(compared, WRITTEN, "out/compared"))
    return screen.file.getvalue()


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("case", CASES)
def test_looks_like_its_golden_file(case, width, golden):
    text = shown(CASES[case](), width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"{case}-{width}.txt", "".join(line.rstrip() + "\n" for line in text.splitlines()))


@pytest.mark.parametrize("case", CASES)
def test_colour_says_nothing_that_the_words_do_not(case):
    coloured = shown(CASES[case](), force_terminal=True, color_system="truecolor")
    assert "\x1b[" in coloured
    assert Text.from_ansi(coloured).plain.split() == shown(CASES[case]()).split()


@pytest.mark.parametrize("case", CASES)
def test_every_file_looks_like_its_golden_file(case, golden):
    golden(f"{case}.json", comparison_to_json(CASES[case]()).decode())
    golden(f"{case}.md", comparison_to_markdown(CASES[case]()).decode())
    golden(f"{case}.xml", comparison_to_junit(CASES[case]()).decode())


def test_a_sentence_says_what_became_of_what_and_how_sure_that_is():
    assert sentence(LINES[3]) == (
        "search has become slower: p99 1.9 s instead of 1.5 s (+21%, between +17% and +26%)"
    )
    assert sentence(LINES[4]) == (
        "search fails more often: 2.1% instead of 0.3% (+1.8 points, between +1.1 points and +2.5 points)"
    )
    assert reasons(worse())[0] == (
        "search has become slower: p99 1.9 s instead of 1.5 s (+21%, between +17% and +26%);"
        " p90, p50, middle as well"
    )


@pytest.mark.parametrize(
    ("value", "said"),
    [(0.0, "0.0%"), (0.004, "+0.4%"), (-0.5, "-50%"), (1.0, "+100%"), (12.0, "x13"), (-0.00001, "0.0%")],
)
def test_a_change_of_a_time_is_in_percent(value, said):
    assert change(LINES[0], value) == said


def test_json_has_times_in_ms_and_says_so():
    report = json.loads(comparison_to_json(gated()))
    by_name = {line["name"]: line for line in report["lines"]}
    assert (by_name["search.p99"]["base_ms"], by_name["search.p99"]["now_ms"]) == (1500, 1900)
    assert by_name["search.p99"]["change"] == 0.21
    assert by_name["scores.mean"]["base"] == 0.598
    assert "base_ms" not in by_name["scores.mean"]
    assert report["gates"][0]["bound_ms"] == 1650
    assert report["sampling"] == {"base_ms": 52300, "now_ms": 61000}
    assert (report["kind"], report["verdict"], report["schema_version"]) == ("compare", "fail", 1)


def test_markdown_holds_nothing_that_could_act():
    text = comparison_to_markdown(hostile()).decode()
    rest = re.sub(r"<code>[^<>]*</code>", "", text)
    assert not re.search(r"@|<(?!/?(details|summary)>)|\]\(|http:|\x1b", rest)
    for quoted in re.findall(r"<code>(.*?)</code>", text):
        assert not re.search(r"[@|`*\[\]<>_]", re.sub(r"&#\d+;", "", quoted))
    rows = [row for row in text.splitlines() if row.startswith("|")]
    assert {row.count("|") for row in rows} <= {4, 7}


def test_markdown_is_shorter_than_a_comment_may_be():
    lines = [msgspec.structs.replace(LINES[n % 9], subject=f"{HOSTILE}{n}") for n in range(900)]
    differences = [Difference(HOSTILE, HOSTILE, n) for n in range(300)]
    text = comparison_to_markdown(comparison(lines, differences=tuple(differences))).decode()
    assert len(text) < MOST_CHARS
    assert "comparison.json" in text


def test_a_viewer_sees_a_case_for_each_line_and_gate():
    (suite,) = JUnitXml.fromstring(comparison_to_junit(worse()))
    failed = [case.name for case in suite if case.result and case.result[0]._tag == "failure"]
    assert failed == [line.name for line in LINES if line.verdict == "worse"]
    assert (suite.tests, suite.skipped) == (1 + len(LINES), 3)
    (suite,) = JUnitXml.fromstring(comparison_to_junit(gated()))
    assert suite.failures == 2  # with gates they alone decide
    (suite,) = JUnitXml.fromstring(comparison_to_junit(untrusted()))
    assert suite.errors == 1
    (suite,) = JUnitXml.fromstring(comparison_to_junit(same()))
    assert suite.failures + suite.errors + suite.skipped == 0


def test_a_long_story_is_cut():
    lines = [line(f"tool{n}", "p99", "time", 1.0, 2.0, 1.0, 0.9, 1.1, "worse") for n in range(20)]
    said = reasons(comparison(lines))
    assert len(said) == MOST_SENTENCES + 1
    assert said[-1] == "12 more in the table"
