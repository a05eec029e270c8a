"""From a scenario's policy table to the factory that makes each rollout's policy."""

import random
from collections.abc import Iterable, Mapping

from simulator.job.arguments import argument_pool
from simulator.job.scenario import Scenario
from simulator.job.scenariofile import PolicyConfig
from simulator.job.scripted import check_options, load_class
from simulator.model import Item, Split, ToolCall
from simulator.plan.policy import Policy, PolicyFactory
from simulator.plan.synthetic import SyntheticPolicy, ToolChoices

POOL_SIZE = 16
"""Argument strings generated for each tool of a row."""


def policy_factory(scenario: Scenario, items: Iterable[Item]) -> PolicyFactory:
    """Return the factory of the scenario's chosen policy, prepared for `items` (and for no others).

    ScenarioError where the scripted class cannot be loaded, or a schema yields no arguments.
    """
    config = scenario.policies[scenario.policy]
    if config.kind == "scripted":
        return _scripted(config, scenario)
    choices = {(item.split, item.index): tool_choices(scenario, item) for item in items}
    return _synthetic(config, choices)


def tool_choices(scenario: Scenario, item: Item) -> ToolChoices:
    """Return the calls that a synthetic rollout of `item` may make, tool by tool.

    A row without `tools` offers all of the job's, called with `{}`: there is no schema to go by.
    """
    if not item.tools:
        return tuple((ToolCall(tool.name, "{}"),) for tool in scenario.job.tools)
    file = scenario.files[item.split]
    return tuple(
        tuple(
            ToolCall(tool.name, arguments)
            for arguments in argument_pool(item, tool, scenario.seed, POOL_SIZE, file=file)
        )
        for tool in item.tools
    )


def _scripted(config: PolicyConfig, scenario: Scenario) -> PolicyFactory:
    policy = load_class(config.agent, scenario.directory, where=config.where)
    check_options(policy, config.options, where=config.where)

    def make(item: Item, rng: random.Random) -> Policy:
        return policy(item, rng, **config.options)

    return make


def _synthetic(config: PolicyConfig, choices: Mapping[tuple[Split, int], ToolChoices]) -> PolicyFactory:
    def make(item: Item, rng: random.Random) -> Policy:
        return SyntheticPolicy(config.synthetic, choices[item.split, item.index], rng)

    return make
