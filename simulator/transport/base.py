"""What the engine asks of a transport."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
import trio

from simulator.model import Endpoint, Reply, TrainerRules

RESEND_AFTER_S = 1.0
RESEND_WITHIN_S = 0.25
"""A request goes out again, and is counted as resent, if its connection had been idle for the first of these
and ended within the second: then the peer's own idle limit is the likely reason. Any other end is a fault."""


HEADERS = {
    "user-agent": "rft-preflight",
    "accept": "application/json",
    "content-type": "application/json",
}
"""What every request carries unless the job gives its own."""


class Route(msgspec.Struct, frozen=True):
    """An endpoint as a transport needs it; `time_limit_s` covers a call from connecting to the last byte."""

    url: str
    headers: tuple[tuple[str, str], ...]
    time_limit_s: float
    connect_time_limit_s: float
    max_answer_bytes: int

    def __repr__(self) -> str:
        return f"<Route {self.url.partition('?')[0]}>"  # headers and query may hold secrets


Answered = Callable[[Reply], None]
"""What is called with the reply to a request; it must not raise."""


class Exchange(Protocol):
    """A request that is under way."""

    def call_off(self) -> None:
        """Give it up: its connection is closed and its reply never delivered; harmless once it was."""


class Transport(Protocol):
    """Sends requests and delivers their replies, by callbacks: nobody waits in a task of his own.

    A task for each of thousands of rollouts would cost more than the rest of a call.
    """

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do the work until cancelled, then close all connections; nothing can be sent before it started."""

    def send(self, endpoint: int, body: bytes, answered: Answered) -> Exchange:
        """POST `body` to the endpoint of that index.

        `answered` is called once, in the loop and never before `send` has returned, whatever happens.
        """


async def exchange(transport: Transport, endpoint: int, body: bytes) -> Reply:
    """Send one request and wait for its reply, which a cancellation calls off."""
    task = trio.lowlevel.current_task()
    reply: Reply | None = None

    def answered(delivered: Reply) -> None:
        nonlocal reply
        reply = delivered
        trio.lowlevel.reschedule(task)

    under_way = transport.send(endpoint, body, answered)

    def abort(_raise_cancel: Any) -> trio.lowlevel.Abort:
        under_way.call_off()
        return trio.lowlevel.Abort.SUCCEEDED

    await trio.lowlevel.wait_task_rescheduled(abort)
    assert reply is not None  # noqa: S101 only `answered` ends the wait
    return reply


def routes_of(endpoints: Sequence[Endpoint], rules: TrainerRules) -> tuple[Route, ...]:
    """Return the endpoints' routes under the trainer's limits."""
    limits = {"tool": rules.tool_time_limit_s, "grader": rules.grader_time_limit_s}
    return tuple(
        Route(e.url, e.headers, limits[e.kind], rules.connect_time_limit_s, rules.max_answer_bytes)
        for e in endpoints
    )
