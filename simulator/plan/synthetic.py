"""A policy for any job: how many calls, how many at once and how long to think come from distributions."""

import random
from bisect import bisect
from collections.abc import Sequence
from functools import cache

import msgspec

from simulator.model import ToolCall, Turn
from simulator.plan.distribution import Distribution, parse_distribution
from simulator.plan.policy import Seen

ToolChoices = tuple[tuple[ToolCall, ...], ...]
"""For each tool of an item a pool of calls, with generated arguments."""

MOST_CALLS = 10_000
"""Of one rollout, whatever the distribution draws."""


class SyntheticSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Distributions of a synthetic rollout, as texts that `plan.distribution` reads.

    `calls` per rollout; `parallel` calls per turn, at least 1; `tokens` of thinking per turn, the final one
    included; `answer` is the text that the grader is given. `tools` are weights by name: what it does not
    name is never called, unless it is empty, which means that all are called alike.
    """

    calls: str = "uniform:3:6"
    parallel: str = "mix:85%*1+15%*2"
    tokens: str = "lognormal:250:0.6"
    answer: str = "This is a synthetic answer."
    tools: dict[str, float] = {}


class SyntheticPolicy:
    """One synthetic rollout: see `SyntheticSettings`. What the tools answer changes nothing.

    `bounds` are the weights of the pools in `choices`, added up, the last of them 1; without any each is as
    likely as another.
    All of it is drawn at once: its turns are a fraction of the 2.5 kB that a generator of random numbers
    takes, and thousands of rollouts are in flight.
    """

    __slots__ = ("_turns",)

    def __init__(
        self,
        settings: SyntheticSettings,
        choices: ToolChoices,
        rng: random.Random,
        bounds: Sequence[float] = (),
    ) -> None:
        drawn, parallel, tokens = _parsed(settings.calls, settings.parallel, settings.tokens)
        random, tools = rng.random, len(choices)
        left = min(drawn.draw_count(rng), MOST_CALLS) if choices else 0
        turns = []
        while left:
            at_once = parallel.draw_count(rng)
            calls = []
            for _ in range(min(left, at_once) or 1):
                # `choice` would take three times as long.
                pool = choices[bisect(bounds, random()) if bounds else int(random() * tools)]
                calls.append(pool[int(random() * len(pool))])
            left -= len(calls)
            turns.append(Turn(tuple(calls), "", tokens.draw_count(rng)))
        turns.append(Turn((), settings.answer, tokens.draw_count(rng)))
        turns.reverse()
        self._turns = turns

    def next(self, seen: Seen) -> Turn:  # noqa: ARG002 the protocol's signature
        """Return the next turn, or the answer once all calls are made."""
        return self._turns.pop()


@cache
def _parsed(calls: str, parallel: str, tokens: str) -> tuple[Distribution, Distribution, Distribution]:
    return (
        parse_distribution(calls, where="calls"),
        parse_distribution(parallel, where="parallel"),
        parse_distribution(tokens, where="tokens"),
    )
