"""How long recorded rollouts would have taken if more of their calls had been served at a time."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice

Rollout = Sequence[tuple[float, int]]
"""For each turn the seconds of thinking before it, and how many calls it made at once."""


def pass_seconds(rollouts: Sequence[Rollout], in_flight: int, at_a_time: int, service_s: float) -> float:
    """Return when the last of the rollouts would have ended, in seconds after the first began.

    They begin in the given order, so many in flight at a time; a call takes `service_s` once it is its turn,
    first come, first served.
    """
    waiting = iter(rollouts)
    free = [0.0] * at_a_time
    events: list[tuple[float, int, Iterator[tuple[float, int]], int]] = []
    number, now = 0, 0.0
    for rollout in islice(waiting, in_flight):
        number += 1
        events.append(_next_event(0.0, number, iter(rollout)))
    heapq.heapify(events)
    while events:
        now, place, turns, calls = heapq.heappop(events)
        if calls:
            back = now
            for _ in range(calls):
                done = max(now, free[0]) + service_s
                heapq.heapreplace(free, done)
                back = max(back, done)
            heapq.heappush(events, _next_event(back, place, turns))
        else:
            for rollout in islice(waiting, 1):
                number += 1
                heapq.heappush(events, _next_event(now, number, iter(rollout)))
    return now


def _next_event(
    now: float, place: int, turns: Iterator[tuple[float, int]]
) -> tuple[float, int, Iterator[tuple[float, int]], int]:
    """Return when a rollout makes its next calls, and how many: none when it ends."""
    for think_s, calls in turns:
        now += think_s
        if calls:
            return now, place, turns, calls
    return now, place, turns, 0
