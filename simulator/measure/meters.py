"""The numbers that a run has while it goes on as well as when it is over: what a monitoring system scrapes.

`measure.metering` reads them off a tally or a summary. All are counts or exact sums, so that the meters of
shards add up to those of the run, in any order.
"""

import operator
from collections.abc import Callable, Iterable
from typing import Any, Self, TypeVar

import msgspec

from simulator.model import EndpointKind

_S = TypeVar("_S", bound=msgspec.Struct)

BOUNDS_S: tuple[float, ...] = (
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600,
)  # fmt: skip
"""The service times up to which answers are counted, in seconds: from the fastest endpoint to the trainer's
time limit of 10 minutes."""


class EndpointMeters(msgspec.Struct, frozen=True):
    """One endpoint. `calls` counts calls whose first attempt has ended, `attempts` those that have ended.

    Of `answered` attempts, `within` has how many took at most as long as each of BOUNDS_S, and `service_us`
    is the time that all took, in microseconds. `within` is empty where no histogram is at hand.
    """

    name: str
    kind: EndpointKind
    calls: int
    attempts: int
    retries: int
    given_up: int
    soft_errors: int
    faults: dict[str, int]
    violations: dict[str, int]
    within: tuple[int, ...]
    answered: int
    service_us: int

    def __add__(self, other: Self) -> Self:
        """Return both together; their names and kinds are the same."""
        return _added(self, other)


class RolloutMeters(msgspec.Struct, frozen=True):
    """Rollouts that were started and what became of them; `interrupted` counts only such as were started."""

    started: int = 0
    completed: int = 0
    graded: int = 0
    discarded: int = 0
    interrupted: int = 0
    cut_short: int = 0
    false_zero: int = 0

    @property
    def in_flight(self) -> int:
        """Return how many have started and not ended."""
        return self.started - self.completed - self.discarded - self.interrupted

    def __add__(self, other: Self) -> Self:
        """Return both together."""
        return _added(self, other)


class Meters(msgspec.Struct, frozen=True):
    """A run, or a shard of one. `step` is the last one that was reached.

    `planned` counts the rollouts of the whole run, None where only time ends it, or nobody has said.
    """

    endpoints: tuple[EndpointMeters, ...] = ()
    rollouts: RolloutMeters = RolloutMeters()
    step: int = 0
    planned: int | None = None


def together(parts: Iterable[Meters]) -> Meters:
    """Return the meters of a run from those of its shards; `planned` stays to be said."""
    endpoints: dict[str, EndpointMeters] = {}
    rollouts, step = RolloutMeters(), 0
    for part in parts:
        for one in part.endpoints:
            endpoints[one.name] = endpoints[one.name] + one if one.name in endpoints else one
        rollouts += part.rollouts
        step = max(step, part.step)
    return Meters(tuple(endpoints.values()), rollouts, step)


def _added(mine: _S, other: _S) -> _S:
    return type(mine)(
        *(
            _ADDED[type(value)](value, getattr(other, name))
            for name, value in zip(mine.__struct_fields__, msgspec.structs.astuple(mine), strict=True)
        )
    )


def _same(mine: str, _: str) -> str:
    return mine


def _by_key(mine: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: mine.get(name, 0) + other.get(name, 0) for name in sorted(mine.keys() | other.keys())}


def _one_by_one(mine: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(map(operator.add, mine, other))


_ADDED: dict[type, Callable[[Any, Any], Any]] = {
    str: _same,
    int: operator.add,
    dict: _by_key,
    tuple: _one_by_one,
}
