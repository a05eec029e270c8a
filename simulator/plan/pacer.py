"""A limit on requests per second, as a pure function of time."""


class Pacer:
    """Gives out moments at least 1 / per_s apart: the n-th after a first may go n / per_s later.

    No bursts are saved up: after a quiet minute, the next two requests are still 1 / per_s apart.
    """

    def __init__(self, per_s: float) -> None:
        self._gap_s = 1 / per_s
        self._free_at = float("-inf")

    def reserve(self, when: float) -> float:
        """Return the first free moment at or after `when`, in seconds, and take it."""
        granted = max(when, self._free_at)
        self._free_at = granted + self._gap_s
        return granted
