"""One call as the trainer makes it: attempts, retries, giving up. A generator that cannot wait.

Who drives it waits until `due`, puts `body` on the wire and sends the reply back in:

    call ──Wait(until)──▶ driver      only before a rate limit: the place in its queue is taken when due
    call ──Send(due, body)──▶ driver ──Reply──▶ call
    call ──▶ Outcome

When the run ends first, the driver throws `Interrupted` in: a call whose request was out becomes an
unfinished outcome, any other one leaves nothing.
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


class Interrupted(Exception):  # noqa: N818 it is no error: the run ends first
    """Thrown in when the run ends at `at`; a rollout is also given the `outcomes` of its turn so far."""

    def __init__(self, at: float, outcomes: tuple[Outcome, ...] = ()) -> None:
        self.at, self.outcomes = at, outcomes


Call = Generator[Send | Wait, Reply | None, Outcome]
StartCall = Callable[[float], Call]
"""Makes the call that is due at the given moment."""

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
        output = trainer.dialect.error_shown(reading.fault, attempt.status)
    return Outcome(
        endpoint=endpoint,
        call=tool_call,
        call_id=call_id,
        attempts=tuple(attempts),
        done=attempt.done,
        output=output,
        output_chars=len(output),
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
    try:
        reply = yield Send(due, endpoint, body)
    except Interrupted as stop:
        if stop.at <= due:
            raise
        fault = Fault.UNFINISHED
        return Attempt(endpoint, number, due, due, stop.at, fault=fault), Reading(fault=fault)
    assert reply is not None  # noqa: S101 the driver's half of the protocol above
    fault_on_wire = _fault_on_wire(reply)
    reading = read(reply.status, reply.body) if fault_on_wire is None else Reading(fault=fault_on_wire)
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
        reply.resent,
    )
    return attempt, reading


def _fault_on_wire(reply: Reply) -> Fault | None:
    """Return the transport's fault, but a 5xx is a 5xx however long its page is."""
    if reply.fault is Fault.TOO_LARGE and reply.status >= 500:
        return Fault.HTTP_5XX
    return reply.fault
