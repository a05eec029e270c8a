"""The scenario TOML: what the customer adds to the job, each table read into a struct and checked."""

import math
from typing import Annotated, Any, Literal

import msgspec

from simulator.errors import InputError
from simulator.job.document import listed
from simulator.job.settings import PRICE, SEED, missing_setting, range_problem, range_problems
from simulator.job.strictjson import printable, quoted
from simulator.job.tables import TomlFile
from simulator.measure.summary import PRICE_PER_HOUR
from simulator.model import GradeSettings, Load, TrainerRules
from simulator.plan.distribution import parse_distribution
from simulator.plan.replay import ReplaySettings
from simulator.plan.synthetic import SyntheticSettings

PolicyKind = Literal["recorded", "scripted", "synthetic"]

NO_LIMIT = "none"
"""What stands for None in the tables, since TOML has no null."""


class EmbeddedEndpoints(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Endpoints of our own to start beside the run: the mock's domain, and its settings.

    `url` and `token` are the names of the environment variables that the job refers to; the caller sets them.
    """

    mock: Annotated[str, msgspec.Meta(examples=["finqa"])]
    url: Annotated[str, msgspec.Meta(examples=["TOOLS_URL"])]
    token: Annotated[str, msgspec.Meta(examples=["TOOLS_TOKEN"])]
    settings: dict[str, Any] = {}


class PolicyConfig(msgspec.Struct, frozen=True):
    """A policy as configured: `synthetic` and `recorded` of one of that kind, the rest of a scripted one.

    `where` is the file and line of its `agent`.
    """

    kind: PolicyKind
    agent: str = ""
    options: dict[str, Any] = {}
    synthetic: SyntheticSettings = SyntheticSettings()
    recorded: ReplaySettings = ReplaySettings()
    where: str = ""


class CheckCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call that a check makes; `MARK` in a string of its arguments is replaced by what is new each time."""

    tool: Annotated[str, msgspec.Meta(examples=["remember"])]
    arguments: dict[str, Any] = {}


class CheckState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call that keeps something under the rollout's id, and one that shows it."""

    write: CheckCall
    read: CheckCall


class CheckSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a check should know: tools never to be called, the rows' field with the right answer, state."""

    exclude: tuple[str, ...] = ()
    reference: str | None = None
    state: CheckState | None = None


class ScenarioFile(msgspec.Struct, frozen=True):
    """A scenario TOML, every table checked."""

    toml: TomlFile
    job: str
    train: str | None
    valid: str | None
    seed: int
    price_per_hour: float
    policy: str | None
    gates: tuple[str, ...] | None
    load: Load
    rules: TrainerRules
    policies: dict[str, PolicyConfig]
    check: CheckSettings
    graders: dict[str, dict[str, Any]]
    grade: GradeSettings


class _Top(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    job: Annotated[str, msgspec.Meta(examples=["job.json"])]
    train: str | None = None
    valid: str | None = None
    seed: int = 0
    price_per_hour: float = PRICE_PER_HOUR
    policy: str | None = None
    gates: tuple[str, ...] | None = None
    endpoints: dict[str, Any] | None = None
    load: dict[str, Any] = {}
    trainer: dict[str, Any] = {}
    policies: dict[str, dict[str, Any]] = {}
    check: dict[str, Any] = {}
    graders: dict[str, dict[str, Any]] = {}
    grade: dict[str, Any] = {}


class _Kind(msgspec.Struct, frozen=True):
    kind: Annotated[PolicyKind, msgspec.Meta(examples=["synthetic"])]


class _Scripted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    agent: Annotated[str, msgspec.Meta(examples=["agent.py:Agent"])]
    options: dict[str, Any] = {}


def parse_scenario(toml: TomlFile) -> ScenarioFile:
    """Check every table of the scenario; ScenarioError, with the line, at the first that is wrong."""
    top = toml.convert("", toml.value, _Top)
    if problem := range_problem(SEED, top.seed):
        raise toml.fail("", "seed", f"seed {problem}", "mend the value")
    if problem := range_problem(PRICE, top.price_per_hour):
        raise toml.fail("", "price_per_hour", f"price_per_hour {problem}", "mend the value")
    load = toml.convert("load", {k: None if v == NO_LIMIT else v for k, v in top.load.items()}, Load)
    rules = toml.convert("trainer", top.trainer, TrainerRules)
    _check_ranges(toml, "load", load)
    _check_ranges(toml, "trainer", rules)
    grade = toml.convert("grade", top.grade, GradeSettings)
    _check_ranges(toml, "grade", grade)
    for name in grade.against:
        if name not in top.graders:
            remedy = "known: " + listed(top.graders)
            raise toml.fail("grade", "against", f"no grader is named {quoted(name)}", remedy)
    _endpoints(toml, top)  # which is for the command to use, and for us to check
    return ScenarioFile(
        toml=toml,
        job=top.job,
        train=top.train,
        valid=top.valid,
        seed=top.seed,
        price_per_hour=top.price_per_hour,
        policy=top.policy,
        gates=top.gates,
        load=load,
        rules=rules,
        policies={name: _policy(toml, name, table) for name, table in top.policies.items()},
        check=toml.convert("check", top.check, CheckSettings),
        graders=top.graders,
        grade=grade,
    )


def parse_endpoints(toml: TomlFile) -> EmbeddedEndpoints | None:
    """Return the table `endpoints` alone; None where there is none."""
    return _endpoints(toml, toml.convert("", toml.value, _Top))


def _endpoints(toml: TomlFile, top: _Top) -> EmbeddedEndpoints | None:
    return None if top.endpoints is None else toml.convert("endpoints", top.endpoints, EmbeddedEndpoints)


def _check_ranges(
    toml: TomlFile, table: str, settings: Load | TrainerRules | GradeSettings | ReplaySettings
) -> None:
    for field, problem in range_problems(settings):
        raise toml.fail(table, field, f"{field} {problem}", "mend the value")
    if isinstance(settings, Load) and (missing := missing_setting(settings)):
        raise toml.fail(table, "mode", f"a {settings.mode} load needs {missing}", "add it to the table")


def _policy(toml: TomlFile, name: str, table: dict[str, Any]) -> PolicyConfig:
    place = f"policies.{name}"
    kind = toml.convert(place, table, _Kind).kind
    rest = {key: value for key, value in table.items() if key != "kind"}
    if kind == "scripted":
        scripted = toml.convert(place, rest, _Scripted)
        return PolicyConfig(kind, scripted.agent, scripted.options, where=toml.where(place, "agent"))
    if kind == "recorded":
        recorded = toml.convert(place, rest, ReplaySettings)
        _check_ranges(toml, place, recorded)
        _check_distribution(toml, place, "tokens", recorded.tokens)
        return PolicyConfig(kind, recorded=recorded)
    settings = toml.convert(place, rest, SyntheticSettings)
    for key in ("calls", "parallel", "tokens"):
        _check_distribution(toml, place, key, getattr(settings, key))
    for tool, weight in settings.tools.items():
        if not 0 < weight < math.inf:
            raise toml.fail(place, "tools", f"the weight of {quoted(tool)} must be above 0", "mend the value")
    return PolicyConfig(kind, synthetic=settings)


def _check_distribution(toml: TomlFile, place: str, key: str, text: str) -> None:
    try:
        parse_distribution(text)
    except InputError as error:
        raise toml.fail(place, key, f"{key}: {printable(error.message)}", error.remedy) from None
