"""Tables, as text for a terminal and as Markdown for a README; and figures as people read them."""

import math
import textwrap
from collections.abc import Sequence

import msgspec

_NOTE_WIDTH = 110


class Table(msgspec.Struct):
    """A topic's figures. `notes` are paragraphs that stand below; the first column is to the left."""

    title: str
    header: tuple[str, ...]
    rows: list[tuple[str, ...]]
    notes: list[str] = []

    def to_text(self) -> str:
        """Return the table as columns."""
        if not self.rows:
            return "\n".join([self.title, "", *map(_wrapped, self.notes)])
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = [_aligned(row, widths) for row in (self.header, *self.rows)]
        lines.insert(1, "-" * len(lines[0]))
        return "\n".join([self.title, "", *lines, *map(_wrapped, self.notes)])

    def to_markdown(self) -> str:
        """Return the table as Markdown under a heading."""
        if not self.rows:
            return "\n\n".join([f"### {self.title}", *self.notes])
        rule = ("---", *["---:"] * (len(self.header) - 1))
        lines = ["| " + " | ".join(row) + " |" for row in (self.header, rule, *self.rows)]
        notes = [f"\n{note}" for note in self.notes]
        return "\n".join([f"### {self.title}", "", *lines, *notes])


def count(value: float | None) -> str:
    """Return a whole number with separators: `12,345`."""
    return _known(value, "{:,.0f}")


def ratio(value: float | None) -> str:
    """Return a ratio with two figures that tell: `0.38 x`, `4.1 x`, `52 x`."""
    if value is None or not math.isfinite(value):
        return "-"
    digits = 0 if value >= 10 else 1 if value >= 1 else 2 if value >= 0.1 else 3
    return f"{value:.{digits}f} x"


def ms(value: float | None) -> str:
    """Return milliseconds: `0.43 ms`, `21.5 ms`, `3,302 ms`."""
    return _known(value, "{:,.2f} ms" if value is not None and value < 10 else "{:,.1f} ms")


def us(value: float | None) -> str:
    """Return microseconds: `21 us`."""
    return _known(value, "{:,.0f} us")


def mb(value: float | None) -> str:
    """Return megabytes: `40 MB`."""
    return _known(value, "{:,.0f} MB")


def _wrapped(note: str) -> str:
    return textwrap.fill(note, _NOTE_WIDTH, initial_indent="  ", subsequent_indent="  ")


def _known(value: float | None, form: str) -> str:
    return "-" if value is None or not math.isfinite(value) else form.format(value)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    first, *others = (
        text.ljust(width) if column == 0 else text.rjust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *others])
