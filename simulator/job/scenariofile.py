"""The scenario TOML: what the customer adds to the job, each table read into a struct and checked."""

import random
from typing import Any, Literal, get_args

import msgspec

from simulator.errors import InputError
from simulator.job.document import listed
from simulator.job.settings import missing_setting, range_problems
from simulator.job.strictjson import printable, quoted
from simulator.job.tables import TomlFile
from simulator.model import Load, TrainerRules
from simulator.plan.synthetic import SyntheticPolicy, SyntheticSettings

PolicyKind = Literal["scripted", "synthetic"]

NO_LIMIT = "none"
"""What stands for None in the tables, since TOML has no null."""


class EmbeddedEndpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Endpoints of our own to start beside the run: the mock's domain, and its settings.

    `url` and `token` are the names of the environment variables that the job refers to; the caller sets them.
    """

    mock: str
    url: str
    token: str
    settings: dict[str, Any] = {}


class PolicyConfig(msgspec.Struct, frozen=True):
    """A policy as configured: `agent` and `options` of a scripted one, `synthetic` of a synthetic one."""

    kind: PolicyKind
    agent: str = ""
    options: dict[str, Any] = {}
    synthetic: SyntheticSettings = SyntheticSettings()
    where: str = ""


class ScenarioFile(msgspec.Struct, frozen=True):
    """A scenario TOML, every table checked."""

    toml: TomlFile
    job: str
    train: str | None
    valid: str | None
    seed: int
    policy: str | None
    gates: tuple[str, ...] | None
    embedded: EmbeddedEndpoints | None
    load: Load
    rules: TrainerRules
    policies: dict[str, PolicyConfig]


class _Top(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    job: str
    train: str | None = None
    valid: str | None = None
    seed: int = 0
    policy: str | None = None
    gates: tuple[str, ...] | None = None
    endpoints: dict[str, Any] | None = None
    load: dict[str, Any] = {}
    trainer: dict[str, Any] = {}
    policies: dict[str, dict[str, Any]] = {}


class _Scripted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: str
    agent: str
    options: dict[str, Any] = {}


def parse_scenario(toml: TomlFile) -> ScenarioFile:
    """Check every table of the scenario; ScenarioError, with the line, at the first that is wrong."""
    top = toml.convert("", toml.value, _Top)
    if top.seed < 0:
        raise toml.fail("", "seed", f"seed must be at least 0, not {top.seed}", "mend the value")
    load = toml.convert("load", {k: None if v == NO_LIMIT else v for k, v in top.load.items()}, Load)
    rules = toml.convert("trainer", top.trainer, TrainerRules)
    _check_ranges(toml, "load", load)
    _check_ranges(toml, "trainer", rules)
    return ScenarioFile(
        toml=toml,
        job=top.job,
        train=top.train,
        valid=top.valid,
        seed=top.seed,
        policy=top.policy,
        gates=top.gates,
        embedded=parse_endpoints(toml),
        load=load,
        rules=rules,
        policies={name: _policy(toml, name, table) for name, table in top.policies.items()},
    )


def parse_endpoints(toml: TomlFile) -> EmbeddedEndpoints | None:
    """Return the table `endpoints` alone; None where there is none."""
    table = toml.value.get("endpoints")
    return None if table is None else toml.convert("endpoints", table, EmbeddedEndpoints)


def _check_ranges(toml: TomlFile, table: str, settings: Load | TrainerRules) -> None:
    for field, problem in range_problems(settings):
        raise toml.fail(table, field, f"{field} {problem}", "mend the value")
    if isinstance(settings, Load) and (missing := missing_setting(settings)):
        raise toml.fail(table, "mode", f"a {settings.mode} load needs {missing}", "add it to the table")


def _policy(toml: TomlFile, name: str, table: dict[str, Any]) -> PolicyConfig:
    place = f"policies.{name}"
    kind = table.get("kind")
    if kind == "scripted":
        scripted = toml.convert(place, table, _Scripted)
        return PolicyConfig("scripted", scripted.agent, scripted.options, where=toml.where(place, "agent"))
    if kind == "synthetic":
        rest = {key: value for key, value in table.items() if key != "kind"}
        settings = toml.convert(place, rest, SyntheticSettings)
        _check_distributions(toml, place, settings)
        return PolicyConfig("synthetic", synthetic=settings, where=toml.where(place))
    known = "write kind = one of: " + listed(get_args(PolicyKind))
    raise toml.fail(place, "kind", f"the policy {quoted(name)} has no known kind", known)


def _check_distributions(toml: TomlFile, place: str, settings: SyntheticSettings) -> None:
    try:
        SyntheticPolicy(settings, (), random.Random(0))
    except InputError as error:
        raise toml.fail(
            place, error.where, f"{error.where}: {printable(error.message)}", error.remedy
        ) from None
