"""What recordings hold, shown in every way there is."""

import io
import json

import msgspec
import pytest
from rich.console import Console
from rich.text import Text

from reports.findings import worst_first
from reports.traces_json import traces_to_json
from reports.traces_terminal import render_traces
from simulator.job.traces.recording import PARALLEL, RecordedCall, RecordedTurn, Recording
from simulator.job.traces.told import findings_of
from simulator.measure.recorded import Recorded
from tests.job.traces.played import BEGAN, Apart, Queue, play, survey

OUT = "out/traces"


def queued():
    hours = [3600.0 * hour for hour in range(5)]
    small = [
        one
        for at in hours[1:]
        for one in play(int(at), Queue(2, lambda _: 0.5), rollouts=8, began=BEGAN + at)
    ]
    return survey([*play(1, Queue(1, lambda _: 1.0), cold_s=12.0), *small], files=5)


def free():
    return survey(play(1, Apart(lambda rng, _: rng.expovariate(2.0)), rollouts=40))


def odd():
    """Recordings without times, of tools whose names are up to something."""
    many = [RecordedCall(f"tool_{number:02}", "{}", output="ok") for number in range(22)]
    stranger = RecordedCall("[red]find[/red]\x1b[31m" + "x" * 90, "[]", output="Error: no", failed=True)
    unreadable = RecordedCall(PARALLEL, "?")
    calls = (stranger, unreadable, *many)
    turns = tuple(RecordedTurn((call,)) for call in calls)
    row = {"tools": [{"function": {"name": "tool_00"}}]}
    some = [Recording(f"k{n}", "g", "t", "", turns, float(n % 2), item=row, finished=False) for n in range(4)]
    answered = [Recording("k", "", "t", "blue", (*turns[:2], *turns[:2])) for _ in range(6)]
    examples = ("some.jsonl:7: not JSON \x1b[2J",)
    return survey([*some, *answered], broken=1, records=11, examples=examples)


CASES = {"traces-queued": queued, "traces-free": free, "traces-odd": odd}


def shown(recorded, width=100, **console):
    screen = Console(file=io.StringIO(), width=width, **console)
    screen.print(render_traces(recorded, worst_first(findings_of(recorded)), ["traces.json"], OUT))
    return screen.file.getvalue()


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("case", CASES)
def test_looks_like_its_golden_file(case, width, golden):
    text = shown(CASES[case](), width)
    assert max(map(len, text.splitlines())) <= width
    golden(f"{case}-{width}.txt", "".join(line.rstrip() + "\n" for line in text.splitlines()))


@pytest.mark.parametrize("case", CASES)
def test_colour_says_nothing_that_the_words_do_not(case):
    recorded = CASES[case]()
    coloured = shown(recorded, force_terminal=True, color_system="truecolor")
    assert Text.from_ansi(coloured).plain.split() == shown(recorded).split()


def test_names_of_strangers_do_nothing():
    text = shown(odd())
    assert "\x1b" not in text
    assert "[red]find[/red]?[31m" in text


@pytest.mark.parametrize("case", CASES)
def test_the_json_is_what_was_found(case):
    recorded = CASES[case]()
    findings = worst_first(findings_of(recorded))
    report = traces_to_json(recorded, findings)
    read = msgspec.json.decode(report, type=Recorded)
    assert (read.reading, read.by_calls, read.scores) == (
        recorded.reading,
        recorded.by_calls,
        recorded.scores,
    )
    assert [one.queue is None for one in read.passes] == [one.queue is None for one in recorded.passes]
    assert json.loads(report)["kind"] == "traces"
    assert [one["code"] for one in json.loads(report)["findings"]] == [one.code for one in findings]
