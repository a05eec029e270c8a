"""The formula of a `multi` grader: looked at, and computed from scores, without running it as a program.

Operators and functions are those of OpenAI's grader guide; `^` is power and binds as in mathematics: to the
right, and closer than a sign before it. All is computed in floats, and so no formula takes long.
"""

import ast
import math
import operator
import re
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any
from unicodedata import normalize

import msgspec

from simulator.grading.judgement import CannotGrade

FUNCTIONS = {"abs": 1, "ceil": 1, "exp": 1, "floor": 1, "log": 2, "max": None, "min": None, "sqrt": 1}
"""Each function with the most arguments it takes; None is any number. The second one of `log` is the base."""

_LONGEST = 10_000
_ALIEN = re.compile(r"[^\w\s.+\-*/^(),]|\*\s*\*|/\s*/")
_NAME = re.compile(r"(?<![\w.])[^\W\d]\w*")
_MOST_SHOWN = 10


class Problem(msgspec.Struct, frozen=True):
    """Why a formula cannot be computed: what follows "the formula".

    `{token}` in the sentence is to be replaced by the token, `{graders}` by the graders, as the reader shows
    such names.
    """

    sentence: str
    token: str = ""
    graders: tuple[str, ...] = ()


def problem_in(formula: str, graders: Collection[str]) -> Problem | None:
    """Return why the formula cannot be computed from those graders' scores, None where it can.

    A formula that is blank, or has more than 10,000 characters, is not looked at.
    """
    if len(formula) > _LONGEST or not formula.strip():
        return None
    nodes = _nodes(formula)
    return nodes if isinstance(nodes, Problem) else _problem_of(nodes, set(map(_as_python_reads, graders)))


def compute(formula: str, scores: Mapping[str, float]) -> float:
    """Return what the formula makes of the graders' scores: a finite number.

    Raises CannotGrade (formula_parse_error) where `problem_in` finds one, where the formula is blank or
    longer than 10,000 characters, and where any part of it is no finite real number.
    """
    if not formula.strip() or len(formula) > _LONGEST:
        raise _refused("is empty" if len(formula) <= _LONGEST else f"has more than {_LONGEST:,} characters")
    nodes, named = _nodes(formula), {_as_python_reads(name): score for name, score in scores.items()}
    if isinstance(nodes, Problem):
        raise _refused(_worded(nodes))
    if problem := _problem_of(nodes, named):
        raise _refused(_worded(problem))
    try:
        return _computed(nodes, named)
    except ZeroDivisionError:
        raise _refused("divides by zero") from None
    except OverflowError:
        raise _refused("leads to a number that is too large") from None
    except ValueError:
        raise _refused("leads to what is no number, such as the root of a negative one") from None


def _as_python_reads(name: str) -> str:
    return normalize("NFKC", name)


def _refused(problem: str) -> CannotGrade:
    return CannotGrade("formula_parse_error", f"the formula {problem}")


def _worded(problem: Problem) -> str:
    listed = ", ".join(map(ascii, problem.graders[:_MOST_SHOWN]))
    return problem.sentence.format(token=ascii(problem.token), graders=listed)


# -- reading ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)  # a job has few formulas, and each rollout asks for the same ones
def _nodes(formula: str) -> tuple[ast.AST, ...] | Problem:
    """Return all the nodes, those that hold others before these."""
    if alien := _ALIEN.search(formula):
        return Problem("holds {token}, and the operators are + - * / ^", alien[0])
    try:
        return tuple(ast.walk(_parsed(formula)))
    except SyntaxError:
        return Problem("is no formula: brackets, operators or commas do not fit together")
    except (RecursionError, MemoryError, ValueError):
        return Problem("is nested too deeply")


def _parsed(formula: str) -> ast.Expression:
    """Parse with a mark before each name: one of Python's own words, such as `is`, may be a grader's."""
    marked = _NAME.sub(lambda found: "_" + found[0], " ".join(formula.split())).replace("^", "**")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(marked, mode="eval")


def _problem_of(nodes: Sequence[ast.AST], graders: Collection[str]) -> Problem | None:
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        if isinstance(node, ast.Name) and id(node) not in called and node.id[1:] not in graders:
            sentence = "names {token}, and the graders are {graders}"
            return Problem(sentence, node.id[1:], tuple(sorted(graders)))
        problem = _CHECKS.get(type(node), _other)(node)
        if problem:
            return problem
    return None


def _call(node: Any) -> Problem | None:
    name = node.func.id[1:] if isinstance(node.func, ast.Name) else ""
    if name not in FUNCTIONS:
        return Problem(f"calls {{token}}, and the functions are {', '.join(FUNCTIONS)}", name)
    most = FUNCTIONS[name]
    if not node.args or (most and len(node.args) > most):
        return Problem(f"calls {name} with {len(node.args)} values")
    return None


def _constant(node: Any) -> Problem | None:
    return None if isinstance(node.value, int | float) else Problem("holds what is no number")


def _fine(_: Any) -> Problem | None:
    return None


def _other(_: Any) -> Problem | None:
    return Problem("is no formula: it is more than numbers, graders, operators and functions")


# -- computing -------------------------------------------------------------------------------------------

_OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: math.pow,  # in floats, and no complex numbers
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
}

_FUNCTIONS: dict[str, Callable[..., float]] = {
    "abs": abs,
    "ceil": math.ceil,
    "exp": math.exp,
    "floor": math.floor,
    "log": math.log,
    "max": lambda *values: max(values),
    "min": lambda *values: min(values),
    "sqrt": math.sqrt,
}

_CHECKS: dict[type[ast.AST], Callable[[Any], Problem | None]] = {
    ast.Call: _call,
    ast.Constant: _constant,
    ast.Name: _fine,
    **dict.fromkeys((ast.Expression, ast.BinOp, ast.UnaryOp, ast.Load, *_OPERATORS), _fine),
}


def _computed(nodes: Sequence[ast.AST], scores: Mapping[str, float]) -> float:
    """Compute the innermost first; however deep the formula is, nothing recurses."""
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    values, value = dict[ast.AST, float](), 0.0
    for node in reversed(nodes):
        if (evaluate := _VALUES.get(type(node))) and id(node) not in called:
            value = values[node] = float(evaluate(node, values, scores))
            if not math.isfinite(value):
                raise OverflowError
    return value


_Values = Mapping[ast.AST, float]

_VALUES: dict[type[ast.AST], Callable[[Any, _Values, Mapping[str, float]], float]] = {
    ast.Constant: lambda node, _, __: node.value,
    ast.Name: lambda node, _, scores: scores[node.id[1:]],
    ast.UnaryOp: lambda node, values, _: _OPERATORS[type(node.op)](values[node.operand]),
    ast.BinOp: lambda node, values, _: _OPERATORS[type(node.op)](values[node.left], values[node.right]),
    ast.Call: lambda node, values, _: _FUNCTIONS[node.func.id[1:]](*(values[arg] for arg in node.args)),
    ast.Expression: lambda node, values, _: values[node.body],
}
