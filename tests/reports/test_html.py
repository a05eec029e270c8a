import base64
import hashlib
import itertools
import json
import re
from html.parser import HTMLParser

import msgspec
import pytest
from hypothesis import given, settings

from reports.html import page
from reports.html.page import gallery, study_gallery, study_to_html, to_html
from reports.html.waterfall import segments
from reports.results import Results
from simulator.measure.detail import detail_of
from simulator.measure.histogram import Histogram
from tests.reports.played import copies
from tests.reports.runs import CASES, FINDINGS, failing, failing_in_detail, passing, played_failing
from tests.reports.studies import flawed
from tests.reports.test_files import HOSTILE, poisoned


@pytest.fixture(autouse=True, scope="module")
def _without_the_library():
    """Spare the tests of what is around the pictures the library that draws them, a megabyte of text."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "vega", lambda: "window.vegaEmbed = null;")
        yield


class Page(HTMLParser):
    """Everything that a browser would make of a page: its elements, and the text outside of scripts."""

    def __init__(self, page: bytes) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._in = ""
        self.feed(page.decode())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._in = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, _tag):
        self._in = ""

    def handle_data(self, data):
        if self._in == "script":
            self.scripts[-1] += data
        elif self._in != "style":
            self.text += data

    @property
    def specs(self):
        return json.loads(self.scripts[0])


@pytest.mark.parametrize("make", [lambda: to_html(failing_in_detail()), lambda: study_to_html(*flawed())])
def test_nothing_is_loaded_from_anywhere_and_only_the_pages_own_scripts_may_run(make):
    read = Page(make())
    assert not [tag for tag, attributes in read.elements if {"src", "href", "srcset"} & attributes.keys()]
    assert not re.search(r"@import|url\(", read.text)
    (policy,) = [a["content"] for tag, a in read.elements if tag == "meta" and "http-equiv" in a]
    allowed = set(re.findall(r"'sha256-([^']+)'", policy))
    of_page = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in read.scripts[1:]}
    assert allowed == of_page
    assert "'unsafe-eval'" not in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src 'none'" in policy


@pytest.mark.parametrize("case", CASES)
def test_every_run_has_a_page_with_its_verdict_first(case):
    summary, verdict = CASES[case]()
    read = Page(to_html(Results(summary, verdict, FINDINGS)))
    word = "interrupted" if summary.interrupted else verdict.verdict
    assert word.upper() in read.text[:400]
    assert all(gate.expr in read.text for gate in verdict.gates)
    assert "answers without a token" in read.text


def test_many_findings_that_ask_for_the_same_are_counted():
    one = FINDINGS[0]
    findings = [msgspec.structs.replace(one, endpoint=f"tool {n:02}") for n in range(12)]
    text = Page(to_html(Results(*passing(), findings))).text
    assert "and 2 more, in report.json" in text
    assert ("tool 09" in text, "tool 10" in text) == (True, False)


def test_a_run_has_all_pictures_that_there_is_anything_for():
    drawn = [picture.name for section in gallery(failing_in_detail()) for picture in section.pictures]
    assert drawn == [
        "in-flight", "calls", "faults", "percentiles", "heat-1", "heat-2", "heat-3",
        "calls-per-rollout", "slowest", "discarded", "rewards",
    ]  # fmt: skip


def test_every_mark_of_every_picture_has_a_place_on_both_axes():
    grader = flawed()[0].grader
    assert grader.agreement
    assert grader.learnability
    for drawn in (*gallery(failing_in_detail()), *study_gallery(grader)):
        for picture in drawn.pictures:
            shared = picture.spec["encoding"]
            for layer in picture.spec.get("layer", [picture.spec]):
                placed = {*shared, *layer.get("encoding", {})}
                needed = {"y"} if layer["mark"]["type"] == "rule" else {"x", "y"}
                assert needed <= placed, picture.name


def picture(name):
    (found,) = [p for section in gallery(failing_in_detail()) for p in section.pictures if p.name == name]
    return found


def rows(name):
    return picture(name).spec["data"]["values"]


def test_pictures_hold_the_figures_of_the_report():
    summary = failing()[0]
    assert max(row["n"] for row in rows("in-flight")) == max(summary.series.in_flight)
    faults = {}
    for row in rows("faults"):
        faults[row["what"]] = faults.get(row["what"], 0) + row["n"]
    search = summary.endpoints[0]
    assert faults == search.faults
    answered = (
        search.attempts - sum(search.faults.values()) + search.faults["http_5xx"] + search.faults["http_4xx"]
    )
    assert sum(row["n"] for row in rows("heat-1")) == answered
    assert sum(row["n"] for row in rows("calls-per-rollout")) == summary.rollouts.completed
    assert sum(row["n"] for row in rows("rewards")) == summary.rollouts.graded


def test_curves_end_at_the_longest_and_pass_through_the_percentiles():
    search = failing()[0].endpoints[0]
    curve = [r for r in rows("percentiles") if (r["endpoint"], r["what"]) == ("search", "service time")]
    assert curve[-1]["ms"] == pytest.approx(search.service_ms.max, rel=1e-3)
    assert [row["ms"] for row in curve] == sorted(row["ms"] for row in curve)
    (at_90,) = [row["ms"] for row in curve if row["one_in"] == 10]
    assert at_90 == pytest.approx(search.service_ms.p90, abs=1e-3)


def test_a_waterfall_shows_thinking_attempts_and_waiting_without_a_gap():
    line = next(line for line in played_failing().lines if line.state == "discarded")
    parts = list(segments(line))
    assert [part.what for part in parts] == [
        "thinking", *["failed attempt", "waiting to retry"] * 3, "failed attempt",
    ]  # fmt: skip
    assert parts[0].from_ms == line.started_ms
    assert parts[-1].to_ms == line.ended_ms
    assert all(a.to_ms == pytest.approx(b.from_ms) for a, b in itertools.pairwise(parts))
    assert parts[1].told.startswith("search, attempt 1: http_5xx")


def test_calls_at_once_have_a_lane_each():
    line = msgspec.structs.replace(played_failing().lines[0])
    line.turns = [[*line.turns[0], *line.turns[1]]]
    lanes = [(part.lane, part.lanes) for part in segments(line) if part.what == "tool call"]
    assert lanes == [(0, 2), (1, 2)]


def test_a_long_run_is_drawn_as_coarsely_as_it_takes():
    lines = played_failing().lines
    detail = detail_of(lines)
    (late,) = copies(lines[:1])
    for call in (*(call for turn in late.turns for call in turn), late.grade):
        for attempt in call.attempts:
            attempt.done_ms += 36_000_000
            attempt.sent_ms += 36_000_000
    before = {name: sum(map(sum_of, bins.values())) for name, bins in detail.service.items()}
    detail.add(late)
    assert detail.bin_s == 512
    assert all(piece < 120 for bins in detail.service.values() for piece in bins)
    after = {name: sum(map(sum_of, bins.values())) for name, bins in detail.service.items()}
    assert sum(after.values()) == sum(before.values()) + 3


def sum_of(counts):
    return sum(counts.values())


def test_the_detail_counts_as_the_histogram_does():
    summary = failing()[0]
    for endpoint in summary.endpoints:
        together = Histogram()
        for counts in failing_in_detail().detail.service[endpoint.name].values():
            for bucket, count in counts.items():
                together.record_bucket(bucket, count)
        assert together.count == Histogram.from_hdr(summary.histograms[endpoint.name].service).count
        assert together.percentile_ms(99) == pytest.approx(endpoint.service_ms.p99, rel=2e-3)


@settings(max_examples=25)
@given(HOSTILE)
def test_what_strangers_wrote_stays_text(text):
    summary, verdict, findings = poisoned(text)
    lines = [
        msgspec.json.decode(msgspec.json.encode(line), type=type(line)) for line in played_failing().lines[:6]
    ]
    for line in lines:
        for call in (*(call for turn in line.turns for call in turn), *([line.grade] if line.grade else [])):
            call.endpoint = call.output = text.encode("utf-8", "replace").decode()
    results = Results(summary, verdict, findings, detail_of(lines))
    usual = Page(to_html(Results(*passing())))
    read = Page(to_html(results))
    assert len(read.scripts) == len(usual.scripts)
    assert {tag for tag, _ in read.elements} <= {
        "a", "article", "b", "body", "code", "details", "div", "figcaption", "figure", "h1", "h2", "h3",
        "head", "header", "html", "i", "li", "main", "meta", "noscript", "p", "pre", "script", "section",
        "small", "span", "style", "summary", "table", "tbody", "td", "th", "thead", "title", "tr", "ul",
    }  # fmt: skip
    assert read.specs.keys() >= {"in-flight", "slowest"}
