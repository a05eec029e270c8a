"""Whether something served the calls of a pass a few at a time, and how many.

Where calls do not wait for one another, how long one takes has nothing to do with how many are in flight as
it starts, and calls finish at a rate that follows that number. Where n are served at a time neither is so:
above n the rate stays the same, and latency grows instead (Little's law).

How well "n at a time" explains what was seen is a likelihood: of calls finishing at random moments at a rate
of min(in flight, n) / service time. That alone would be deceived by latencies that are alike, or of two
kinds. So it must do better than it does when the latencies of each tool are dealt again to that tool's calls,
which leaves all of it as it was unless they depend on how many wait.
"""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from simulator.job.traces.columns import Numbers, Places, by_kind, nearest_rank

FIRST_S = 0.5
"""So long after the first call finished the rate is not yet looked at: a cold start may end in a burst."""

_CALLS_NEEDED, _CALLS_LOOKED_AT = 30, 200_000
_IN_FLIGHT_NEEDED = 4
_GAIN = 6.0  # natural logarithm of a likelihood ratio: one in 400
_DEALT, _MORE_THAN_DEALT = 40, 4.0  # how often latencies are dealt again, and the margin over all of that
_TIED = 6.0  # standard deviations of a rank correlation
_WAITS = 1.5  # a median call takes so many times its service
_TOO_MANY = 2.0  # times the likeliest number at a time
_COLD_CALLS = 5  # that ought to have finished before the first one did
_FINE = 16  # up to here every number at a time is tried


class Served(msgspec.Struct, frozen=True):
    """What served `at_a_time` calls at a time, so that `per_s` of them finished per second."""

    per_s: float
    at_a_time: int

    @property
    def service_s(self) -> float:
        """Return how long one call took by itself, in seconds."""
        return self.at_a_time / self.per_s


def served(started: Numbers, ended: Numbers, tools: Places) -> Served | None:
    """Return what served the calls of a pass; None where nothing shows that they waited for one another."""
    order = np.argsort(started, kind="stable")[:_CALLS_LOOKED_AT]
    started, ended, tools = started[order], ended[order], tools[order]
    if len(started) < _CALLS_NEEDED:
        return None
    course = Course(started, ended)
    if course.most < _IN_FLIGHT_NEEDED:
        return None
    per_s = course.per_s()
    latencies, ahead = ended - started, _ahead(started, ended)
    kinds = by_kind(tools)
    gain, best = course.gain()
    if not per_s or not (_grow_with(ahead, latencies, kinds) or _outdoes(gain, started, latencies, kinds)):
        return None
    settled = started > course.since if _is_cold(course, per_s) else np.ones(len(started), np.bool_)
    at_a_time = _at_a_time(per_s * latencies[settled], ahead[settled], best if gain >= _GAIN else None)
    waited = per_s * nearest_rank(np.sort(latencies), 50)
    if waited < _WAITS * at_a_time or 2 * at_a_time > course.most:
        return None
    return Served(per_s, at_a_time)


class Course:
    """How many calls were in flight, from change to change."""

    def __init__(self, started: Numbers, ended: Numbers) -> None:
        self.first, last = float(ended.min()), float(ended.max())
        self.began = float(started.min())
        self.since = self.first + min(FIRST_S, 0.05 * (last - self.first))
        times = np.concatenate([started, ended])
        changes = np.repeat([1, -1], len(started))
        order = np.lexsort((changes, times))
        times, changes = times[order], changes[order]
        after = np.cumsum(changes)
        self.most = int(after.max())
        lasting = np.append(np.diff(np.maximum(times, self.since)), 0.0)
        finishing = (changes < 0) & (times > self.since)
        self.seconds = np.bincount(np.maximum(after, 0), lasting, self.most + 1)
        self.finished = np.bincount(after[finishing] + 1, minlength=self.most + 1)

    def per_s(self) -> float:
        """Return how many calls finished per second while at least half the most were in flight, or 0."""
        half = (self.most + 1) // 2
        seconds = float(self.seconds[half:].sum())
        return float(self.finished[half:].sum()) / seconds if seconds > 0 else 0.0

    def gain(self) -> tuple[float, int]:
        """Return by how much serving n at a time is the likelier course, and the n for which that is most.

        It is the logarithm of the ratio to the likelihood of calls that do not wait.
        """
        if not self.finished.any() or not self.seconds[1:].any():
            return 0.0, self.most
        tried = _tried(self.most)
        likelihoods = [self._log_likelihood(n) for n in tried]
        place = int(np.argmax(likelihoods))
        return likelihoods[place] - self._log_likelihood(self.most), tried[place]

    def _log_likelihood(self, at_a_time: int) -> float:
        served = np.minimum(np.arange(1, self.most + 1), at_a_time)
        logs = float((self.finished[1:] * np.log(served)).sum())
        return logs - float(self.finished.sum()) * math.log(float((self.seconds[1:] * served).sum()))


def _tried(most: int) -> list[int]:
    """Return the numbers at a time that are worth a try: further up only every tenth makes a difference."""
    tried = list(range(1, min(most, _FINE) + 1))
    while tried[-1] < most:
        tried.append(min(most, math.ceil(tried[-1] * 1.1)))
    return tried


def _ahead(started: Numbers, ended: Numbers) -> Places:
    """Return how many calls were in flight as each started."""
    begun = np.searchsorted(np.sort(started), started, "left")
    return np.asarray(begun - np.searchsorted(np.sort(ended), started, "right")).clip(0)


def _grow_with(ahead: Places, latencies: Numbers, kinds: Sequence[Places]) -> bool:
    """Tell whether latencies of the same tool clearly grow with how many calls were ahead."""
    together = variance = 0.0
    for kind in kinds:
        if len(kind) > 2:
            one, other = _centred_ranks(ahead[kind]), _centred_ranks(latencies[kind])
            together += float((one * other).sum())
            variance += float((one * one).sum() * (other * other).sum()) / (len(kind) - 1)
    return variance > 0 and together >= _TIED * math.sqrt(variance)


def _centred_ranks(values: Numbers | Places) -> Numbers:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    middles = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(middles[places] - (len(values) + 1) / 2)


def _outdoes(gain: float, started: Numbers, latencies: Numbers, kinds: Sequence[Places]) -> bool:
    """Tell whether the gain is more than any that comes of dealing the latencies again."""
    if gain < _GAIN:
        return False
    rng = np.random.default_rng(0)
    for _ in range(_DEALT):
        dealt = latencies.copy()
        for kind in kinds:
            dealt[kind] = latencies[rng.permutation(kind)]
        if gain < Course(started, started + dealt).gain()[0] + _MORE_THAN_DEALT:
            return False
    return True


def _is_cold(course: Course, per_s: float) -> bool:
    return (course.first - course.began) * per_s >= _COLD_CALLS


def _at_a_time(services: Numbers, ahead: Places, likeliest: int | None) -> int:
    """Return how many are served at a time; `services` are latencies in units of the time between two calls.

    Calls that find fewer than n in flight do not wait: on average they take n units. In a random order some
    that find n or more do not wait for long either; then that may overshoot, and the likeliest n counts.
    """
    most = int(ahead.max(initial=0)) + 1
    by_ahead = np.bincount(ahead, services, most).cumsum()
    counts = np.bincount(ahead, minlength=most).cumsum()
    fit = (n for n in range(1, most + 1) if counts[n - 1] and by_ahead[n - 1] <= (n + 0.5) * counts[n - 1])
    found = next(fit, most)
    return found if likeliest is None or found <= _TOO_MANY * likeliest else likeliest
