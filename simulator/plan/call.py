"""One call as the trainer makes it: attempts, retries, giving up. A generator that cannot wait.

Who drives it waits until `due`, puts `body` on the wire and sends the reply back in:

    call ──Wait(until)──▶ driver      only before a rate limit: the place in its queue is taken when due
    call ──Send(due, body)──▶ driver ──Reply──▶ call
    call ──▶ Outcome
"""

from collections.abc import Callable, Generator

import msgspec

from simulator.faults import Fault
from simulator.model import Attempt, Outcome, Reading, Reply, ToolCall
from simulator.plan.retry import Reaction, backoff_s, react
from simulator.plan.trainer import Trainer


class Send(msgspec.Struct, frozen=True, gc=False):
    """Put `body` on the wire to `endpoint` at `due`; the driver answers with a Reply."""

    due: float
    endpoint: int
    body: bytes


class Wait(msgspec.Struct, frozen=True, gc=False):
    """Come back at `until`; the driver answers with None."""

    until: float


Call = Generator[Send | Wait, Reply | None, Outcome]
Reader = Callable[[int, bytes], Reading]


def call(
    trainer: Trainer,
    endpoint: int,
    body: bytes,
    read: Reader,
    due: float,
    *,
    tool_call: ToolCall | None = None,
    call_id: str = "",
) -> Call:
    """Make one call, due at `due`, until it is accepted, shown as an error, or given up on."""
    attempts: list[Attempt] = []
    while True:
        attempt, reading = yield from _attempt(trainer, endpoint, body, read, due, len(attempts) + 1)
        attempts.append(attempt)
        trainer.record(attempt)
        reaction = react(trainer.rules, trainer.endpoints[endpoint].kind, attempt.fault, attempt.number)
        if reaction is not Reaction.RETRY:
            break
        due = attempt.done + backoff_s(trainer.rules, attempt.number)
    output = reading.output
    if reading.fault is not None and not output:
        output = trainer.dialect.error_shown(reading.fault)
    return Outcome(
        endpoint=endpoint,
        call=tool_call,
        call_id=call_id,
        attempts=tuple(attempts),
        done=attempt.done,
        output=output,
        score=reading.score,
        fault=reading.fault,
        soft_error=reading.soft_error,
        fatal=reaction is Reaction.DISCARD,
        violations=reading.violations,
    )


def _attempt(
    trainer: Trainer, endpoint: int, body: bytes, read: Reader, due: float, number: int
) -> Generator[Send | Wait, Reply | None, tuple[Attempt, Reading]]:
    if len(body) > trainer.rules.max_request_bytes:
        fault = Fault.REQUEST_TOO_LARGE
        return Attempt(endpoint, number, due, due, due, fault=fault), Reading(fault=fault)
    if (pacer := trainer.pacers[endpoint]) is not None:
        yield Wait(due)
        due = pacer.reserve(due)
    reply = yield Send(due, endpoint, body)
    assert reply is not None  # noqa: S101 the driver's half of the protocol above
    reading = read(reply.status, reply.body) if reply.fault is None else Reading(fault=reply.fault)
    attempt = Attempt(
        endpoint,
        number,
        due,
        reply.sent,
        reply.done,
        reply.first_byte,
        reply.status,
        reading.fault,
        reply.reused,
    )
    return attempt, reading
