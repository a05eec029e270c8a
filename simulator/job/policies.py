"""From a scenario's policy table to the factory that makes each rollout's policy."""

import itertools
import random
from collections.abc import Iterable, Mapping

from simulator.job.arguments import Wanted, argument_pools
from simulator.job.document import Complain, refuse
from simulator.job.replay import replay_of
from simulator.job.scenario import Scenario
from simulator.job.scenariofile import PolicyConfig
from simulator.job.scripted import check_options, load_class
from simulator.model import Item, RolloutSpec, Split, ToolCall
from simulator.plan.policy import Policy, PolicyFactory, guarded
from simulator.plan.synthetic import SyntheticPolicy, ToolChoices

POOL_SIZE = 16
"""Argument strings generated for each tool of a row."""


def policy_factory(scenario: Scenario, items: Iterable[Item], complain: Complain = refuse) -> PolicyFactory:
    """Return the factory of the scenario's chosen policy, prepared for `items` (and for no others).

    ScenarioError where the scripted class cannot be loaded; complains with one of schemas that yield no
    arguments.
    """
    config = scenario.policies[scenario.policy]
    if config.kind == "scripted":
        return _scripted(config, scenario)
    if (replay := replay_of(scenario)) is not None:
        return replay.make_policy
    return _synthetic(config, tool_choices(scenario, items, complain))


def tool_choices(
    scenario: Scenario, items: Iterable[Item], complain: Complain = refuse
) -> dict[tuple[Split, int], ToolChoices]:
    """Return the calls that a synthetic rollout of each item may make, tool by tool.

    Complains with a ScenarioError of schemas that yield no arguments, and leaves those tools out.
    A row without `tools` offers all of the job's, called with `{}`: there is no schema to go by.
    """
    items = list(items)
    wanted = [Wanted(item, tool, scenario.files[item.split]) for item in items for tool in item.tools]
    pools = iter(argument_pools(wanted, scenario.seed, POOL_SIZE, complain))
    without_any = tuple((ToolCall(tool.name, "{}"),) for tool in scenario.job.tools)
    return {
        (item.split, item.index): tuple(
            tuple(ToolCall(tool.name, arguments) for arguments in pool)
            for tool in item.tools
            if (pool := next(pools))
        )
        if item.tools
        else without_any
        for item in items
    }


def _scripted(config: PolicyConfig, scenario: Scenario) -> PolicyFactory:
    policy = load_class(config.agent, scenario.directory, where=config.where)
    check_options(policy, config.options, where=config.where)

    def make(spec: RolloutSpec, rng: random.Random) -> Policy:
        return policy(spec.item, rng, **config.options)

    return guarded(make, sorted(scenario.file.tool_names))


def _synthetic(config: PolicyConfig, choices: Mapping[tuple[Split, int], ToolChoices]) -> PolicyFactory:
    settings, weights = config.synthetic, config.synthetic.tools
    offered = {place: _weighted(pools, weights) for place, pools in choices.items()} if weights else choices
    bounds = {place: _bounds(pools, weights) for place, pools in offered.items()} if weights else {}

    def make(spec: RolloutSpec, rng: random.Random) -> Policy:
        place = spec.item.split, spec.item.index
        return SyntheticPolicy(settings, offered[place], rng, bounds.get(place, ()))

    return make


def _weighted(pools: ToolChoices, weights: Mapping[str, float]) -> ToolChoices:
    return tuple(pool for pool in pools if pool[0].name in weights)


def _bounds(pools: ToolChoices, weights: Mapping[str, float]) -> tuple[float, ...]:
    """Return the weights of the pools, added up, as shares of them all; the last one is 1."""
    added = list(itertools.accumulate(weights[pool[0].name] for pool in pools))
    return (*(bound / added[-1] for bound in added[:-1]), 1.0) if added else ()
