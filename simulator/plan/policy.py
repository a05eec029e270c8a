"""What stands in for the model: the protocol, and the base class of scripted policies."""

import random
from collections.abc import Callable, Generator
from typing import Any, Protocol

import msgspec

from simulator.model import Item, Outcome, ToolCall, Turn

Seen = tuple[Outcome, ...]
"""What the model is shown after a turn: the outcomes of its calls, in the order it asked for them."""


class Policy(Protocol):
    """The model's part in one rollout; a fresh one is made for each."""

    def next(self, seen: Seen) -> Turn:
        """Return the next turn; `seen` is empty before the first. A turn without calls is the last."""


PolicyFactory = Callable[[Item, random.Random], Policy]
"""Makes a rollout's policy from its item and its own seeded generator."""

Script = Generator[Turn, Seen, Turn]


class ScriptedPolicy:
    """A policy written as a generator: subclass it and write `play`.

        class Lookup(ScriptedPolicy):
            def play(self):
                (found,) = yield self.ask("search", query=self.item.row["question"], tokens=120)
                return self.answer(found.output, tokens=40)

    `item` is the rollout's dataset row, `rng` its own seeded generator, `options` the scenario's table
    `[policies.NAME.options]`. Several calls at once: `yield self.turn([call, call], tokens=...)`.
    """

    def __init__(self, item: Item, rng: random.Random, **options: Any) -> None:
        self.item, self.rng, self.options = item, rng, options
        self._script: Script | None = None

    def play(self) -> Script:
        """Yield turns, receive what the model is shown, return the final turn."""
        raise NotImplementedError

    def next(self, seen: Seen) -> Turn:
        """Return the next turn of the script."""
        try:
            if self._script is None:
                self._script = self.play()
                return next(self._script)
            return self._script.send(seen)
        except StopIteration as stop:
            final: Turn = stop.value
            return final

    @staticmethod
    def call(name: str, **arguments: Any) -> ToolCall:
        """Return a call of tool `name` with keyword arguments."""
        return ToolCall(name, msgspec.json.encode(arguments).decode())

    @staticmethod
    def turn(calls: list[ToolCall], *, tokens: int) -> Turn:
        """Return a turn of several calls at once, after `tokens` of thinking."""
        return Turn(calls=tuple(calls), tokens=tokens)

    @staticmethod
    def answer(text: str, *, tokens: int) -> Turn:
        """Return the final turn."""
        return Turn(answer=text, tokens=tokens)

    def ask(self, name: str, *, tokens: int, **arguments: Any) -> Turn:
        """Return a turn of one call."""
        return Turn(calls=(self.call(name, **arguments),), tokens=tokens)
