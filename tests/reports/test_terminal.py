import io

import msgspec
import pytest
from rich.console import Console
from rich.text import Text

from reports.layout import WIDTH
from reports.terminal import render
from tests.reports.runs import CASES, failing, passing

WRITTEN = ["report.json", "junit.xml", "rollouts.jsonl"]
OUT = "out/finqa-20260101-120000"


def shown(summary, verdict, width=80, written=WRITTEN, out=OUT, **console):
    screen = Console(file=io.StringIO(), width=width, **console)
    screen.print(render(summary, verdict, written, out))
    return screen.file.getvalue()


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("case", CASES)
def test_looks_like_its_golden_file(case, width, golden):
    text = shown(*CASES[case](), width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"{case}-{width}.txt", "".join(line.rstrip() + "\n" for line in text.splitlines()))


@pytest.mark.parametrize("case", CASES)
def test_colour_says_nothing_that_the_words_do_not(case):
    coloured = shown(*CASES[case](), force_terminal=True, color_system="truecolor")
    assert "\x1b[" in coloured
    assert Text.from_ansi(coloured).plain.split() == shown(*CASES[case]()).split()


def test_a_wide_console_gets_no_wider_lines():
    assert shown(*failing(), 300) == shown(*failing(), WIDTH)


def test_schedule_delay_is_told_only_where_it_matters():
    summary, verdict = passing()
    assert "late at p99, our doing" not in shown(summary, verdict)
    search = summary.endpoints[0]
    late = msgspec.structs.replace(
        search, schedule_delay_ms=msgspec.structs.replace(search.schedule_delay_ms, p99=120.0)
    )
    summary = msgspec.structs.replace(summary, endpoints=(late, *summary.endpoints[1:]))
    assert "left 120 ms late at p99, our doing" in shown(summary, verdict)


def test_without_files_there_is_nothing_about_them():
    assert "written" not in shown(*passing(), written=[])


def test_markup_in_names_is_shown_as_it_is():
    summary = msgspec.structs.replace(passing()[0], scenario="[red]loud[/red] :smile:")
    assert "[red]loud[/red] :smile:" in shown(summary, passing()[1], 100)
