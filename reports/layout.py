"""The shapes of a terminal report: columns, a mark with its text, a label with its lines."""

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

INDENT = 2

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


def hanging(mark: Text, body: Text, *, indent: int = INDENT, gap: int = 1) -> RenderableType:
    """Return the body beside its mark; what wraps stays clear of the mark."""
    grid = Table.grid()
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_row(Text(" " * indent) + mark + Text(" " * gap), body)
    return grid


def block(body: Text, *, indent: int = INDENT) -> RenderableType:
    """Return the body, indented on every line."""
    return hanging(Text(), body, indent=indent, gap=0)


def section(label: str, lines: Sequence[Text]) -> RenderableType:
    """Return the lines beside their label."""
    return hanging(Text(label.ljust(_LABEL_WIDTH), "dim"), Text("\n").join(lines))
