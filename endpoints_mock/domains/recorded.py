"""What endpoints did once: recorded calls are answered as they were, and recorded answers scored so."""

from collections.abc import Iterable
from typing import Any

import msgspec

from endpoints_mock.domain import Domain

NOT_RECORDED = "Error: this call was not recorded"

_encode = msgspec.json.Encoder(order="sorted").encode


def recorded_domain(
    answered: Iterable[tuple[str, str, str]], scored: Iterable[tuple[str, float | None]]
) -> Domain:
    """Return the domain: of each tool its name, arguments (JSON) and output, of each answer its score.

    What was recorded more than once is answered as it was first. A grader call for an answer that nobody
    gave scores 0.
    """
    outputs: dict[tuple[str, bytes], str] = {}
    for name, arguments, output in answered:
        outputs.setdefault((name, _canonical(arguments)), output)
    scores: dict[str, float] = {}
    for answer, score in scored:
        scores.setdefault(answer, 0.0 if score is None else score)

    def any_tool(name: str, arguments: dict[str, Any], _trace_id: str) -> str:
        return outputs.get((name, _encode(arguments)), NOT_RECORDED)

    def grade(answer: str, _item: dict[str, Any], _trace_id: str) -> float:
        return scores.get(answer, 0.0)

    return Domain("recorded", {}, {"grade": grade}, any_tool=any_tool)


def _canonical(arguments: str) -> bytes:
    try:
        return _encode(msgspec.json.decode(arguments or "{}"))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return b""
