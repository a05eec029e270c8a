"""What was recorded beside what the run came to, for the one who started it."""

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from reports.layout import INDENT, aligned, block, header, section
from reports.text import count, counted, duration_ms, enumerated, number, plain, short
from simulator.measure.replayed import ChangedOutput, Outputs, ReplayedTool, ReplaySummary
from simulator.measure.summary import Summary

MOST_TOOLS = 12

_LONGEST_NAME = 28
_LONGEST_TEXT = 72


def replay_table(summary: Summary) -> Iterator[RenderableType]:
    """Yield how each tool's times and outputs compare with the recording, if one was replayed."""
    replay = summary.replay
    if replay is None or not replay.tools.calls:
        return
    scale = summary.load.time_scale
    tools = sorted(replay.by_tool, key=lambda tool: tool.calls, reverse=True)
    shown = (*tools[:MOST_TOOLS], replay.tools)
    titles = header("recorded", "calls", "p50 then", "now", "p99 then", "now", "ratio")
    lines = aligned([titles, *(_row(tool, scale) for tool in shown)])
    notes = ["", *(_outputs(tool.outputs) for tool in shown[:-1]), _of_all(replay.tools.outputs)]
    for line, note in zip(lines, notes, strict=True):
        yield block(line)
        if note:
            yield block(Text(note, "dim"), indent=2 * INDENT)
    if len(tools) > MOST_TOOLS:
        left = counted(len(tools) - MOST_TOOLS, "more tool")
        yield block(Text(f"and {left} in report.json", "dim"))
    if scale not in (0, 1):
        yield block(Text(f"the ratio is for endpoints that were scaled by {scale:g} as thinking was", "dim"))


def _row(tool: ReplayedTool, scale: float) -> list[Text]:
    then, now = tool.times.then_ms, tool.times.now_ms
    ratio = tool.times.ratio if scale == 1 else tool.times.ratio_at_scale
    times = ["-"] * 4
    if then is not None and now is not None:
        times = [duration_ms(ms) for ms in (then.p50, now.p50, then.p99, now.p99)]
    return [
        Text(short(plain(tool.name), _LONGEST_NAME), "bold"),
        Text(count(tool.calls)),
        *map(Text, times),
        Text("-" if ratio is None else number(ratio)),
    ]


_NAMES = {
    "equal": "equal",
    "changed": "changed",
    "error_now": "errors now",
    "error_then": "errors then",
    "unknown": "not recorded",
}


def _outputs(outputs: Outputs) -> str:
    """Return what came back beside what was recorded, "" where that is the same."""
    if not outputs.changed + outputs.error_now + outputs.error_then:
        return ""
    return f"outputs: {enumerated(_counts(outputs), most=len(_NAMES))}"


def _of_all(outputs: Outputs) -> str:
    return _outputs(outputs) or f"no output is another than was recorded: {enumerated(_counts(outputs))}"


def _counts(outputs: Outputs) -> dict[str, int]:
    return {said: getattr(outputs, name) for name, said in _NAMES.items() if getattr(outputs, name)}


def replay_examples(replay: ReplaySummary) -> Iterator[RenderableType]:
    """Yield the first outputs that are not what was recorded."""
    if replay.examples:
        yield section("changed", [line for example in replay.examples for line in _example(example)])


def _example(example: ChangedOutput) -> Sequence[Text]:
    """Return the call, and of both outputs what surrounds the first place at which they differ."""
    then, now = plain(example.then), plain(example.now)
    at = next(
        (n for n, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), min(len(then), len(now))
    )
    begin = max(0, at - _LONGEST_TEXT // 3)
    call = short(f"{plain(example.endpoint)} {plain(example.arguments)}", _LONGEST_TEXT + 8)
    return [Text(call), _side("then", then, begin), _side("now ", now, begin)]


def _side(label: str, text: str, begin: int) -> Text:
    shown = ("…" if begin else "") + text[begin : begin + _LONGEST_TEXT]
    return Text(f"  {label} {shown or '(nothing)'}", "dim")
