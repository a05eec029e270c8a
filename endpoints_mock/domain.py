"""What the mock serves: some tools and some graders, as plain functions."""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

Tool = Callable[[dict[str, Any], str], str]
"""(arguments, trace_id) -> output. Whatever is wrong with the arguments is told in the output."""

Grader = Callable[[str, dict[str, Any], str], float]
"""(answer, item, trace_id) -> score; ValueError when the item cannot be graded at all."""


AnyTool = Callable[[str, dict[str, Any], str], str]
"""(name, arguments, trace_id) -> output, for a domain whose tools have any name."""


class Domain(msgspec.Struct, frozen=True):
    """Tools, served at `/tools/NAME`, and graders, served at `/NAME`.

    `/tools` serves all of them, as jobs do that have one `server_url`; there `any_tool` answers for whatever
    is not among `tools`.
    """

    name: str
    tools: Mapping[str, Tool]
    graders: Mapping[str, Grader]
    any_tool: AnyTool | None = None
