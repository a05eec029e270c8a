"""A policy for any job: how many calls, how many at once and how long to think come from distributions."""

import random

import msgspec

from simulator.model import ToolCall, Turn
from simulator.plan.distribution import parse_distribution
from simulator.plan.policy import Seen

ToolChoices = tuple[tuple[str, tuple[str, ...]], ...]
"""The tools of an item, each with a pool of generated argument strings."""


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
    """One synthetic rollout: see `SyntheticSettings`. What the tools answer changes nothing."""

    def __init__(self, settings: SyntheticSettings, choices: ToolChoices, rng: random.Random) -> None:
        self._answer, self._choices, self._rng = settings.answer, choices, rng
        self._parallel = parse_distribution(settings.parallel, where="parallel")
        self._tokens = parse_distribution(settings.tokens, where="tokens")
        calls = parse_distribution(settings.calls, where="calls").draw_count(rng)
        self._calls_left = calls if choices else 0

    def next(self, seen: Seen) -> Turn:  # noqa: ARG002 the protocol's signature
        """Return the next turn, or the answer once all calls are made."""
        tokens = self._tokens.draw_count(self._rng)
        if not self._calls_left:
            return Turn(answer=self._answer, tokens=tokens)
        at_once = min(self._calls_left, max(1, self._parallel.draw_count(self._rng)))
        self._calls_left -= at_once
        return Turn(tuple([self._draw_call() for _ in range(at_once)]), "", tokens)

    def _draw_call(self) -> ToolCall:
        draw, choices = self._rng.random, self._choices
        name, pool = choices[int(draw() * len(choices))]  # a third of what `choice` takes
        return ToolCall(name, pool[int(draw() * len(pool))])
