"""The rules themselves, and how people read about them."""

import io

import pytest
from rich.console import Console

from reports.rules import render_rule, render_rules, rules_markdown
from simulator.findings import GROUPS, RULES, SEVERITIES
from simulator.findings.rule import Rule


def shown(what, width=80):
    screen = Console(file=io.StringIO(), width=width)
    screen.print(what)
    text = screen.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    return text


def test_every_rule_is_one_of_its_group_and_whole():
    rules = [rule for rules in GROUPS.values() for rule in rules]
    assert len(RULES) == len(rules)  # no code twice
    for rule in rules:
        assert rule.severity in SEVERITIES
        assert rule.how.endswith(".")
        assert rule.effect.endswith(".")
        assert not rule.remedy.endswith(".")  # it follows a semicolon
        assert not rule.title.endswith(".")


@pytest.mark.parametrize("code", RULES)
def test_every_code_is_explained(code):
    rule, text = RULES[code], " ".join(shown(render_rule(RULES[code])).split())
    assert text.startswith(f"{rule.severity} {code}: {rule.title}")
    for part in (rule.how, rule.effect, rule.remedy[1:]):
        assert " ".join(part.split()) in text


def test_an_explanation_looks_like_its_golden_file(golden):
    how = "One rollout puts a book on its shelf; another one looks whether it is on its own shelf too."
    effect = "Whoever reads many books at once cannot tell whose they are."
    rule = Rule("shelf.shared", "warning", "shelves mix", how, effect, "label the shelves")
    text = shown(render_rule(rule))
    golden("explain.txt", "".join(line.rstrip() + "\n" for line in text.splitlines()))


@pytest.mark.parametrize("width", [80, 100])
def test_the_list_has_every_rule_under_its_group(width):
    text = shown(render_rules(), width)
    at = -1
    for group, rules in GROUPS.items():
        at = text.index(f"\n{group}\n".replace("\n", "", 1) if at < 0 else f"\n{group}", at + 1)
        for rule in rules:
            at = text.index(f"\n  {rule.severity:<7}  {rule.code} ", at)
    everything = " ".join(text.split())
    assert everything.count("warning") >= sum(rule.severity == "warning" for rule in RULES.values())


def test_the_readme_gets_a_row_for_each_rule():
    rows = rules_markdown().splitlines()
    assert len(rows) == 2 + len(GROUPS) + len(RULES)
    for rule in RULES.values():
        assert f"| `{rule.code}` | {rule.severity} | {rule.title} |" in rows
    assert all(row.count("|") == 4 for row in rows)  # no title has a column of its own
