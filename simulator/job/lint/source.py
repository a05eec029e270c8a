"""The source of a `python` grader, compiled and never run."""

import ast
import sys
import warnings
from collections.abc import Iterator

from simulator.job.lint.tokens import shown

_ASKED_FOR = "the platform calls `grade(sample, item)`"


def source_problem(source: str) -> str:
    """Return why the source cannot run, or has no `grade` to call; "" where it seems fine."""
    if not source.strip():
        return ""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
            compile(tree, "grader", "exec", dont_inherit=True)
        bound = list(_bound_at_the_top(tree))
    except SyntaxError as error:
        python = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
        place = f"line {error.lineno} of " if error.lineno else ""
        return f"{place}the source is not {python}: {shown(error.msg)[1:-1]}"
    except (RecursionError, MemoryError, ValueError, OverflowError):
        return "it cannot be compiled: it is nested too deeply"
    if not bound:
        return f"it defines no `grade`, and {_ASKED_FOR}"
    last = bound[-1]
    if isinstance(last, ast.FunctionDef) and not last.decorator_list and not _takes_two(last.args):
        return f"line {last.lineno} of the source: {_ASKED_FOR}, and `grade` does not take two arguments"
    return ""


def _takes_two(arguments: ast.arguments) -> bool:
    positional = len(arguments.posonlyargs) + len(arguments.args)
    needed = positional - len(arguments.defaults)
    keywords_needed = any(default is None for default in arguments.kw_defaults)
    return needed <= 2 <= (2 if arguments.vararg else positional) and not keywords_needed


def _bound_at_the_top(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what binds the name `grade` in the module, in the order of the text."""
    pending: list[ast.AST] = [*reversed(tree.body)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if node.name == "grade":
                yield node
            continue
        is_name = isinstance(node, ast.Name) and node.id == "grade" and isinstance(node.ctx, ast.Store)
        is_import = isinstance(node, ast.alias) and (node.asname or node.name) in {"grade", "*"}
        if is_name or is_import:
            yield node
        pending.extend(reversed(list(ast.iter_child_nodes(node))))
