"""Text as GitHub Flavored Markdown that stays text, and blocks that stay within a length.

Character references cannot stand for what gives Markdown its structure (CommonMark 0.31, "Entity and numeric
character references"), so whatever could begin markup becomes one. Mentions, references, links and emoji are
found by GitHub in what is already rendered: there an invisible word joiner keeps their parts apart.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import quote

import msgspec

from reports.text import count, plain, short

JOINER = "\u2060"

_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKUP = re.compile(r"[&<>\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
_AT_THE_START = re.compile(r"\A(?:[-+](?=[-+\s]|\Z)|[=#]|[0-9]{1,9}[.)](?=\s|\Z))")
_FOUND_LATER = re.compile(
    r"""@(?=\w)                        # a mention, an address
      | \#(?=\w)                       # a reference
      | GH(?=-[0-9])
      | (?:https?|ftp)(?=://)        # a link
      | www(?=\.)
      | (?:mailto|xmpp)(?=:)
      | :(?=[\w+-]+:)                  # an emoji""",
    re.VERBOSE | re.IGNORECASE,
)

_LONGEST_MARKER = 200


def escaped(text: str, most: int = 300) -> str:
    """Return a stranger's text on one line, cut to `most` characters, none of which does anything."""
    cut = " ".join(plain(short(text, most)).split())
    apart = _FOUND_LATER.sub(lambda found: found[0] + JOINER, cut)
    inert = _MARKUP.sub(lambda found: _reference(found[0]), apart)
    return _AT_THE_START.sub(lambda found: found[0][:-1] + _reference(found[0][-1]), inert)


def _reference(character: str) -> str:
    return _NAMED.get(character, f"&#{ord(character)};")


def marker(program: str, name: str) -> str:
    """Return a hidden line by which a later comment finds this one; no name ends it early."""
    hidden = quote(name.encode("utf-8", "backslashreplace"), safe="")
    return f"<!-- {program} {hidden[:_LONGEST_MARKER]} -->"


def code_block(text: str) -> str:
    """Return a stranger's text as a block of code, on one line, in a fence that it cannot close."""
    line = plain(text)
    longest = max(map(len, re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{line}\n{fence}"


def row(cells: Iterable[str]) -> str:
    """Return a row of a table; the cells are Markdown already."""
    return f"| {' | '.join(cells)} |"


def table_head(titles: Sequence[str], sides: str) -> str:
    """Return a table's titles and, for each, its side: l or r."""
    return f"{row(titles)}\n{row('---' if side == 'l' else '---:' for side in sides)}"


class Section(msgspec.Struct, frozen=True):
    """A head, lines of which as many follow as there is room for, and a tail; `noun` names the lines."""

    noun: str
    head: str
    lines: tuple[str, ...] = ()
    tail: str = ""


_NOTE_BYTES = 1_000


def fitted(sections: Sequence[Section], most_bytes: int) -> str:
    """Return the sections, a blank line between them, in at most so many bytes of UTF-8.

    What comes first is kept, but no list takes more than half of the room that is left when its turn comes.
    What is left out is told of at the end.
    """
    room, texts, left_out = most_bytes - _NOTE_BYTES, [], []
    for section in sections:
        text, missing = _within(section, room // 2)
        room -= _size(text) + 2
        texts += [text] if text else []
        left_out += [f"{count(missing)} {section.noun}"] if missing else []
    if left_out:
        texts.append(f"Left out for want of room: {', '.join(left_out)}. `report.json` has all of it.")
    return "\n\n".join(texts) + "\n"


def _within(section: Section, room: int) -> tuple[str, int]:
    """Return as much of a section as there is room for, and how many of its lines that leaves out."""
    wanted = max(1, len(section.lines))
    room -= _size(section.head) + _size(section.tail) + 4
    if room < 0:
        return "", wanted
    kept = list(_as_many_as_fit(section.lines, room))
    if section.lines and not kept:
        return "", wanted
    body = "\n".join([section.head, *kept]) if section.head else "\n".join(kept)
    missing = len(section.lines) - len(kept)
    return (f"{body}\n\n{section.tail}" if section.tail else body), missing


def _as_many_as_fit(lines: Iterable[str], room: int) -> Iterator[str]:
    for line in lines:
        room -= _size(line) + 1
        if room < 0:
            return
        yield line


def _size(text: str) -> int:
    return len(text.encode())
