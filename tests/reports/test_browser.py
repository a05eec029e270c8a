"""The page in a real browser: it draws every picture, complains of nothing, and runs nobody's script."""

import re
import shutil
import socket
import subprocess
from html.parser import HTMLParser

import msgspec
import pytest

from reports.html.page import gallery, study_gallery, study_to_html, to_html
from reports.results import Results
from simulator.cli.live_page import LivePage
from simulator.cli.loopback import Page, serve
from simulator.measure.detail import detail_of
from simulator.measure.metering import meters_of_tally
from simulator.measure.summary import Snapshot
from tests.reports.runs import failing, failing_in_detail, played_failing
from tests.reports.studies import flawed

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, of Debian's package of that name")

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\x1b[2J\x00\u202e"
)


class Drawn(HTMLParser):
    """A page as the browser left it: its title, and how many marks each picture has."""

    def __init__(self, dom):
        super().__init__()
        self.marks, self.title, self.drawn, self.widest = {}, "", 0, 0.0
        self._open, self._picture, self._tag = [], "", ""
        self.feed(dom)

    def handle_starttag(self, tag, attributes):
        given, self._tag = dict(attributes), tag
        classes = (given.get("class") or "").split()
        if tag == "html":
            self.drawn = int(given.get("data-drawn", 0))
        if "picture" in classes:
            self._picture = given["id"]
            self.marks[self._picture] = 0
        if tag == "svg":
            self.widest = max(self.widest, float(given["width"]))
        if tag == "g":
            self._open.append("role-mark" in classes)
        elif any(self._open) and tag in {"path", "line", "text"}:
            self.marks[self._picture] += 1

    def handle_endtag(self, tag):
        if tag == "g":
            self._open.pop()

    def handle_data(self, data):
        if self._tag == "title" and not self.title:
            self.title = data


def opened(url, tmp_path, width=1200):
    """Return the page after it has drawn, and what it said on the console."""
    done = subprocess.run(
        [
            CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={tmp_path / 'profile'}",
            f"--window-size={width},900", "--virtual-time-budget=5000", "--enable-logging=stderr",
            "--dump-dom", url,
        ],
        capture_output=True,
        timeout=90,
        check=True,
    )  # fmt: skip
    console = re.findall(r"CONSOLE.*", done.stderr.decode("utf-8", "replace"))
    return Drawn(done.stdout.decode("utf-8", "replace")), console


def hostile():
    lines = [
        msgspec.json.decode(msgspec.json.encode(line), type=type(line)) for line in played_failing().lines
    ]
    for line in lines:
        line.reason = HOSTILE
        for call in (*(call for turn in line.turns for call in turn), *([line.grade] if line.grade else [])):
            call.output = HOSTILE * 50
    summary, verdict = failing()
    summary = msgspec.structs.replace(summary, scenario=HOSTILE, command=HOSTILE, settings={HOSTILE: HOSTILE})
    findings = [
        msgspec.structs.replace(one, message=HOSTILE, remedy=HOSTILE, request=HOSTILE, answer=HOSTILE * 50)
        for one in failing_in_detail().findings
    ]
    return Results(summary, verdict, findings, detail_of(lines))


def test_a_run_draws_every_picture_whatever_the_endpoints_answered(tmp_path):
    page = tmp_path / "report.html"
    page.write_bytes(to_html(hostile()))
    assert page.stat().st_size < 5_000_000
    drawn, console = opened(page.as_uri(), tmp_path, width=500)
    expected = [picture.name for section in gallery(hostile()) for picture in section.pictures]
    assert list(drawn.marks) == expected
    assert all(drawn.marks.values()), drawn.marks
    assert drawn.drawn == len(expected)
    assert console == []
    assert "owned" in drawn.title  # as text, in the scenario's name
    assert drawn.title.startswith("<script>")
    assert drawn.widest <= 500


@pytest.mark.slow
def test_a_study_draws_every_picture(tmp_path):
    study, verdict, findings = flawed()
    page = tmp_path / "report.html"
    page.write_bytes(study_to_html(study, verdict, findings))
    drawn, console = opened(page.as_uri(), tmp_path)
    assert list(drawn.marks) == [p.name for section in study_gallery(study.grader) for p in section.pictures]
    assert all(drawn.marks.values()), drawn.marks
    assert console == []


@pytest.mark.slow
def test_the_page_of_a_run_that_goes_on_draws_what_it_is_told(tmp_path):
    live, listener = LivePage(), socket.create_server(("127.0.0.1", 0))
    meters = meters_of_tally(played_failing().tally, played_failing().targets)
    snapshot = Snapshot(9.5, "training", 1, 1, 480, 480, 13, 0, 40.0, {HOSTILE: 3}, None, meters)
    live.update(snapshot, played_failing().lines)
    live.end()
    shown = {
        "/t/": lambda: Page("text/html; charset=utf-8", live.page()),
        "/t/data": lambda: Page("application/json", live.data()),
    }
    serve(listener, lambda path: shown[path]() if path in shown else None)
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/t/"
    drawn, console = opened(url, tmp_path)
    assert list(drawn.marks) == [p.name for s in gallery(failing_in_detail()) for p in s.pictures]
    assert all(drawn.marks.values()), drawn.marks
    assert drawn.title == "a run that goes on - rft-preflight"
    assert console == []
