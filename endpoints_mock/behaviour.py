"""What decides how a call fares: the dice, the queue for workers, and the cold start."""

import hashlib
import math
import random
from collections.abc import Callable
from functools import partial

import msgspec

from endpoints_mock.loop import Agenda
from endpoints_mock.settings import Behaviour, FaultRate, Order
from simulator.plan.distribution import Distribution

_CALLS_REMEMBERED = 1 << 16
_2_64, _2_53 = float(1 << 64), float(1 << 53)
_64_BITS = (1 << 64) - 1
_MAX_SERVICE_S = 3_600.0


class Fate(msgspec.Struct, frozen=True, gc=False):
    """What the dice say of one attempt."""

    service_s: float
    fault: str | None


class _CheapToSeed(random.Random):
    """SplitMix64, whose seed is its state: to seed Python's own generator takes 5 us."""

    state = 0

    def random(self) -> float:
        """Return the next number of at least 0 and below 1."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & _64_BITS
        mixed = ((self.state ^ (self.state >> 30)) * 0xBF58476D1CE4E5B9) & _64_BITS
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _64_BITS
        return ((mixed ^ (mixed >> 31)) >> 11) / _2_53


class Times:
    """Counts how often each key came, among the last ones seen; an older one starts anew."""

    def __init__(self) -> None:
        self._times: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._times)

    def count(self, key: int) -> int:
        """Return how often the key has come, this time included."""
        times = self._times.pop(key, 0) + 1
        self._times[key] = times
        if len(self._times) > _CALLS_REMEMBERED:
            del self._times[next(iter(self._times))]
        return times


class Dice:
    """Draws service times and faults from what identifies an attempt, so that order of arrival is no matter.

    The number of an attempt is counted here.
    """

    def __init__(self, behaviour: Behaviour, seed: int, endpoint: str) -> None:
        self._service_ms = behaviour.service_ms
        self._per_attempt = tuple(rate for rate in behaviour.faults if not rate.sticky)
        self._per_call = tuple(rate for rate in behaviour.faults if rate.sticky)
        self._salt = f"{seed}/{endpoint}/"
        self._attempts = Times()
        self._rng = _CheapToSeed()
        self._certain = None if behaviour.faults else _certain(behaviour.service_ms)

    def throw(self, trace_id: str, call_id: str) -> Fate:
        """Return the fate of the next attempt of this call."""
        if self._certain is not None:
            return self._certain
        call = f"{self._salt}{trace_id}/{call_id}".encode("utf-8", "surrogatepass")
        key = int.from_bytes(hashlib.blake2b(call, digest_size=8).digest())
        self._rng.state = key + self._attempts.count(key)
        fault = _pick(self._per_call, key / _2_64) or _pick(self._per_attempt, self._rng.random())
        return Fate(_service_s(self._service_ms, self._rng), fault)


def _service_s(service_ms: Distribution, rng: random.Random) -> float:
    return min(service_ms.draw(rng) / 1000, _MAX_SERVICE_S)


def _certain(service_ms: Distribution) -> Fate | None:
    """Return the fate that awaits every call; None when chance has a say."""
    rng = _CheapToSeed()
    fate = Fate(_service_s(service_ms, rng), None)
    return fate if rng.state == 0 else None  # the state moves when a number is drawn


def _pick(rates: tuple[FaultRate, ...], uniform: float) -> str | None:
    for rate in rates:
        if uniform < rate.rate:
            return rate.kind
        uniform -= rate.rate
    return None


_NEXT: dict[Order, Callable[[int, random.Random], int]] = {
    "fifo": lambda _waiting, _rng: 0,
    "random": lambda waiting, rng: rng.randrange(waiting),
}

Begin = Callable[[float], None]
"""Begins to serve a call; told when a worker became free for it, on Trio's clock."""


class Workers:
    """A number of workers, each busy with one call; further calls wait, and `order` says who is next.

    A worker that becomes free is handed to the chosen one directly, so that a newcomer cannot slip in.
    """

    def __init__(self, limit: int, order: Order, rng: random.Random, agenda: Agenda) -> None:
        self._free: float = limit or float("inf")
        self._next, self._rng, self._agenda = _NEXT[order], rng, agenda
        self._waiting: list[Begin] = []

    def __repr__(self) -> str:
        return f"<Workers free={self._free} waiting={len(self._waiting)}>"

    def enter(self, begin: Begin, now: float) -> None:
        """Occupy a worker and begin, at once or when one is free."""
        if self._free > 0:
            self._free -= 1
            begin(now)
        else:
            self._waiting.append(begin)

    def leave(self, now: float) -> None:
        """Give the worker back."""
        if self._waiting:
            begin = self._waiting.pop(self._next(len(self._waiting), self._rng))
            # By way of the agenda: a call that is over at once would otherwise nest the next one within it.
            self._agenda.call_at(now, partial(begin, now))
        else:
            self._free += 1


class ColdStart:
    """Keeps everyone waiting until `seconds` after the first call."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._warm_at = math.inf if seconds else -math.inf

    def warm_at(self, now: float) -> float:
        """Return when a call that came `now` can be served: now, or once the endpoint is warm."""
        if self._warm_at == math.inf:
            self._warm_at = now + self._seconds
        return max(now, self._warm_at)
