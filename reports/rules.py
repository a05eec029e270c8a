"""The codes of findings as people read about them: a list, one at length, and the README's table."""

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.text import Text

from reports.findings import STYLES
from reports.layout import WIDTH, hanging
from simulator.findings import GROUPS, RULES, SEVERITIES
from simulator.findings.rule import Rule


def render_rules() -> RenderableType:
    """Return the list of all codes, in the order in which they are checked."""
    blocks: list[RenderableType] = []
    for group, rules in GROUPS.items():
        blocks += [Text(), Text(group, "bold")]
        for rule in rules:
            severity = Text(f"{rule.severity:<{_WIDEST_SEVERITY}}  ", STYLES[rule.severity])
            blocks.append(hanging(severity + Text(rule.code.ljust(_WIDEST_CODE)), Text(rule.title), gap=2))
    return Constrain(Group(*blocks), WIDTH)


_WIDEST_SEVERITY = max(map(len, SEVERITIES))
_WIDEST_CODE = max(map(len, RULES))


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
