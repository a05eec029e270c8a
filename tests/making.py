"""Short ways to the nouns that tests need."""

import itertools
from collections.abc import Callable, Iterator, Sequence

import msgspec

from simulator.dialects.openai import OpenAI
from simulator.model import (
    Attempt,
    Endpoint,
    Grader,
    Hyperparameters,
    Item,
    Job,
    Load,
    RolloutSpec,
    ToolCall,
    TrainerRules,
    Turn,
)
from simulator.plan.policy import Seen
from simulator.plan.trainer import Trainer

RUN_KEY = "a-run"


def item(index: int = 0, row: dict | None = None, split: str = "train") -> Item:
    row = {"messages": [{"role": "user", "content": f"q{index}"}]} if row is None else row
    return Item(index, split, index + 1, msgspec.Raw(msgspec.json.encode(row)), row)


def items(count: int, split: str = "train") -> list[Item]:
    return [item(index, split=split) for index in range(count)]


def job(
    *tools: str,
    url: str = "http://127.0.0.1:1/",
    graded: bool = True,
    rate_limit: float | None = None,
    max_episode_steps: int | None = None,
    response_format: dict | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    **hyperparameters,
) -> Job:
    """A job whose tools (default: `search`) are served at /NAME and whose grader is at /grade."""
    grader = Endpoint("grader", "grader", f"{url}grade", headers, rate_limit) if graded else None
    return Job(
        tools=tuple(Endpoint(name, "tool", f"{url}{name}", headers) for name in tools or ("search",)),
        grader=Grader("endpoint" if graded else "string_check", "grader", grader),
        hyperparameters=Hyperparameters(**hyperparameters),
        max_episode_steps=max_episode_steps,
        response_format=response_format,
    )


def trainer(
    of: Job | None = None,
    *,
    load: Load | None = None,
    record: Callable[[Attempt], None] = lambda _: None,
    run_key: str = RUN_KEY,
    **rules,
) -> Trainer:
    return Trainer(
        of or job(),
        rules=TrainerRules(**rules),
        load=load or Load(tokens_per_s=100.0),
        dialect=OpenAI(),
        run_key=run_key,
        record=record,
    )


def spec(index: int = 0, *, group: int = 0, step: int = 1, of: Item | None = None) -> RolloutSpec:
    return RolloutSpec(index, step, "training", group, of or item())


def ask(*names: str, tokens: int = 0, think_s: float = 0.0) -> Turn:
    """A turn that calls each of these tools, with arguments that tell the calls apart."""
    calls = tuple(ToolCall(name, f'{{"n":{number}}}') for number, name in enumerate(names or ("search",)))
    return Turn(calls=calls, tokens=tokens, think_s=think_s)


def answer(text: str = "42", *, tokens: int = 0) -> Turn:
    return Turn(answer=text, tokens=tokens)


class Turns:
    """A policy that plays a list of turns, and remembers what it was shown."""

    def __init__(self, *turns: Turn) -> None:
        self._turns: Iterator[Turn] = iter(turns)
        self.seen: list[Seen] = []

    def next(self, seen: Seen) -> Turn:
        self.seen.append(seen)
        return next(self._turns)


def endlessly(*names: str) -> Turns:
    """A policy that never comes to an answer."""
    return Turns(*itertools.repeat(ask(*names), 1000))


def shown(seens: Sequence[Seen]) -> list[list[str]]:
    return [[outcome.output for outcome in seen] for seen in seens]
