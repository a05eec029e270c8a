"""Templates of graders: each `{{...}}` is looked up in the rows, and in what a sample has."""

from collections.abc import Iterator
from itertools import islice

from simulator.grading.template import NAMESPACES, Path, depth_in, parsed, templates_in
from simulator.job.document import Node
from simulator.job.lint.grader import graders_of, type_of
from simulator.job.lint.places import Spot, member, some, strings, told, told_by_file
from simulator.job.lint.tokens import conceal
from simulator.job.scenario import Scenario
from simulator.job.strictjson import quoted
from simulator.model import Finding

FIELDS: dict[str, tuple[str, ...]] = {
    "string_check": ("input", "reference"),
    "text_similarity": ("input", "reference"),
    "score_model": ("input",),
    "label_model": ("input",),
}
"""Where templates may stand."""

SAMPLE = ("choices", "output_json", "output_text", "output_tools")
"""What a sample has."""

MOST_TEMPLATES = 100
"""Different ones that are looked up in the rows."""


def templates(scenario: Scenario) -> Iterator[Finding]:
    """Tell of templates that name what is never there, and of rows that lack what they name."""
    asked: dict[Path, tuple[Node, str]] = {}
    hopeless: list[tuple[Node, str]] = []
    for node, expression in _all(scenario):
        namespace, path = parsed(expression) or ("item", ())
        name = conceal(f"{{{{{expression}}}}}")
        if problem := _problem(scenario, namespace, path):
            hopeless.append((node, f"{quoted(name)} {problem}"))
        elif namespace == "item" and path:
            asked.setdefault(path, (node, name))
    nowhere = list[tuple[Node, str]]()
    for path, (node, name) in islice(asked.items(), MOST_TEMPLATES):
        rows = [(file, item) for _, file, items in scenario.splits for item in items]
        depths = [depth_in(item.row, path) for _, item in rows]
        if rows and max(depths) < len(path):
            nowhere.append((node, name))
        else:
            lacking = (place for place, depth in zip(rows, depths, strict=True) if depth < len(path))
            spots = [Spot(file, item, f"the row lacks {quoted(name)}", path) for file, item in lacking]
            yield from told_by_file("grader.template_missing", spots)
    if nowhere:
        message = f"in no row: {some([name for _, name in nowhere])}"
        yield told("grader.template", message, [nowhere[0][0]])
    yield from (told("grader.template", message, [node]) for node, message in hopeless)


def _all(scenario: Scenario) -> Iterator[tuple[Node, str]]:
    for grader in graders_of(scenario):
        for key in FIELDS.get(type_of(grader), ()):
            field = member(grader, key)
            for path, text in strings(field.value) if field else ():
                for expression in templates_in(text):
                    yield Node(grader.source, None, (*grader.path, key, *path)), expression


def _problem(scenario: Scenario, namespace: str, path: Path | None) -> str:
    if namespace not in NAMESPACES:
        return "begins with neither `item` nor `sample`"
    if path is None:
        return "cannot be read: write names after dots, and indexes in brackets"
    field, *rest = path if namespace == "sample" and path else ("choices",)
    if field not in SAMPLE:
        return f"is nothing that a sample has, which is {', '.join(SAMPLE)}"
    if field == "output_json" and member(scenario.file.node, "response_format") is None:
        return "is null in every sample: the job has no `response_format`"
    return "is part of a text, which has none" if field == "output_text" and rest else ""


TEMPLATE_LINTS = (templates,)
