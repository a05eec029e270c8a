"""What the README says of the code is still so."""

import re
from pathlib import Path

from reports.rules import rules_markdown
from simulator import metrics
from simulator.cli.exits import EXIT_CODES, EXIT_INTERRUPTED, EXIT_UNUSABLE
from simulator.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def section(title):
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def test_the_five_files_of_the_reading_order_are_there():
    files = re.findall(r"^\d\. `(\S+\.py)`", section("Reading the code"), re.MULTILINE)
    assert len(files) == 5
    assert all((ROOT / file).is_file() for file in files)


def test_every_metric_is_in_the_table_of_gates():
    said = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", section("Gates")))))
    of_all = {**metrics.OF_THE_RUN, **metrics.OF_THE_GRADER, "endpoint": metrics.ENDPOINT_METRICS}
    assert {*metrics.OF_THE_RUN, *metrics.OF_THE_GRADER} <= set(re.findall(r"[\w.]+", section("Gates")))
    tables = of_all.values()
    assert {name for table in tables for name in table} <= said


def test_every_exit_code_is_in_the_table():
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", section("What comes out"), re.MULTILINE)}
    assert codes == {*EXIT_CODES.values(), EXIT_UNUSABLE, EXIT_INTERRUPTED}


def test_the_table_of_findings_is_that_of_the_rules(request):
    begin, end = "<!-- findings -->\n", "<!-- end of findings -->"
    before, rest = README.split(begin)
    table, after = rest.split(end)
    assert before.endswith("\n## Findings\n\n")
    if request.config.getoption("--update-golden"):
        table = rules_markdown()
        (ROOT / "README.md").write_text(f"{before}{begin}{table}{end}{after}")
    assert table == rules_markdown()


def test_every_command_is_shown():
    assert all(
        f"rft-preflight {command.__name__}" in README for command in COMMANDS if command.__name__ != "demo"
    )
    assert "make demo" in README


def test_every_dependency_has_its_reason():
    project = (ROOT / "pyproject.toml").read_text()
    listed = re.search(r"^dependencies = \[(.+?)^\]", project, re.MULTILINE | re.DOTALL)[1]
    table = section("Dependencies")
    for name in re.findall(r'"([a-z0-9]+)', listed):
        assert re.search(rf"^\|[^|]*\b{name}\b", table, re.MULTILINE), name
