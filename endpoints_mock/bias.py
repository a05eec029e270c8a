"""What a grader adds to scores that it should not: noise, what load does, and which worker answers."""

import hashlib
import random

from endpoints_mock.behaviour import Times
from endpoints_mock.settings import Behaviour

_2_64 = float(1 << 64)


class Bias:
    """What an endpoint adds to each score.

    Noise is drawn from what identifies a call and from how often it came, so that the order in which calls
    arrive is no matter; which of two workers accepted a connection, from the connection's number.
    """

    def __init__(self, behaviour: Behaviour, seed: int, endpoint: str) -> None:
        self._behaviour, self._salt = behaviour, f"{seed}/{endpoint}/"
        self._count = Times().count

    def shift(self, trace_id: str, in_flight: int, connection: int) -> float:
        """Return what is added to the score of a call over that connection, with so many calls in flight."""
        behaviour = self._behaviour
        shift = self._noise(trace_id, behaviour.noise) if behaviour.noise else 0.0
        if behaviour.load_shift and in_flight > behaviour.load_shift.above:
            shift += behaviour.load_shift.by
        if behaviour.worker_shift and self._drawn(f"worker {connection}") < _2_64 / 2:
            shift += behaviour.worker_shift
        return shift

    def _noise(self, trace_id: str, sd: float) -> float:
        times = self._count(self._drawn(trace_id))
        return random.Random(self._drawn(f"{trace_id} {times}")).gauss(0.0, sd)

    def _drawn(self, what: str) -> int:
        digest = hashlib.blake2b(
            f"{self._salt}{what}".encode("utf-8", "surrogatepass"), digest_size=8
        ).digest()
        return int.from_bytes(digest)
