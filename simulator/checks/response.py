"""What became of a call that was sent as a probe."""

from enum import Enum

import msgspec

from simulator.checks.prober import Seen
from simulator.dialects.base import CallIds
from simulator.faults import Fault
from simulator.model import Reading


class ResponseKind(Enum):
    """What became of a probe, as its sender sees it."""

    ANSWERED = "answered"
    SOFT_ERROR = "soft error"
    REFUSED = "refused"
    REDIRECTED = "redirected"
    CRASHED = "crashed"
    HUNG = "hung"
    MALFORMED = "malformed"
    TOO_LARGE = "too large"
    THROTTLED = "throttled"


_KINDS: dict[Fault, ResponseKind] = {
    Fault.TIMEOUT: ResponseKind.HUNG,
    Fault.HTTP_4XX: ResponseKind.REFUSED,
    Fault.HTTP_3XX: ResponseKind.REDIRECTED,
    Fault.TOO_LARGE: ResponseKind.TOO_LARGE,
    Fault.MALFORMED_ANSWER: ResponseKind.MALFORMED,
}


_TOLD: dict[Fault, str] = {
    Fault.TIMEOUT: "no answer",
    Fault.RESET: "connection closed without an answer",
    Fault.TRUNCATED: "answer cut short",
    Fault.MALFORMED_HTTP: "no HTTP",
    Fault.MALFORMED_ANSWER: "nothing usable in the answer",
    Fault.TOO_LARGE: "an answer over 1 MB",
}

CERTAIN = {ResponseKind.ANSWERED, ResponseKind.SOFT_ERROR, ResponseKind.REFUSED}
"""Kinds that an endpoint chose; the others may be an accident."""

CONFIRMED = {**dict.fromkeys(ResponseKind, 3), **dict.fromkeys(CERTAIN, 1), ResponseKind.HUNG: 1}
"""How often a call must end so, for that to be no accident; a hang is waited for long enough."""

TOO_MANY_REQUESTS = 429


class Answered(msgspec.Struct, frozen=True):
    """A call and what came of it; `ids` is None for a grader's."""

    seen: Seen
    reading: Reading
    ids: CallIds | None = None

    @property
    def kind(self) -> ResponseKind:
        """What became of it; whatever is neither an answer nor listed elsewhere is a crash."""
        if self.seen.status == TOO_MANY_REQUESTS:
            return ResponseKind.THROTTLED
        if self.reading.fault is None:
            return ResponseKind.SOFT_ERROR if self.reading.soft_error else ResponseKind.ANSWERED
        return _KINDS.get(self.reading.fault, ResponseKind.CRASHED)

    @property
    def said(self) -> str:
        """What became of it, as tables say it: `400`, `soft error`, `answered`, or a fault's name."""
        if self.reading.fault in {Fault.HTTP_3XX, Fault.HTTP_4XX, Fault.HTTP_5XX}:
            return str(self.seen.status)
        return str(self.reading.fault or self.kind.value)

    @property
    def told(self) -> str:
        """What became of it, as sentences say it."""
        return _TOLD.get(self.reading.fault, self.said) if self.reading.fault else self.said
