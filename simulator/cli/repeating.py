"""What a report says of how its run was set up: the command that repeats it, and every setting."""

import dataclasses
import platform
import shlex
from collections.abc import Callable
from importlib.metadata import version
from typing import Any
from urllib.parse import urlsplit

import msgspec

from simulator.cli.prepare import Prepared, RunOptions
from simulator.job.scenario import Scenario
from simulator.model import Endpoint
from simulator.plan.trainer import endpoints_of
from simulator.redaction import redactor

_NOT_REPEATED = {"out", "yes", "seed", "live", "live_port", "otel", "prometheus_port", "prometheus_wait"}
"""Options that say nothing of what is played; the seed is always said."""

OURS = "brought along by the scenario"
"""In place of a URL whose port is another each time."""


def command_of(target: str, options: RunOptions, seed: int) -> str:
    """Return the command that plays the same again, options at their defaults left out."""
    words = ["rft-preflight", "run", target, "--seed", str(seed)]
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name in _NOT_REPEATED or value == field.default:
            continue
        name = "--" + field.name.replace("_", "-")
        values = value if isinstance(value, tuple) else (value,)
        words += [word for one in values for word in ([name] if one is True else [name, str(one)])]
    return shlex.join(words)


def settings_of(prepared: Prepared) -> dict[str, Any]:
    """Return all that decides what is played and how, by table, without secrets."""
    scenario, setup = prepared.scenario, prepared.setup
    tables = {
        "job": {
            "hyperparameters": scenario.job.hyperparameters,
            "max_episode_steps": scenario.job.max_episode_steps,
            "grader": scenario.job.grader.type,
            "rows": {name: len(rows) for name, _, rows in scenario.splits},
        },
        "endpoints": {
            one.name: _endpoint(one, is_ours=prepared.embedded is not None)
            for one in endpoints_of(scenario.job)
        },
        "load": setup.load,
        "trainer": setup.rules,
        "policy": {setup.policy: _policy(scenario)},
        "sending": {"transport": setup.transport or "http11", "processes": prepared.processes},
        "versions": {
            "rft-preflight": version("rft-preflight"),
            "python": platform.python_version(),
            "system": platform.platform(),
        },
    }
    settings: dict[str, Any] = msgspec.to_builtins(tables)
    return {name: _redacted(table, redactor(scenario.secrets)) for name, table in settings.items()}


def _endpoint(endpoint: Endpoint, *, is_ours: bool) -> dict[str, Any]:
    return {
        "url": OURS if is_ours else _address(endpoint.url),
        "headers": [name for name, _ in endpoint.headers],
        "rate_limit": endpoint.rate_limit,
    }


def _address(url: str) -> str:
    """Return the URL without a user and a query, which may hold secrets that nobody named."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def _policy(scenario: Scenario) -> Any:
    config = scenario.policies[scenario.policy]
    chosen = {"scripted": config.options, "synthetic": config.synthetic, "recorded": config.recorded}
    return {"kind": config.kind, "agent": config.agent, **msgspec.to_builtins(chosen[config.kind])}


def _redacted(value: Any, redact: Callable[[str], str]) -> Any:
    match value:
        case dict():
            return {key: _redacted(item, redact) for key, item in value.items()}
        case list():
            return [_redacted(item, redact) for item in value]
        case str():
            return redact(value)
        case _:
            return value
