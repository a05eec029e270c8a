"""What became of a call that was sent as a probe."""

from enum import Enum

import msgspec

from simulator.checks.prober import Seen
from simulator.dialects.base import CallIds
from simulator.faults import Fault
from simulator.model import Reading


class Fate(Enum):
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


_FATES: dict[Fault, Fate] = {
    Fault.TIMEOUT: Fate.HUNG,
    Fault.HTTP_4XX: Fate.REFUSED,
    Fault.HTTP_3XX: Fate.REDIRECTED,
    Fault.TOO_LARGE: Fate.TOO_LARGE,
    Fault.MALFORMED_ANSWER: Fate.MALFORMED,
}


_TOLD: dict[Fault, str] = {
    Fault.TIMEOUT: "no answer",
    Fault.RESET: "connection closed without an answer",
    Fault.TRUNCATED: "answer cut short",
    Fault.MALFORMED_HTTP: "no HTTP",
    Fault.MALFORMED_ANSWER: "nothing usable in the answer",
    Fault.TOO_LARGE: "an answer over 1 MB",
}

CERTAIN = {Fate.ANSWERED, Fate.SOFT_ERROR, Fate.REFUSED}
"""Fates that an endpoint chose; the others may be an accident."""

CONFIRMED = {**dict.fromkeys(Fate, 3), **dict.fromkeys(CERTAIN, 1), Fate.HUNG: 1}
"""How often a call must end so, for that to be no accident; a hang is waited for long enough."""

TOO_MANY_REQUESTS = 429


class Answered(msgspec.Struct, frozen=True):
    """A call and what came of it; `ids` is None for a grader's."""

    seen: Seen
    reading: Reading
    ids: CallIds | None = None

    @property
    def fate(self) -> Fate:
        """What became of it; whatever is neither an answer nor listed elsewhere is a crash."""
        if self.seen.status == TOO_MANY_REQUESTS:
            return Fate.THROTTLED
        if self.reading.fault is None:
            return Fate.SOFT_ERROR if self.reading.soft_error else Fate.ANSWERED
        return _FATES.get(self.reading.fault, Fate.CRASHED)

    @property
    def said(self) -> str:
        """What became of it, as tables say it: `400`, `soft error`, `answered`, or a fault's name."""
        if self.reading.fault in {Fault.HTTP_3XX, Fault.HTTP_4XX, Fault.HTTP_5XX}:
            return str(self.seen.status)
        return str(self.reading.fault or self.fate.value)

    @property
    def told(self) -> str:
        """What became of it, as sentences say it."""
        return _TOLD.get(self.reading.fault, self.said) if self.reading.fault else self.said
