"""What the mock serves: some tools and some graders, as plain functions."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Tool = Callable[[dict[str, Any], str], str]
"""(arguments, trace_id) -> output. Whatever is wrong with the arguments is told in the output."""

Grader = Callable[[str, dict[str, Any], str], float]
"""(answer, item, trace_id) -> score; ValueError when the item cannot be graded at all."""


class Domain(msgspec.Struct, frozen=True):
    """Tools, served at `/tools/NAME`, and graders, served at `/NAME`."""

    name: str
    tools: Mapping[str, Tool]
    graders: Mapping[str, Grader]
