"""The formula of a `multi` grader, parsed and never evaluated."""

import ast
import re
import warnings
from collections.abc import Callable, Collection, Sequence
from typing import Any
from unicodedata import normalize

from simulator.job.lint.places import some
from simulator.job.lint.tokens import shown

FUNCTIONS = {"abs": 1, "ceil": 1, "exp": 1, "floor": 1, "log": 2, "max": None, "min": None, "sqrt": 1}
"""Each function with the most arguments it takes; None is any number."""

_LONGEST = 10_000
_ALIEN = re.compile(r"[^\w\s.+\-*/^(),]|\*\s*\*|/\s*/")
_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*")
_OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.USub, ast.UAdd)
_HARMLESS = (ast.Expression, ast.BinOp, ast.UnaryOp, ast.Load, *_OPERATORS)


def formula_problem(formula: str, graders: Collection[str]) -> str:
    """Return why the formula cannot be computed from those graders' scores, "" where it can.

    A formula of more than 10,000 characters is not looked at.
    """
    if len(formula) > _LONGEST or not formula.strip():
        return ""
    if alien := _ALIEN.search(formula):
        return f"holds {shown(alien[0])}, and the operators are + - * / ^"
    try:
        nodes = list(ast.walk(_parsed(formula)))
    except SyntaxError:
        return "is no formula: brackets, operators or commas do not fit together"
    except (RecursionError, MemoryError, ValueError):
        return "is nested too deeply"
    return _problem_of(nodes, {normalize("NFKC", name) for name in graders})  # as Python reads names


def _parsed(formula: str) -> ast.Expression:
    """Parse with a mark before each name: one of Python's own words, such as `is`, may be a grader's."""
    marked = _NAME.sub(lambda found: "_" + found[0], " ".join(formula.split())).replace("^", "**")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(marked, mode="eval")


def _problem_of(nodes: Sequence[ast.AST], graders: Collection[str]) -> str:
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Name) and id(node) not in called and node.id[1:] not in graders:
            return f"names {shown(node.id[1:])}, and the graders are {some(sorted(graders))}"
        problem = _CHECKS.get(type(node), _other)(node)
        if problem:
            return problem
    return ""


def _call(node: Any) -> str:
    name = node.func.id[1:] if isinstance(node.func, ast.Name) else ""
    if name not in FUNCTIONS:
        return f"calls {shown(name)}, and the functions are {', '.join(FUNCTIONS)}"
    most = FUNCTIONS[name]
    if not node.args or (most and len(node.args) > most):
        return f"calls {name} with {len(node.args)} values"
    return ""


def _constant(node: Any) -> str:
    return "" if isinstance(node.value, int | float) else "holds what is no number"


def _fine(_: Any) -> str:
    return ""


def _other(_: Any) -> str:
    return "is no formula: it is more than numbers, graders, operators and functions"


_CHECKS: dict[type[ast.AST], Callable[[Any], str]] = {
    ast.Call: _call,
    ast.Constant: _constant,
    ast.Name: _fine,
    **dict.fromkeys(_HARMLESS, _fine),
}
