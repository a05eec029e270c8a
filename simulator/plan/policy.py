"""What stands in for the model: the protocol, the base class of scripted policies, and a guard for them."""

import random
import sys
from collections.abc import Callable, Collection, Generator
from typing import Any, Protocol

import msgspec

from simulator.errors import PolicyError
from simulator.model import Item, Outcome, RolloutSpec, ToolCall, Turn

Seen = tuple[Outcome, ...]
"""What the model is shown after a turn: the outcomes of its calls, in the order it asked for them."""


class Policy(Protocol):
    """The model's part in one rollout; a fresh one is made for each."""

    def next(self, seen: Seen) -> Turn:
        """Return the next turn; `seen` is empty before the first. A turn without calls is the last."""


PolicyFactory = Callable[[RolloutSpec, random.Random], Policy]
"""Makes a rollout's policy from what is planned of it and its own seeded generator."""

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
    def call(name: str, /, **arguments: Any) -> ToolCall:
        """Return a call of tool `name` with the keywords as arguments, even one called `name`."""
        return ToolCall(name, msgspec.json.encode(arguments).decode())

    @staticmethod
    def turn(calls: list[ToolCall], *, tokens: int) -> Turn:
        """Return a turn of several calls at once, after `tokens` of thinking."""
        return Turn(calls=tuple(calls), tokens=tokens)

    @staticmethod
    def answer(text: str, *, tokens: int) -> Turn:
        """Return the final turn."""
        return Turn(answer=text, tokens=tokens)

    def ask(self, name: str, /, *, tokens: int, **arguments: Any) -> Turn:
        """Return a turn of one call; for a tool with an argument `tokens`, use `turn` and `call`."""
        return Turn(calls=(self.call(name, **arguments),), tokens=tokens)


# -- policies that somebody else wrote


def guarded(make: PolicyFactory, tools: Collection[str]) -> PolicyFactory:
    """Return a factory of the same policies, whose failures are PolicyErrors, one line for the user each.

    They fail when their own code raises, and when a turn of theirs is none that a model could take with
    these `tools`. Nothing else looks at turns again: whoever takes in policies from outside guards them.
    """

    def make_guarded(spec: RolloutSpec, rng: random.Random) -> Policy:
        try:
            policy = make(spec, rng)
        except (Exception, SystemExit) as error:
            raise PolicyError(f"the policy's constructor raised {_raised_at(error)}") from error
        return _Guarded(policy, tools)

    return make_guarded


class _Guarded:
    __slots__ = ("_policy", "_tools")

    def __init__(self, policy: Policy, tools: Collection[str]) -> None:
        self._policy, self._tools = policy, tools

    def next(self, seen: Seen) -> Turn:
        try:
            turn = self._policy.next(seen)
        except (Exception, SystemExit) as error:
            raise PolicyError(f"policy {type(self._policy).__name__} raised {_raised_at(error)}") from error
        problem = problem_with(turn, self._tools)
        if problem:
            raise PolicyError(f"policy {type(self._policy).__name__} {problem}")
        return turn


def _raised_at(error: BaseException) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    said = str(error).encode("utf-8", "backslashreplace").decode()  # it may quote what an endpoint answered
    return f"{type(error).__name__}: {said}{where}"


def problem_with(turn: Any, tools: Collection[str]) -> str:  # noqa: PLR0911 one for each thing that can be wrong
    """Return what no model could have done in this turn, after the policy's name; "" where all is well."""
    if not isinstance(turn, Turn):
        return f"returned {type(turn).__name__}, not a Turn"
    if turn.answer != "" and not _is_text(turn.answer):
        return f"gave an answer that is no text: {turn.answer!r:.80}"
    if not (_is_amount(turn.tokens) and _is_amount(turn.think_s)):
        return f"thought for tokens={turn.tokens!r}, think_s={turn.think_s!r}"
    calls: Any = turn.calls
    if not isinstance(calls, _SEQUENCES):
        return f"asked for {calls!r:.80}, which is no sequence of calls"
    for asked in calls:
        if not isinstance(asked, ToolCall):
            return f"asked for {asked!r:.80}, which is no ToolCall"
        name: Any = asked.name
        if not isinstance(name, str) or name not in tools:
            shown = name if _is_text(name) else ascii(name)
            return f"called `{shown}`; the job's tools: {', '.join(tools) or 'none'}"
        if not _is_text(asked.arguments):
            return f"called `{asked.name}` with arguments that are no text: {asked.arguments!r:.80}"
    return ""


_SEQUENCES = (tuple, list)
_NUMBERS = (int, float)
_MOST = sys.float_info.max


def _is_amount(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and 0 <= value <= _MOST  # no NaN, no infinity


def _is_text(value: Any) -> bool:
    """Tell whether a value is a string that UTF-8 can encode; half a surrogate pair, say, it cannot."""
    if not isinstance(value, str):
        return False
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False
