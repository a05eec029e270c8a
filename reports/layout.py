"""The shapes of a terminal report: columns, a mark with its text, a label with its lines, a linter's line."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from reports.text import plain, short

INDENT = 2
WIDTH = 100

BADGES = {
    "pass": "bold green",
    "fail": "bold red",
    **dict.fromkeys(("invalid", "interrupted", "unfinished"), "bold yellow"),
}
"""The style of each verdict."""

_LABEL_WIDTH = 10


def header(*titles: str) -> list[Text]:
    """Return a row of column titles."""
    return [Text(title, "dim") for title in titles]


def aligned(rows: Sequence[Sequence[Text]], sides: str = "lrrrrrr") -> list[Text]:
    """Return a line per row with its cells one below the other, each on its side: l or r."""
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    lines = [
        Text("  ").join(_padded(cell, *place) for cell, *place in zip(row, sides, widths, strict=False))
        for row in rows
    ]
    for line in lines:
        line.rstrip()
    return lines


def _padded(cell: Text, side: str, width: int) -> Text:
    padded = cell.copy()
    padded.align("left" if side == "l" else "right", width)
    return padded


def hanging(mark: Text, body: RenderableType, *, indent: int = INDENT, gap: int = 1) -> RenderableType:
    """Return the body beside its mark; what wraps stays clear of the mark."""
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(Text(" " * indent) + mark + Text(" " * gap), body)
    return grid


def block(body: Text, *, indent: int = INDENT) -> RenderableType:
    """Return the body, indented on every line."""
    return hanging(Text(), body, indent=indent, gap=0)


def section(label: str, lines: Sequence[Text]) -> RenderableType:
    """Return the lines beside their label."""
    return hanging(_label(label), Text("\n").join(lines))


def pairs(label: str, rows: Iterable[tuple[Text, Text]]) -> RenderableType:
    """Return names, each with what there is to say of it, beside their label."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    for row in rows:
        grid.add_row(*row)
    return hanging(_label(label), grid)


def _label(label: str) -> Text:
    return Text(label.ljust(_LABEL_WIDTH), "dim")


class Entry:
    """A head that is never broken, since editors jump by it, and a body that goes on behind it, indented."""

    def __init__(self, head: Text, body: Text) -> None:
        self._head, self._body = head, body

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield the lines."""
        room = options.max_width - INDENT
        if self._head.cell_len <= room:
            first, *others = Text(" ").join([self._head, self._body]).wrap(console, room, overflow="fold")
            yield first
        else:
            yield from (_Uncut(text, style) for text, style, _ in self._head.render(console))
            yield Segment.line()
            others = list(self._body.wrap(console, room, overflow="fold"))
        for line in others:
            yield Text(" " * INDENT) + line


class _Uncut(Segment):
    """Text that a console does not cut at its right edge, for it says that it needs no room."""

    __slots__ = ()

    @property
    def cell_length(self) -> int:
        """How many columns the console is to think that it takes."""
        return 0


class Name:
    """A name in a table, which gives way in its middle where room is short."""

    def __init__(self, name: str, style: str = "") -> None:
        self._name, self._style = name, style

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        """Tell how narrow and how wide it may be."""
        return Measurement(_SHORTEST_NAME, max(len(self._name), _SHORTEST_NAME)).with_maximum(
            options.max_width
        )

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        """Yield as much of it as there is room for."""
        yield Text(short(self._name, options.max_width), self._style, no_wrap=True)


_SHORTEST_NAME = 8


def files_line(written: Sequence[str], out_dir: str) -> Iterator[RenderableType]:
    """Yield where which files are, if there are any."""
    if written:
        directory = plain(out_dir).rstrip("/") + "/"
        yield section("written", [Text(directory, "bold"), Text("  ".join(map(plain, written)))])
