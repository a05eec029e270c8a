"""The report of a comparison: verdict, what changed, the lines that are not the same, gates, the rest.

As in `terminal`: colour only repeats what the words say, and what somebody else named passes through `plain`.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike, fspath

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.text import Text

from reports.comparison_sentences import (
    change,
    difference,
    gate_observed,
    headline,
    how,
    reasons,
    sampling,
)
from reports.layout import BADGES, WIDTH, aligned, block, files_line, hanging, header, section
from reports.text import count, counted, observed, plain, short
from simulator.measure.comparison import ComparedGate, ComparedLine, ComparedRun, Comparison

MOST_LINES = 40
MOST_DIFFERENCES = 8

_LONGEST_NAME = 25
_LONGEST_GATE = 44
_STYLES = {"worse": "bold red", "better": "green", "changed": "yellow"}
_FIRST = ("worse", "changed", "better", "unclear")


def render_comparison(
    comparison: Comparison, written: Sequence[str] = (), out_dir: str | PathLike[str] = ""
) -> RenderableType:
    """Return the report for a rich console to print; `written` names the files in `out_dir`."""
    blocks: tuple[Iterable[RenderableType], ...] = (
        _headline(comparison),
        (hanging(Text("-"), Text(reason)) for reason in reasons(comparison)),
        _lines(comparison),
        itertools.chain(_facts(comparison), files_line(written, fspath(out_dir))),
    )
    filled = filter(None, map(list, blocks))
    return Constrain(Group(*itertools.chain.from_iterable((Text(), *block) for block in filled)), WIDTH)


def _headline(comparison: Comparison) -> Iterator[RenderableType]:
    badge = Text(comparison.verdict.upper(), BADGES[comparison.verdict])
    yield hanging(badge, Text(headline(comparison), "bold"), indent=0, gap=2)


def _lines(comparison: Comparison) -> Iterator[RenderableType]:
    ranked = [line for verdict in _FIRST for line in comparison.lines if line.verdict == verdict]
    shown = ranked[:MOST_LINES]
    if shown:
        titles = header("line", "base", "now", "change", "from", "to", "")
        yield from map(block, aligned([titles, *map(_row, shown)], "lrrrrrl"))
    if len(ranked) > len(shown):
        yield block(Text(f"{count(len(ranked) - len(shown))} more in comparison.json", "dim"))
    if same := len(comparison.having("same")):
        are = "is the same" if same == 1 else "are the same"
        yield block(Text(f"{counted(same, 'line')} {are} in both runs", "dim"))


def _row(line: ComparedLine) -> list[Text]:
    return [
        Text(short(plain(line.name), _LONGEST_NAME), "bold"),
        *(Text(observed(value, line.unit) if value is not None else "-") for value in (line.base, line.now)),
        *(
            Text(change(line, value).replace(" points", " pp"))
            for value in (line.change, line.low, line.high)
        ),
        Text(line.verdict, _STYLES.get(line.verdict, "")),
    ]


def _facts(comparison: Comparison) -> Iterator[RenderableType]:
    if notes := _notes(comparison):
        yield section("unclear", list(map(Text, notes)))
    if comparison.gates:
        yield section("gates", aligned(list(map(_gate_row, comparison.gates)), "lll"))
    yield section("base", [Text(_run(comparison.base))])
    yield section("now", [Text(_run(comparison.now))])
    if said := sampling(comparison):
        yield section("sampling", [Text(said)])
    if comparison.differences:
        yield section("differs", list(map(Text, _differences(comparison))))
    yield section("method", [Text(how(comparison))])


def _notes(comparison: Comparison) -> list[str]:
    """Return why lines are unclear, with how many for which reason."""
    reasons_why = dict.fromkeys(line.note for line in comparison.having("unclear") if line.note)
    return [
        f"{counted(sum(line.note == note for line in comparison.having('unclear')), 'line')}: {note}"
        for note in reasons_why
    ]


def _gate_row(gate: ComparedGate) -> list[Text]:
    return [
        Text(short(plain(gate.expr), _LONGEST_GATE)),
        Text("ok", "green") if gate.ok else Text("FAIL", "bold red"),
        Text(gate_observed(gate)),
    ]


def _run(run: ComparedRun) -> str:
    return (
        f"{plain(run.folder)}: {plain(run.scenario)}, seed {run.seed}, {counted(run.rollouts, 'rollout')},"
        f" {plain(run.started_at)}, {plain(run.verdict)}"
    )


def _differences(comparison: Comparison) -> Iterator[str]:
    differences = comparison.differences
    yield from map(difference, differences[:MOST_DIFFERENCES])
    if len(differences) > MOST_DIFFERENCES:
        yield f"{count(len(differences) - MOST_DIFFERENCES)} more in comparison.json"
