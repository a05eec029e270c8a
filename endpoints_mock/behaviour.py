"""What decides how a call fares: the dice, the queue for workers, and the cold start."""

import hashlib
import random
from collections.abc import Callable

import msgspec
import trio

from endpoints_mock.settings import Behaviour, FaultRate, Order

_CALLS_REMEMBERED = 1 << 16
_2_64 = float(1 << 64)
_MAX_SERVICE_S = 3_600.0


class Fate(msgspec.Struct, frozen=True, gc=False):
    """What the dice say of one attempt."""

    service_s: float
    fault: str | None


class Dice:
    """Draws service times and faults from what identifies an attempt, so that order of arrival is no matter.

    The number of an attempt is counted here, among the last calls seen; an older call starts anew.
    """

    def __init__(self, behaviour: Behaviour, seed: int, endpoint: str) -> None:
        self._service_ms = behaviour.service_ms
        self._per_attempt = tuple(rate for rate in behaviour.faults if not rate.sticky)
        self._per_call = tuple(rate for rate in behaviour.faults if rate.sticky)
        self._salt = f"{seed}/{endpoint}/"
        self._attempts: dict[int, int] = {}
        self._rng = random.Random()

    def throw(self, trace_id: str, call_id: str) -> Fate:
        """Return the fate of the next attempt of this call."""
        call = f"{self._salt}{trace_id}/{call_id}".encode("utf-8", "surrogatepass")
        key = int.from_bytes(hashlib.blake2b(call, digest_size=8).digest())
        self._rng.seed(key + self._count(key))
        fault = _pick(self._per_call, key / _2_64) or _pick(self._per_attempt, self._rng.random())
        return Fate(min(self._service_ms.draw(self._rng) / 1000, _MAX_SERVICE_S), fault)

    def _count(self, key: int) -> int:
        attempt = self._attempts.pop(key, 0) + 1
        self._attempts[key] = attempt
        if len(self._attempts) > _CALLS_REMEMBERED:
            del self._attempts[next(iter(self._attempts))]
        return attempt


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


class Workers:
    """A number of workers, each busy with one call; further calls wait, and `order` says who is next.

    A worker that becomes free is handed to the chosen one directly, so that a newcomer cannot slip in.
    """

    def __init__(self, limit: int, order: Order, rng: random.Random) -> None:
        self._free: float = limit or float("inf")
        self._next, self._rng = _NEXT[order], rng
        self._waiting: list[trio.Event] = []

    def __repr__(self) -> str:
        return f"<Workers free={self._free} waiting={len(self._waiting)}>"

    async def enter(self) -> None:
        """Wait for a worker and occupy it."""
        if self._free > 0:
            self._free -= 1
            return
        turn = trio.Event()
        self._waiting.append(turn)
        try:
            await turn.wait()
        except trio.Cancelled:
            self._waiting.remove(turn)
            raise

    def leave(self) -> None:
        """Give the worker back."""
        if self._waiting:
            self._waiting.pop(self._next(len(self._waiting), self._rng)).set()
        else:
            self._free += 1


class ColdStart:
    """Keeps everyone waiting until `seconds` after the first call."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._warm_at: float | None = None

    async def wait(self) -> None:
        """Wait until the endpoint is warm."""
        if not self._seconds:
            return
        if self._warm_at is None:
            self._warm_at = trio.current_time() + self._seconds
        if trio.current_time() < self._warm_at:
            await trio.sleep_until(self._warm_at)
