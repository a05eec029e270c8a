"""A policy for any job: how many calls, how many at once and how long to think come from distributions."""

import random

import msgspec

from simulator.model import ToolCall, Turn
from simulator.plan.distribution import parse_distribution
from simulator.plan.policy import Seen

ToolChoices = tuple[tuple[ToolCall, ...], ...]
"""For each tool of an item a pool of calls, with generated arguments."""

MOST_CALLS = 10_000
"""Of one rollout, whatever the distribution draws."""


class SyntheticSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Distributions of a synthetic rollout, as texts that `plan.distribution` reads.

    `calls` per rollout; `parallel` calls per turn, at least 1; `tokens` of thinking per turn, the final one
    included; `answer` is the text that the grader is given.
    """

    calls: str = "uniform:3:6"
    parallel: str = "mix:85%*1+15%*2"
    tokens: str = "lognormal:250:0.6"
    answer: str = "This is a synthetic answer."


class SyntheticPolicy:
    """One synthetic rollout: see `SyntheticSettings`. What the tools answer changes nothing.

    All of it is drawn at once: its turns are a fraction of the 2.5 kB that a generator of random numbers
    takes, and thousands of rollouts are in flight.
    """

    __slots__ = ("_turns",)

    def __init__(self, settings: SyntheticSettings, choices: ToolChoices, rng: random.Random) -> None:
        parallel = parse_distribution(settings.parallel, where="parallel")
        tokens = parse_distribution(settings.tokens, where="tokens")
        drawn = parse_distribution(settings.calls, where="calls").draw_count(rng)
        left = min(drawn, MOST_CALLS) if choices else 0
        turns = []
        while left:
            at_once = min(left, max(1, parallel.draw_count(rng)))
            left -= at_once
            calls = tuple([_draw(choices, rng) for _ in range(at_once)])
            turns.append(Turn(calls, "", tokens.draw_count(rng)))
        turns.append(Turn((), settings.answer, tokens.draw_count(rng)))
        turns.reverse()
        self._turns = turns

    def next(self, seen: Seen) -> Turn:  # noqa: ARG002 the protocol's signature
        """Return the next turn, or the answer once all calls are made."""
        return self._turns.pop()


def _draw(choices: ToolChoices, rng: random.Random) -> ToolCall:
    draw = rng.random
    pool = choices[int(draw() * len(choices))]  # a third of what `choice` takes
    return pool[int(draw() * len(pool))]
