"""What the job would send, or not: unprotected calls, evaluation passes that never come, too many calls."""

import math
import random
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from simulator.findings import found
from simulator.hosts import is_loopback
from simulator.job.document import Node
from simulator.job.lint.places import Spot, elements, member, some, text_of, told, told_by_file
from simulator.job.scenario import Scenario
from simulator.job.strictjson import printable
from simulator.model import Endpoint, Finding, TrainerRules
from simulator.plan.distribution import parse_distribution
from simulator.plan.synthetic import MOST_CALLS, SyntheticSettings
from simulator.plan.trainer import endpoints_of

DRAWN = 1000
"""Rollouts whose calls are drawn."""

_RECORDED = "reference_tool_calls"
"""The field in which published datasets keep the calls that solved a row."""


def without_tls(scenario: Scenario) -> Iterator[Finding]:
    """Tell of endpoints that are called over plain HTTP."""
    said = "called without TLS"
    yield from _unprotected(scenario, "job.no_tls", said, lambda e: urlsplit(e.url).scheme == "http")


def without_credentials(scenario: Scenario) -> Iterator[Finding]:
    """Tell of endpoints that are sent neither headers nor a query."""
    said = "sent no credentials"
    yield from _unprotected(
        scenario, "job.no_credentials", said, lambda e: not e.headers and not urlsplit(e.url).query
    )


def _unprotected(
    scenario: Scenario, code: str, said: str, is_so: Callable[[Endpoint], bool]
) -> Iterator[Finding]:
    """Make one finding of each host's endpoints, since they are protected together."""
    hosts: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints_of(scenario.job):
        if is_so(endpoint) and not is_loopback(endpoint.url):
            hosts.setdefault(urlsplit(endpoint.url).netloc, []).append(endpoint)
    for host, endpoints in hosts.items():
        names = some([endpoint.name for endpoint in endpoints])
        message = f"{names} at {printable(host)} {'are' if len(endpoints) > 1 else 'is'} {said}"
        yield told(code, message, [_url_node(scenario, endpoints[0])], endpoint=endpoints[0].name)


def _url_node(scenario: Scenario, endpoint: Endpoint) -> Node:
    job = scenario.file.node
    if endpoint.kind == "grader":
        return member(member(job, "grader"), "url") or job
    tools = (
        tool for tool in elements(member(job, "tools")) if text_of(member(tool, "name")) == endpoint.name
    )
    return next((url for tool in tools if (url := member(tool, "server_url"))), job)


def evaluation_never(scenario: Scenario) -> Iterator[Finding]:
    """Tell of evaluation passes that are due only after the last step: the job's, and those to be played."""
    job, load = scenario.job.hyperparameters, scenario.load
    node = member(member(scenario.file.node, "hyperparameters"), "eval_interval")
    if node and job.batch_size and job.n_epochs and job.eval_interval:
        steps = math.ceil(len(scenario.train) / job.batch_size) * job.n_epochs
        if 0 < steps < job.eval_interval:
            message = (
                f"an evaluation every {job.eval_interval} steps, and {steps} in all: {len(scenario.train)} "
                f"rows in batches of {job.batch_size}, n_epochs {job.n_epochs}"
            )
            yield told("job.evaluation_never", message, [node])
    played = load.eval_interval if load.mode == "training" and load.evaluation else None
    if played and played > load.steps:
        message = f"the scenario plays an evaluation every {played} steps, and {load.steps} in all"
        remedy = "lower eval_interval, or raise steps"
        yield found("job.evaluation_never", message, where="load.eval_interval", remedy=remedy)


def calls_over_cap(scenario: Scenario) -> Iterator[Finding]:
    """Tell of rollouts that want more than the cap: those the policy is set to draw, and recorded ones."""
    cap = scenario.job.max_episode_steps
    node = member(scenario.file.node, "max_episode_steps")
    if cap is None or node is None or not scenario.job.tools:
        return
    config = scenario.policies[scenario.policy]
    if config.kind == "synthetic":
        over, calls = _drawn(config.synthetic, scenario.rules, cap, scenario.seed)
        if over:
            message = (
                f"{over / DRAWN:.1%} of {DRAWN:,} synthetic rollouts want more than {cap} "
                f"{_COUNTED[scenario.rules.episode_step]}; the mean is {sum(calls) / DRAWN:.1f} calls, "
                f"the most {max(calls)}"
            )
            yield told("job.calls_over_cap", message, [node])
    yield from told_by_file("job.calls_over_cap", _recorded(scenario, cap))


_COUNTED = {"call": "calls", "turn": "turns", "call_and_turn": "calls and turns"}


def _drawn(settings: SyntheticSettings, rules: TrainerRules, cap: int, seed: int) -> tuple[int, list[int]]:
    """Return how many of the rollouts are over the cap, and the calls of each."""
    drawn, parallel = parse_distribution(settings.calls), parse_distribution(settings.parallel)
    rng, over, calls = random.Random(seed), 0, list[int]()
    for _ in range(DRAWN):
        calls.append(min(drawn.draw_count(rng), MOST_CALLS))
        steps = calls[-1] if rules.episode_step != "turn" else 0
        left = calls[-1] if rules.episode_step != "call" else 0
        while left > 0 and steps <= cap:
            left -= parallel.draw_count(rng) or 1
            steps += 1
        over += steps > cap
    return over, calls


def _recorded(scenario: Scenario, cap: int) -> Iterator[Spot]:
    """Yield the rows that cannot be solved again as they were."""
    if scenario.rules.episode_step == "turn":
        return  # several of the calls may have been made in one
    for _, file, items in scenario.splits:
        for item in items:
            calls = item.row.get(_RECORDED)
            if isinstance(calls, list) and len(calls) > cap:
                message = f"`{_RECORDED}` has {len(calls)} calls, and max_episode_steps is {cap}"
                yield Spot(file, item, message, (_RECORDED,))


TRAFFIC_LINTS = (without_tls, without_credentials, evaluation_never, calls_over_cap)
