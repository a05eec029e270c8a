"""A domain without substance, for tests and benches: tools that echo, and a grader that likes everything."""

from typing import Any

import msgspec

from endpoints_mock.domain import Domain


def echo_domain() -> Domain:
    """Return the domain: any tool gives its arguments back, the grader `grade` gives 1.0."""
    return Domain("echo", {"echo": _echo}, {"grade": _full_marks}, any_tool=_echo_any)


def _echo(arguments: dict[str, Any], _trace_id: str) -> str:
    return msgspec.json.encode(arguments).decode()


def _echo_any(_name: str, arguments: dict[str, Any], trace_id: str) -> str:
    return _echo(arguments, trace_id)


def _full_marks(_answer: str, _item: dict[str, Any], _trace_id: str) -> float:
    return 1.0
