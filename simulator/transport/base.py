"""What the engine asks of a transport."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from simulator.model import Endpoint, Reply, TrainerRules


class Route(msgspec.Struct, frozen=True):
    """An endpoint as a transport needs it; `time_limit_s` covers a call from connecting to the last byte."""

    url: str
    headers: tuple[tuple[str, str], ...]
    time_limit_s: float
    connect_time_limit_s: float
    max_answer_bytes: int

    def __repr__(self) -> str:
        return f"<Route {self.url.partition('?')[0]}>"  # headers and query may hold secrets


class Transport(Protocol):
    """Sends one request and brings back one reply."""

    async def exchange(self, endpoint: int, body: bytes) -> Reply:
        """POST `body` to the endpoint of that index. Never raises but for cancellation."""

    def close(self) -> None:
        """Close all connections."""


def routes_of(endpoints: Sequence[Endpoint], rules: TrainerRules) -> tuple[Route, ...]:
    """Return the endpoints' routes under the trainer's limits."""
    limits = {"tool": rules.tool_time_limit_s, "grader": rules.grader_time_limit_s}
    return tuple(
        Route(e.url, e.headers, limits[e.kind], rules.connect_time_limit_s, rules.max_answer_bytes)
        for e in endpoints
    )
