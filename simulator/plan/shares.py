"""How several processes share a run: whole groups, dealt in turn, and the places in flight."""

import math
from collections.abc import Sequence

import msgspec

from simulator.model import Load
from simulator.plan.schedule import Phase

CALLS_PER_PROCESS = 10_000.0
"""Calls per second that one process makes with time to spare."""

_SOON_S = 0.05  # what the quickest endpoints are taken to need for a call
_THINK_S = 1.0  # and models for a turn, before the time scale
_CALLS_PER_ROLLOUT = 8.0
_ENOUGH = 1_000_000


def share_of(phases: Sequence[Phase], shard: int, of: int) -> tuple[Phase, ...]:
    """Return the `shard`-th of `of` shares of each phase; `planned` stays that of all shares.

    A limit in flight must not be lower than `of`: see `most_shares`.
    """
    if of == 1:
        return tuple(phases)
    return tuple(_share_of(phase, shard, of) for phase in phases)


def _share_of(phase: Phase, shard: int, of: int) -> Phase:
    limit = phase.in_flight_limit
    return msgspec.structs.replace(
        phase,
        rollouts=(spec for spec in phase.rollouts if spec.group % of == shard),
        in_flight_limit=None if limit is None else limit // of + (shard < limit % of),
    )


def most_shares(phases: Sequence[Phase]) -> int:
    """Return into how many shares the phases can be dealt so that each has a place in flight."""
    return min((p.in_flight_limit for p in phases if p.in_flight_limit is not None), default=_ENOUGH)


def shares_that_help(load: Load, phases: Sequence[Phase]) -> int:
    """Return how many processes the load may keep busy, by what it could ask for at most."""
    if load.mode == "rate":
        calls_per_s = (load.rollouts_per_s or 0.0) * _CALLS_PER_ROLLOUT
    else:
        in_flight = max(_in_flight(phase) for phase in phases)
        calls_per_s = in_flight / (_THINK_S * load.time_scale + _SOON_S)
    return max(1, math.ceil(calls_per_s / CALLS_PER_PROCESS))


def _in_flight(phase: Phase) -> int:
    return min(limit for limit in (phase.in_flight_limit, phase.planned, _ENOUGH) if limit is not None)
