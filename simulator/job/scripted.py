"""Scripted policies: a class in a Python file of the scenario's, loaded by name."""

import importlib.util
import inspect
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import msgspec

from simulator.errors import ScenarioError
from simulator.job.document import is_file
from simulator.job.strictjson import printable, quoted
from simulator.model import Item
from simulator.plan.policy import Policy, ScriptedPolicy

ScriptedClass = Callable[..., Policy]
"""Called with an item, the rollout's own generator, and the scenario's options."""


def load_class(reference: str, directory: Path, *, where: str) -> ScriptedClass:
    """Return the class that `FILE.py:CLASS` names, the file relative to `directory`. It runs the file.

    ScenarioError where there is no such file or class, the file fails, or the class is no policy.
    """
    name, _, class_name = reference.rpartition(":")
    if not name or not class_name:
        raise ScenarioError(
            f"agent {quoted(reference)} names no class", where=where, remedy="write FILE.py:CLASS"
        )
    path = directory / name
    if not is_file(path):
        raise ScenarioError(
            f"agent {quoted(reference)}: no file {printable(path)}", where=where, remedy="check the name"
        )
    found: Any = getattr(_run(path), class_name, None)
    if not inspect.isclass(found):
        raise ScenarioError(
            f"has no class {quoted(class_name)}", where=printable(path), remedy=f"mend {where}"
        )
    lacking = _lacking(found)
    if lacking:
        method, remedy = lacking
        message = f"the class {class_name} has no method `{method}`"
        raise ScenarioError(message, where=printable(path), remedy=remedy)
    return cast("ScriptedClass", found)


def check_options(policy: ScriptedClass, options: dict[str, Any], *, where: str) -> None:
    """Raise ScenarioError when the class does not take these options."""
    nothing = Item(0, "train", 1, msgspec.Raw(b"{}"), {})
    try:
        inspect.signature(policy).bind(nothing, random.Random(0), **options)
    except (TypeError, ValueError) as error:  # ValueError: a class whose signature is not to be had
        raise ScenarioError(
            f"{getattr(policy, '__name__', 'the policy')} does not take these options: {error}",
            where=where,
            remedy="mend the policy's table `options`",
        ) from None


def _lacking(policy: Any) -> tuple[str, str] | None:
    """Return the method that the class would need to be a policy, and the remedy; None where it is one."""
    inherited = getattr(policy, "next", None)
    if not callable(inherited) or inherited is Policy.next:
        return "next", "subclass ScriptedPolicy"
    if inherited is ScriptedPolicy.next and policy.play is ScriptedPolicy.play:
        return "play", "write it as ScriptedPolicy describes"
    return None


def _run(path: Path) -> ModuleType:
    name = f"policy:{path.resolve()}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ScenarioError("is no Python file", where=printable(path), remedy="name a file that ends in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and msgspec look their annotations up there
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        where = f"{_shown(error.filename or '', path)}:{error.lineno or 1}"
        raise ScenarioError(f"syntax error: {error.msg}", where=where, remedy="mend the line") from None
    except BaseException as error:  # whatever a customer's file may raise, SystemExit included
        raise ScenarioError(
            f"failed when it was loaded: {_one_line(error)}",
            where=_last_line(error, path),
            remedy="mend the file",
        ) from None
    return module


def _one_line(error: BaseException) -> str:
    return printable(" ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":"))


def _last_line(error: BaseException, path: Path) -> str:
    """Return where in the file the error came up; the file alone where it never ran."""
    lines = [
        f.lineno
        for f in traceback.extract_tb(error.__traceback__)
        if _shown(f.filename, path) == printable(path)
    ]
    return f"{printable(path)}:{lines[-1]}" if lines else printable(path)


def _shown(filename: str, path: Path) -> str:
    """Return the file as the user wrote it, the import system having made it absolute."""
    return printable(path) if Path(filename).absolute() == path.absolute() else printable(filename)
