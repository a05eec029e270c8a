"""`comparison.md`: a comparison as the comment of a pull request.

GitHub takes 65,536 characters, so this has under MOST_CHARS. Names are strangers': every character that
Markdown, HTML or a mention could be made of is written as a character reference, inside `<code>`, where
nobody is notified of anything.
"""

import re
from collections.abc import Iterator, Sequence

from reports.comparison_sentences import (
    between,
    change,
    difference,
    gate_observed,
    headline,
    how,
    reasons,
    sampling,
)
from reports.text import count, observed, plain, short
from simulator.measure.comparison import ComparedLine, ComparedRun, Comparison

MOST_CHARS = 60_000

_MOST_ROWS = 200
_MOST_DIFFERENCES = 30
_LONGEST = 60
_LONGEST_SENTENCE = 400
_MARKS = {"worse": "🔴", "better": "🟢", "changed": "🟡"}
_AS_THEY_ARE = frozenset(" -,")
_CAN_ACT = re.compile(r"[|`<>@*\[\]\\#~&$!]|://|www\.|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""An underscore inside a word does nothing."""


def comparison_to_markdown(comparison: Comparison) -> bytes:
    """Return the comment, in UTF-8."""
    told = [line for line in comparison.lines if line.verdict in _MARKS]
    others = [line for line in comparison.lines if line.verdict not in _MARKS]
    parts = [
        f"### rft-preflight compare: {comparison.verdict.upper()}",
        _text(headline(comparison)),
        *(f"- {_text(reason)}" for reason in reasons(comparison)),
        *_table(told),
        *_gates(comparison),
        *_folded(f"{count(len(others))} lines that are the same or unclear", list(_table(others))),
        *_folded("What else differs", list(_differences(comparison))),
        *_folded("Method", [_method(comparison)]),
    ]
    return (_joined(parts) + "\n").encode("utf-8", "replace")


def _joined(parts: Sequence[str]) -> str:
    """Return the parts one below the other, as many as there is room for."""
    text = ""
    for part in parts:
        apart = (
            ""
            if not text
            else "\n"
            if part.startswith("- ") and text.rpartition("\n")[2][:2] == "- "
            else "\n\n"
        )
        if len(text) + len(apart) + len(part) > MOST_CHARS - 100:
            return f"{text}\n\nThere is more in `comparison.json`."
        text += apart + part
    return text


def _table(lines: Sequence[ComparedLine]) -> Iterator[str]:
    if not lines:
        return
    rows = ["| line | base | now | change | interval | verdict |", "|---|--:|--:|--:|---|---|"]
    rows += map(_row, lines[:_MOST_ROWS])
    yield "\n".join(rows)
    if len(lines) > _MOST_ROWS:
        yield f"{count(len(lines) - _MOST_ROWS)} more in `comparison.json`."


def _row(line: ComparedLine) -> str:
    mark = f"{_MARKS[line.verdict]} " if line.verdict in _MARKS else ""
    note = f" ({line.note})" if line.note else ""
    base, now = (observed(value, line.unit) for value in (line.base, line.now))
    moved, where = change(line, line.change), between(line)
    cells = (code(line.name), _text(base), _text(now), moved, where, f"{mark}{line.verdict}{note}")
    return f"| {' | '.join(cells)} |"


def _gates(comparison: Comparison) -> Iterator[str]:
    if not comparison.gates:
        return
    rows = ["| gate | found | |", "|---|---|---|"]
    for gate in comparison.gates[:_MOST_ROWS]:
        ok = "ok" if gate.ok else "**does not hold**"
        rows.append(f"| {code(gate.expr)} | {_text(gate_observed(gate))} | {ok} |")
    yield "\n".join(rows)


def _differences(comparison: Comparison) -> Iterator[str]:
    for one in comparison.differences[:_MOST_DIFFERENCES]:
        yield f"- {_text(difference(one))}"


def _method(comparison: Comparison) -> str:
    runs = (f"- {name}: {_run(run)}" for name, run in (("BASE", comparison.base), ("NOW", comparison.now)))
    said = [how(comparison), *filter(None, [sampling(comparison)])]
    return "\n".join([*runs, *(f"- {_text(sentence)}" for sentence in said)])


def _run(run: ComparedRun) -> str:
    return (
        f"{code(run.folder)}, scenario {code(run.scenario)}, seed {run.seed}, {count(run.rollouts)} rollouts"
    )


def _folded(title: str, parts: Sequence[str]) -> Iterator[str]:
    if parts:
        joined = "\n".join(parts) if parts[0].startswith("- ") else "\n\n".join(parts)
        yield f"<details><summary>{title}</summary>\n\n{joined}\n\n</details>"


def code(text: str) -> str:
    """Return somebody else's text as code that nothing in it can end."""
    return f"<code>{_referenced(short(plain(text), _LONGEST))}</code>"


def _text(text: str) -> str:
    """Return a sentence that may quote strangers: all of it is code where it holds anything that can act."""
    said = short(plain(text), _LONGEST_SENTENCE)
    return f"<code>{_referenced(said)}</code>" if _CAN_ACT.search(said) else said


def _referenced(text: str) -> str:
    kept = _AS_THEY_ARE if "www" in text.lower() else _AS_THEY_ARE | {"."}
    return "".join(c if c.isalnum() or c in kept else f"&#{ord(c)};" for c in text)
