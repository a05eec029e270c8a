"""The job's grader as an object: the fields of its type, and of each grader inside a `multi`."""

from collections.abc import Callable, Collection, Iterator

from simulator.grading import texts
from simulator.grading.formula import problem_in
from simulator.job.document import Node
from simulator.job.jobfile import GRADER_TYPES
from simulator.job.lint.places import elements, member, members, some, text_of, told
from simulator.job.lint.source import source_problem
from simulator.job.lint.threshold import bounds_of, threshold
from simulator.job.lint.tokens import shown
from simulator.job.scenario import Scenario
from simulator.model import Finding

Trouble = tuple[str, Node, str]
"""A code, the value, and what is wrong with it."""

Check = Callable[[Node], Iterator[Trouble]]

INCOMPLETE, UNKNOWN = "grader.incomplete", "grader.unknown_value"

OPERATIONS, METRICS = tuple(sorted(texts.OPERATIONS)), tuple(sorted(texts.METRICS))
ROLES = ("assistant", "developer", "system", "user")


def is_a(kind: type | tuple[type, ...], name: str) -> Check:
    """Return the check that a value is of that kind, and not empty if it can be."""

    def check(node: Node) -> Iterator[Trouble]:
        if not isinstance(node.value, kind):
            yield INCOMPLETE, node, f"{node.name} must be {name}"
        elif node.value in ("", [], {}):
            yield INCOMPLETE, node, f"{node.name} is empty"

    return check


def one_of(known: tuple[str, ...]) -> Check:
    """Return the check that a value is one of those."""

    def check(node: Node) -> Iterator[Trouble]:
        if not isinstance(node.value, str):
            yield INCOMPLETE, node, f"{node.name} must be a string"
        elif node.value not in known:
            message = f"{node.name} is {shown(node.value)}, and known are {', '.join(known)}"
            yield UNKNOWN, node, message

    return check


filled, an_object, a_list = is_a(str, "a string"), is_a(dict, "an object"), is_a(list, "an array")


def _text(node: Node) -> Iterator[Trouble]:
    if not isinstance(node.value, str):
        yield INCOMPLETE, node, f"{node.name} must be a string"


def _messages(node: Node) -> Iterator[Trouble]:
    yield from a_list(node)
    for message in elements(node):
        if not isinstance(message.value, dict):
            yield INCOMPLETE, message, f"{message.name} must be a message, with role and content"
            continue
        yield from _fields(message, {"role": one_of(ROLES), "content": _content})


def _content(node: Node) -> Iterator[Trouble]:
    for part in elements(node) if isinstance(node.value, list) else [node]:
        if not isinstance(part.value, str | dict):
            yield INCOMPLETE, part, f"{part.name} must be a string, or an object with type and text"


def _labels(node: Node) -> Iterator[Trouble]:
    yield from a_list(node)
    for label in elements(node):
        yield from _text(label)


def _range(node: Node) -> Iterator[Trouble]:
    if bounds_of(node) is None:
        yield INCOMPLETE, node, f"{node.name} must be two numbers, the lower one first"


_COMPARED: dict[str, Check] = {"input": _text, "reference": _text}

REQUIRED: dict[str, dict[str, Check]] = {
    "string_check": {**_COMPARED, "operation": one_of(OPERATIONS)},
    "text_similarity": {**_COMPARED, "evaluation_metric": one_of(METRICS)},
    "python": {"source": filled},
    "score_model": {"input": _messages, "model": filled},
    "label_model": {"input": _messages, "model": filled, "labels": _labels, "passing_labels": _labels},
    "multi": {"graders": an_object, "calculate_output": filled},
}
"""What each type needs, from OpenAI's types; an endpoint's own fields the reader has seen to."""

OPTIONAL: dict[str, dict[str, Check]] = {
    "python": {"image_tag": _text},
    "score_model": {"range": _range, "sampling_params": an_object},
}


def graders_of(scenario: Scenario) -> Iterator[Node]:
    """Yield the job's grader and all inside it that are objects."""
    pending = [member(scenario.file.node, "grader")]
    while pending:
        node = pending.pop()
        if node and isinstance(node.value, dict):
            yield node
            if type_of(node) == "multi":
                pending.extend(inner for _, inner in reversed(members(member(node, "graders"))))


def type_of(node: Node) -> str:
    """Return the grader's type, "" where it has none that is known."""
    kind = text_of(member(node, "type"))
    return kind if kind in GRADER_TYPES else ""


def grader_fields(scenario: Scenario) -> Iterator[Finding]:
    """Tell of fields that are missing, or hold what they cannot."""
    for code, node, message in _troubles(scenario):
        yield told(code, message, [node])


def _troubles(scenario: Scenario) -> Iterator[Trouble]:
    for node in graders_of(scenario):
        kind = type_of(node)
        yield from _fields(node, REQUIRED.get(kind, {}))
        for key, check in OPTIONAL.get(kind, {}).items():
            if field := member(node, key):
                yield from check(field)
        yield from _MORE.get(kind, _nothing)(node)


def _fields(node: Node, required: dict[str, Check]) -> Iterator[Trouble]:
    for key, check in required.items():
        field = member(node, key)
        if field:
            yield from check(field)
        else:
            yield INCOMPLETE, node, f"{node.name} has no `{key}`"


def _nothing(_: Node) -> Iterator[Trouble]:
    yield from ()


def _of_labels(node: Node) -> Iterator[Trouble]:
    labels = {text_of(label) for label in elements(member(node, "labels"))}
    for label in elements(member(node, "passing_labels")) if labels else ():
        if isinstance(label.value, str) and label.value not in labels:
            yield UNKNOWN, label, f"{label.name} is {shown(label.value)}, which is not among `labels`"


def _of_source(node: Node) -> Iterator[Trouble]:
    source = member(node, "source")
    if source and (problem := source_problem(text_of(source))):
        yield "grader.source", source, f"{source.name}: {problem}"


def _of_multi(node: Node) -> Iterator[Trouble]:
    graders, formula = members(member(node, "graders")), member(node, "calculate_output")
    for _, grader in graders:
        if not isinstance(grader.value, dict):
            yield INCOMPLETE, grader, f"{grader.name} must be a grader object"
        else:
            yield from _fields(grader, {"type": one_of(tuple(sorted(GRADER_TYPES)))})
    if graders and formula and (problem := formula_problem(text_of(formula), [key for key, _ in graders])):
        yield "grader.formula", formula, f"{formula.name} {problem}"


def formula_problem(formula: str, graders: Collection[str]) -> str:
    """Return why the formula cannot be computed from those graders' scores, "" where it can."""
    problem = problem_in(formula, graders)
    if not problem:
        return ""
    return problem.sentence.format(token=shown(problem.token), graders=some(problem.graders))


_MORE: dict[str, Check] = {"label_model": _of_labels, "python": _of_source, "multi": _of_multi}


GRADER_LINTS = (grader_fields, threshold)
