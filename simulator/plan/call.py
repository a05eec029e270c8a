"""One call as the trainer makes it: attempts, retries, giving up. A generator that cannot wait.

Who drives it waits until `due`, puts `body` on the wire and sends the reply back in:

    call ──Wait(due)──▶ driver      only before a rate limit: the place in its queue is taken when due
    call ──Send(due, body)──▶ driver ──Reply──▶ call
    call ──▶ Outcome

When the run ends first, the driver throws `Interrupted` in: a call whose request was out becomes an
unfinished outcome, any other one leaves nothing.
"""

from collections.abc import Callable, Generator

import msgspec

from simulator.dialects.base import CallIds, Dialect
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
    """Come back at `due`; the driver answers with None."""

    due: float


class Interrupted(Exception):  # noqa: N818 it is no error: the run ends first
    """Thrown in when the run ends at `at`; a rollout is also given the `outcomes` of its turn so far."""

    def __init__(self, at: float, outcomes: tuple[Outcome, ...] = ()) -> None:
        self.at, self.outcomes = at, outcomes


Call = Generator[Send | Wait, Reply | None, Outcome]
StartCall = Callable[[float], Call]
"""Makes the call that is due at the given moment."""


def call(
    trainer: Trainer, endpoint: int, body: bytes, tool_call: ToolCall | None, ids: CallIds | None, due: float
) -> Call:
    """Make one call, due at `due`, until it is accepted, shown as an error, or given up on.

    A tool call has its `ids`; a grader call has neither them nor a `tool_call`.
    """
    attempts: list[Attempt] = []
    fatal = False
    pacer = trainer.pacers[endpoint]
    while True:
        number = len(attempts) + 1
        if len(body) > trainer.rules.max_request_bytes:
            reading = Reading(fault=Fault.REQUEST_TOO_LARGE)
            attempt = Attempt(endpoint, number, due, due, due, fault=reading.fault)
        else:
            if pacer is not None:
                yield Wait(due)
                due = pacer.reserve(due)
            try:
                reply = yield Send(due, endpoint, body)
            except Interrupted as stop:
                if stop.at <= due:
                    raise
                reading = Reading(fault=Fault.UNFINISHED)
                attempt = Attempt(endpoint, number, due, due, stop.at, fault=reading.fault)
            else:
                assert reply is not None  # noqa: S101 the driver's half of the protocol above
                reading = read_reply(trainer.dialect, ids, reply)
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
                    reply.read_delay,
                )
        attempts.append(attempt)
        trainer.record(attempt)
        fault = reading.fault
        if fault is None:
            break
        reaction = react(trainer.rules, trainer.endpoints[endpoint].kind, fault, number)
        if reaction is not Reaction.RETRY:
            fatal = reaction is Reaction.DISCARD
            break
        due = attempt.done + backoff_s(trainer.rules, number)
    output = shown(trainer.dialect, reading, attempt.status)
    return Outcome(
        endpoint,
        tool_call,
        tuple(attempts),
        attempt.done,
        "" if ids is None else ids.call_id,
        output,
        len(output),
        reading.score,
        fault,
        reading.soft_error,
        fatal,
        reading.violations,
    )


def shown(dialect: Dialect, reading: Reading, status: int) -> str:
    """Return what the model is shown after an attempt: what came, or the platform's own error."""
    if reading.fault is None or reading.output:
        return reading.output
    return dialect.error_shown(reading.fault, status)


def read_reply(dialect: Dialect, ids: CallIds | None, reply: Reply) -> Reading:
    """Return what a reply means; a tool call has its `ids`, a grader call none."""
    if reply.fault is None:
        if ids is not None:
            return dialect.read_tool_answer(ids, reply.status, reply.body)
        return dialect.read_grader_answer(reply.status, reply.body)
    if reply.fault is Fault.TOO_LARGE and reply.status >= 500:
        return Reading(fault=Fault.HTTP_5XX)  # a 5xx is a 5xx however long its page is
    return Reading(fault=reply.fault)
