"""Plays the agent against the domain's functions: no sockets, no clock."""

import json
import random
import tomllib
from functools import cache
from pathlib import Path

import msgspec

from endpoints_mock.domains.finqa import finqa_domain
from scenarios.finqa.agent import FilingsAgent
from simulator.model import Item, Outcome

FOLDER = Path(__file__).parents[2] / "scenarios" / "finqa"
DOMAIN = finqa_domain()


class Played(msgspec.Struct, frozen=True):
    """One rollout, as far as the published figures go."""

    calls: int
    parallel_turns: int
    tokens: int
    answer: str
    reward: float


def items(file):
    lines = (FOLDER / file).read_bytes().splitlines()
    return [Item(n, "train", n + 1, msgspec.Raw(line), json.loads(line)) for n, line in enumerate(lines)]


def options(policy):
    scenario = tomllib.loads((FOLDER / "scenario.toml").read_text())
    return scenario["policies"][policy]["options"]


@cache
def output(name, arguments):
    return DOMAIN.tools[name](json.loads(arguments), "")


def outcome(call, text):
    return Outcome(0, call, (), 0.0, output=text)


def play(item, seed, index, **chances):
    agent = FilingsAgent(item, random.Random(f"{seed}:{index}"), **chances)
    turns, turn = [], agent.next(())
    while turn.calls:
        turns.append(turn)
        turn = agent.next(tuple(outcome(call, output(call.name, call.arguments)) for call in turn.calls))
    return Played(
        calls=sum(len(turn.calls) for turn in turns),
        parallel_turns=sum(len(turn.calls) > 1 for turn in turns),
        tokens=sum(turn.tokens for turn in [*turns, turn]),
        answer=turn.answer,
        reward=DOMAIN.graders["grade"](turn.answer, item.row, ""),
    )
