"""The codes of findings as people read about them: a list, one at length, and the README's table."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.text import Text

from reports.layout import aligned, hanging
from reports.severity import STYLES
from reports.terminal import WIDTH
from simulator.findings import GROUPS
from simulator.findings.rule import Rule


def render_rules() -> RenderableType:
    """Return the list of all codes, in the order in which they are checked."""
    blocks: list[RenderableType] = []
    for group, rules in GROUPS.items():
        blocks.append(Text(f"\n{group}", "bold"))
        rows = [[Text(rule.code), Text(rule.severity, STYLES[rule.severity])] for rule in rules]
        for marks, rule in zip(aligned(rows, "ll"), rules, strict=True):
            marks.pad_right(max(0, _MARKS_WIDTH - marks.cell_len))
            blocks.append(hanging(marks, Text(rule.title)))
    return Constrain(Group(*blocks), WIDTH)


_MARKS_WIDTH = 2 + max(len(rule.code) for rules in GROUPS.values() for rule in rules) + len("warning")


def render_rule(rule: Rule) -> RenderableType:
    """Return all that there is to say about a code."""
    parts: list[RenderableType] = [
        hanging(
            Text(rule.severity, STYLES[rule.severity]), Text(f"{rule.code}: {rule.title}", "bold"), indent=0
        )
    ]
    for label, text in (("how", rule.how), ("training", rule.effect), ("remedy", _sentence(rule.remedy))):
        parts.append(hanging(Text(f"{label:<9}", "dim"), Text(text)))
    return Constrain(Group(Text(), *parts), WIDTH)


def _sentence(clause: str) -> str:
    return clause[:1].upper() + clause[1:] + "."


def rules_markdown() -> str:
    """Return the README's table of all codes."""
    return "\n".join(_markdown_lines()) + "\n"


def _markdown_lines() -> Iterator[str]:
    yield "| code | severity | what is wrong |"
    yield "|---|---|---|"
    for group, rules in GROUPS.items():
        yield f"| **{group}** | | |"
        yield from (f"| `{rule.code}` | {rule.severity} | {rule.title} |" for rule in rules)
