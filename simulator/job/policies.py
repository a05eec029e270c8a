"""From a scenario's policy table to the factory that makes each rollout's policy."""

import random
from collections.abc import Iterable, Mapping

from simulator.job.arguments import Wanted, argument_pools
from simulator.job.scenario import Scenario
from simulator.job.scenariofile import PolicyConfig
from simulator.job.scripted import check_options, load_class
from simulator.model import Item, Split, ToolCall
from simulator.plan.policy import Policy, PolicyFactory, guarded
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
    return _synthetic(config, tool_choices(scenario, items))


def tool_choices(scenario: Scenario, items: Iterable[Item]) -> dict[tuple[Split, int], ToolChoices]:
    """Return the calls that a synthetic rollout of each item may make, tool by tool.

    A row without `tools` offers all of the job's, called with `{}`: there is no schema to go by.
    """
    items = list(items)
    wanted = [Wanted(item, tool, scenario.files[item.split]) for item in items for tool in item.tools]
    pools = iter(argument_pools(wanted, scenario.seed, POOL_SIZE))
    without_any = tuple((ToolCall(tool.name, "{}"),) for tool in scenario.job.tools)
    return {
        (item.split, item.index): tuple(
            tuple(ToolCall(tool.name, arguments) for arguments in next(pools)) for tool in item.tools
        )
        or without_any
        for item in items
    }


def _scripted(config: PolicyConfig, scenario: Scenario) -> PolicyFactory:
    policy = load_class(config.agent, scenario.directory, where=config.where)
    check_options(policy, config.options, where=config.where)

    def make(item: Item, rng: random.Random) -> Policy:
        return policy(item, rng, **config.options)

    return guarded(make, [tool.name for tool in scenario.job.tools])


def _synthetic(config: PolicyConfig, choices: Mapping[tuple[Split, int], ToolChoices]) -> PolicyFactory:
    def make(item: Item, rng: random.Random) -> Policy:
        return SyntheticPolicy(config.synthetic, choices[item.split, item.index], rng)

    return make
