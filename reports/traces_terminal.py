"""The report of what recordings hold: what stands out, then calls, thinking, tools and passes.

As in `terminal`: colour only repeats what the words say, and what somebody else named passes through `plain`.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from os import PathLike, fspath

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reports.findings import brief, name_of
from reports.findings_terminal import told_in_full
from reports.layout import INDENT, WIDTH, Name, aligned, block, files_line, header, section
from reports.text import count, counted, duration, enumerated, number, share
from simulator.measure.recorded import Queue, Recorded, RecordedPass, RecordedTool, Spread
from simulator.model import Finding

_TOOLS = 20
_PASSES = 3
_BARS, _BLOCKS = 40, "▁▂▃▄▅▆▇█"


def render_traces(
    recorded: Recorded,
    findings: Sequence[Finding],
    written: Sequence[str] = (),
    out_dir: str | PathLike[str] = "",
) -> RenderableType:
    """Return the report for a rich console to print; `written` names the files in `out_dir`."""
    blocks: tuple[Iterable[RenderableType], ...] = (
        _headline(recorded),
        *told_in_full(findings),
        _hint(findings),
        _facts(recorded),
        _tools(recorded.tools),
        *map(_pass, _largest(recorded)),
        _rest(recorded, written, fspath(out_dir)),
    )
    filled = filter(None, map(list, blocks))
    return Constrain(Group(*itertools.chain.from_iterable((Text(), *block) for block in filled)), WIDTH)


def _headline(recorded: Recorded) -> Iterator[RenderableType]:
    items = f" of {counted(recorded.items, 'item')}" if recorded.items else ""
    rollouts, calls = counted(recorded.rollouts, "recorded rollout"), counted(recorded.calls, "tool call")
    yield Text(f"{rollouts}{items} made {calls}", "bold")


def _hint(findings: Sequence[Finding]) -> Iterator[RenderableType]:
    if findings:
        yield Text("`rft-preflight explain CODE` says more about a code", "dim")


# -- what there is ---------------------------------------------------------------------------------------


def _facts(recorded: Recorded) -> Iterator[RenderableType]:
    yield section("rollouts", [Text(line) for line in _rollouts(recorded)])
    yield section("calls", [Text(line) for line in _calls(recorded)])
    if recorded.scores.count:
        yield section("scores", [Text(_scores(recorded))])
    yield section("times", list(_times(recorded)))


def _rollouts(recorded: Recorded) -> Iterator[str]:
    files = counted(recorded.reading.files, "file")
    groups = f" in {counted(recorded.groups, 'group')}" if recorded.groups else ""
    yield f"{enumerated(recorded.reading.formats)}{groups}, read from {files}"


def _calls(recorded: Recorded) -> Iterator[str]:
    per = f"{number(recorded.calls_per_rollout)} per rollout, at most {count(recorded.calls_max)}"
    sent = f"; endpoints were sent {count(recorded.sent)}" if recorded.sent != recorded.calls else ""
    yield per + sent
    made = [(calls, rollouts) for calls, rollouts in enumerate(recorded.by_calls) if rollouts]
    if len(made) > 1:
        told = ", ".join(f"{calls}: {count(rollouts)}" for calls, rollouts in made[:_MOST_TOLD])
        more = ", ..." if len(made) > _MOST_TOLD else ""
        yield f"rollouts by their calls  {told}{more}"
    asking = sum(recorded.at_once)
    if asking:
        several = (
            f", {count(recorded.turns_at_once)} of them several at once, {recorded.at_once_max} at most"
            if recorded.turns_at_once
            else ", one at a time"
        )
        yield f"{counted(recorded.turns, 'turn')}, {count(asking)} with calls{several}"


_MOST_TOLD = 10


def _scores(recorded: Recorded) -> str:
    scores = recorded.scores
    missing = f"; {count(scores.missing)} without a score" if scores.missing else ""
    return (
        f"{scores.mean or 0.0:.3f} ± {scores.std or 0.0:.3f}; {count(scores.zero)} scored 0,"
        f" {count(scores.one)} scored 1{missing}"
    )


def _times(recorded: Recorded) -> Iterator[Text]:
    known = (
        ("a rollout", recorded.rollout_s),
        ("thinking of a turn", recorded.think_s),
        ("a tool call", recorded.latency_s),
    )
    rows = [[Text(name), *_spread(spread)] for name, spread in known if spread is not None]
    if rows:
        yield from aligned([header("", *_COLUMNS), *rows], "lrrrrr")
    missing = [name for name, spread in known if spread is None]
    if len(missing) == len(known):
        yield Text("none are recorded: nothing can be said of latencies, thinking, or what queued")
    elif missing:
        yield Text(f"not recorded of: {', '.join(missing)}")


_COLUMNS = ("p50", "p90", "p99", "max", "mean")


def _spread(spread: Spread) -> list[Text]:
    return [Text(duration(getattr(spread, name))) for name in _COLUMNS]


def _tools(tools: Sequence[RecordedTool]) -> Iterator[RenderableType]:
    """Yield a table of the tools, without columns in which nothing stands."""
    if not tools:
        return
    rows = [[cell(tool) for cell in _CELLS.values()] for tool in tools[:_TOOLS]]
    titles = list(_CELLS)
    told = [place for place in range(len(titles)) if any(row[place] for row in rows)]
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("tool")
    for place in told:
        table.add_column(titles[place], justify="right", no_wrap=True)
    for tool, row in zip(tools, rows, strict=False):
        table.add_row(Name(name_of(tool.name), "bold"), *(Text(row[place] or "-") for place in told))
    yield Padding(table, (0, 0, 0, INDENT))
    if len(tools) > _TOOLS:
        left = tools[_TOOLS:]
        calls = counted(sum(tool.calls for tool in left), "call")
        yield block(Text(f"and {counted(len(left), 'more tool')} with {calls}"))


def _latency(name: str) -> Callable[[RecordedTool], str]:
    return lambda tool: "" if tool.latency_s is None else duration(getattr(tool.latency_s, name))


_CELLS: dict[str, Callable[[RecordedTool], str]] = {
    "calls": lambda tool: count(tool.calls),
    "share": lambda tool: share(tool.share),
    **{name: _latency(name) for name in _COLUMNS},
    "failed": lambda tool: count(tool.failed) if tool.failed else "",
    "soft errors": lambda tool: count(tool.soft_errors) if tool.soft_errors else "",
}
"""What is said of a tool, "" for nothing."""


# -- passes ----------------------------------------------------------------------------------------------


def _largest(recorded: Recorded) -> list[RecordedPass]:
    """Return the passes that are shown, in time order."""
    largest = sorted(recorded.passes, key=lambda one: -one.calls)[:_PASSES]
    return [one for one in recorded.passes if one in largest and one.calls]


def _pass(one: RecordedPass) -> Iterator[RenderableType]:
    yield section("pass", [Text(line) for line in _pass_lines(one)])


def _pass_lines(one: RecordedPass) -> Iterator[str]:
    began = f" from {one.began_at.removesuffix('+00:00').replace('T', ' ')} UTC" if one.began_at else ""
    yield (
        f"{counted(one.rollouts, 'rollout')}{began} for {duration(one.duration_s)},"
        f" {count(one.in_flight_max)} in flight at most"
    )
    if one.latency_s is not None:
        latency = one.latency_s
        yield (
            f"{counted(one.calls, 'call')}, {count(one.calls_in_flight_max)} in flight at most; p50"
            f" {duration(latency.p50)}, p90 {duration(latency.p90)}, p99 {duration(latency.p99)}"
        )
    if one.first_finished_s is not None:
        yield "".join(_finishing(one, one.first_finished_s))
    if one.queue is not None and one.queue.what_if:
        yield _what_if(one.queue)
    yield from _courses(one)


def _finishing(one: RecordedPass, first_s: float) -> Iterator[str]:
    yield f"the first finished after {duration(first_s)}"
    if one.first_finished > 1:
        yield f", {count(one.first_finished)} in half a second"
    if one.finished_per_s is not None and one.gap_s is not None:
        yield f"; {number(one.finished_per_s)} per second, median gap {duration(one.gap_s)}"


def _what_if(queue: Queue) -> str:
    told = ", ".join(f"{count(one.at_a_time)}: {duration(one.duration_s)}" for one in queue.what_if)
    return f"replayed with so many calls served at a time  {told}"


def _courses(one: RecordedPass) -> Iterator[str]:
    """Yield how many calls were in flight and how many finished, as bars over time."""
    series = one.series
    if series is None or len(series.finished) < 2:
        return
    points = -(-len(series.finished) // _BARS)
    bar_s = points * series.point_s
    in_flight = [sum(some) / len(some) for some in _by(series.in_flight, points)]
    finished = [float(sum(some)) for some in _by(series.finished, points)]
    yield f"in flight  {_bars(in_flight)}  most {number(round(max(in_flight)))}"
    yield f"finished   {_bars(finished)}  most {number(max(finished))} in {bar_s} s"


def _by(values: Sequence[float], points: int) -> list[Sequence[float]]:
    return [values[place : place + points] for place in range(0, len(values), points)]


def _bars(values: Sequence[float]) -> str:
    """Return a block for each value, as high as its share of the highest; a space is nothing at all."""
    highest = max(values, default=0.0) or 1.0
    return "".join(
        _BLOCKS[min(len(_BLOCKS) - 1, int(value / highest * len(_BLOCKS)))] if value > 0 else " "
        for value in values
    )


# -- the rest --------------------------------------------------------------------------------------------


def _rest(recorded: Recorded, written: Sequence[str], out_dir: str) -> Iterator[RenderableType]:
    shown = len(_largest(recorded))
    if recorded.passes_in_all > shown:
        yield section("passes", [Text(f"shown: the largest {shown} of {count(recorded.passes_in_all)}")])
    reading = recorded.reading
    if reading.broken:
        lines = [
            f"{count(reading.broken)} of {counted(reading.records, 'record')} left out; the first ones:",
            *map(brief, reading.examples),
        ]
        yield section("broken", [Text(line) for line in lines])
    yield from files_line(written, out_dir)
