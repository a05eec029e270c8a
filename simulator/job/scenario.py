"""Everything a run needs to know, from a target, the command line's options and the environment."""

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

import msgspec

from simulator.errors import InputError, JobError, ScenarioError
from simulator.job.dataset import UNREADABLE, Dataset, read_dataset
from simulator.job.document import Complain, Node, attempt, is_file, is_folder, listed, parse, refuse
from simulator.job.environment import longest_first, secrets_of
from simulator.job.jobfile import NO_GRADER, JobFile, endpoints_in, read_grader, read_job
from simulator.job.scenariofile import (
    NO_LIMIT,
    CheckSettings,
    EmbeddedEndpoints,
    PolicyConfig,
    ScenarioFile,
    parse_endpoints,
    parse_scenario,
)
from simulator.job.settings import PRICE, RANGES, SEED, range_problem
from simulator.job.strictjson import printable, quoted
from simulator.job.tables import read_toml
from simulator.job.target import resolve
from simulator.measure.summary import PRICE_PER_HOUR
from simulator.model import Grader, GradeSettings, Hyperparameters, Item, Job, Load, Split, TrainerRules
from simulator.plan.replay import ReplaySettings

RECORDED = "recorded"
"""The name of a policy that only an option asks for."""

SYNTHETIC = "synthetic"
"""The policy that always exists, and stands in where none is named."""

_FIELDS: dict[Split, str] = {"train": "training_file", "valid": "validation_file"}


class Overrides(msgspec.Struct, frozen=True):
    """The command line's options; None leaves the scenario's value. `gates` replaces the scenario's gates.

    `traces` are files for a recorded policy, relative to the working directory; with `as_recorded` the load
    is that of the recording.
    """

    train: str | None = None
    valid: str | None = None
    policy: str | None = None
    compute_multiplier: float | None = None
    steps: int | None = None
    time_scale: float | None = None
    seed: int | None = None
    price_per_hour: float | None = None
    gates: tuple[str, ...] | None = None
    traces: tuple[str, ...] = ()
    as_recorded: bool = False


class Scenario(msgspec.Struct, frozen=True):
    """A run's whole input, checked. `file` is the job as read. `gates` None means the default gates.

    `rows` counts the datasets' rows, those too that could not be used and were complained of.

    `graders` are those that the scenario has besides the job's.
    `gates_where` is what an error about a gate names: the scenario's line, `--gate`, or `gate` for a default.
    `files` are the datasets' paths as messages name them; `secrets`, longest first, are to be redacted from
    whatever is shown or written.
    """

    name: str
    file: JobFile
    job: Job
    train: tuple[Item, ...]
    valid: tuple[Item, ...]
    rows: dict[Split, int]
    seed: int
    policy: str
    policies: dict[str, PolicyConfig]
    load: Load
    rules: TrainerRules
    gates: tuple[str, ...] | None
    gates_where: str
    directory: Path
    files: dict[Split, str]
    secrets: tuple[str, ...]
    check: CheckSettings
    graders: dict[str, Grader]
    grade: GradeSettings
    price_per_hour: float = PRICE_PER_HOUR

    @property
    def splits(self) -> tuple[tuple[Split, str, tuple[Item, ...]], ...]:
        """Each dataset with its path as messages name it, and its rows."""
        return ("train", self.files["train"], self.train), ("valid", self.files["valid"], self.valid)


def load_scenario(
    target: str, overrides: Overrides, environ: Mapping[str, str], complain: Complain = refuse
) -> Scenario:
    """Read and check all that `target` names; InputError, on one line, for the first thing that is wrong.

    `target` is a bundled scenario's name, a scenario TOML or a folder with one, or a job's JSON. `complain`
    is given what is wrong with the job and the datasets, and may let the rest of them be read.
    """
    found = resolve(target)
    if found.kind == "dataset":
        remedy = "name the job, and pass this with --train or --valid"
        raise InputError("is a dataset, not a job", where=printable(found.path), remedy=remedy)
    scenario = parse_scenario(read_toml(found.path)) if found.kind == "scenario" else None
    load = _load(scenario, overrides)
    policies = {SYNTHETIC: PolicyConfig("synthetic"), **(scenario.policies if scenario else {})}
    policy = _policy_name(scenario, overrides, policies)
    if overrides.traces:
        policy, policies[policy] = _recorded(policy, policies, overrides.traces)
    _check_load(scenario, overrides, load, policies[policy])
    job = read_job(found.path.parent / scenario.job if scenario else found.path, environ, complain)
    if scenario is not None:
        attempt(complain, partial(_check_names, scenario, job))
    graders, more_secrets = _graders(scenario, environ, complain)
    data: dict[Split, Dataset] = {}
    files: dict[Split, str] = {}
    for split in _FIELDS:
        path = attempt(complain, partial(_dataset_path, split, overrides, scenario, job), UNREADABLE)
        read = path and attempt(complain, partial(read_dataset, path, split, job, complain))
        files[split], data[split] = printable(path or ""), read or Dataset()
    gates, gates_where = _gates(scenario, overrides)
    return Scenario(
        name=found.name,
        file=job,
        job=job.job,
        train=data["train"].items,
        valid=data["valid"].items,
        rows={split: dataset.rows for split, dataset in data.items()},
        seed=_seed(scenario, overrides),
        policy=policy,
        policies=policies,
        load=load,
        rules=scenario.rules if scenario else TrainerRules(),
        gates=gates,
        gates_where=gates_where,
        directory=found.path.parent,
        files=files,
        secrets=longest_first((*job.secrets, *more_secrets)),
        check=scenario.check if scenario else CheckSettings(),
        graders=graders,
        grade=scenario.grade if scenario else GradeSettings(),
        price_per_hour=_price(scenario, overrides),
    )


def lone_dataset(path: Path, complain: Complain) -> Scenario:
    """Return a scenario of one dataset alone: its job has the tools that rows declare, and no endpoints.

    Complains of rows that are none; raises DatasetError where the file cannot be read.
    """
    node = parse(printable(path), "{}", JobError)
    nothing = Job((), NO_GRADER, Hyperparameters())
    job = JobFile(path, node, nothing, {"train": None, "valid": None}, (), any_tool=True)
    data = read_dataset(path, "train", job, complain)
    return Scenario(
        name=path.stem,
        file=job,
        job=nothing,
        train=data.items,
        valid=(),
        rows={"train": data.rows, "valid": 0},
        seed=0,
        policy=SYNTHETIC,
        policies={SYNTHETIC: PolicyConfig("synthetic")},
        load=Load(),
        rules=TrainerRules(),
        gates=None,
        gates_where="gate",
        directory=path.parent,
        files={"train": printable(path), "valid": ""},
        secrets=(),
        check=CheckSettings(),
        graders={},
        grade=GradeSettings(),
    )


def _graders(
    scenario: ScenarioFile | None, environ: Mapping[str, str], complain: Complain
) -> tuple[dict[str, Grader], tuple[str, ...]]:
    """Return the scenario's own graders, and what must never be shown of them."""
    graders: dict[str, Grader] = {}
    secrets: tuple[str, ...] = ()
    for name, table in scenario.graders.items() if scenario else ():
        text = msgspec.json.encode({"name": name, **table}).decode()
        node = parse(printable(scenario.toml.path) if scenario else "", text, ScenarioError)
        grader = attempt(complain, partial(_grader, scenario, name, node, environ))
        if grader is not None:
            graders[name] = grader
            secrets += secrets_of(endpoints_in(grader), text, environ)
    return graders, secrets


def _grader(scenario: ScenarioFile | None, name: str, node: Node, environ: Mapping[str, str]) -> Grader:
    assert scenario is not None  # noqa: S101 it has the table
    try:
        return read_grader(node, environ)
    except InputError as error:
        problem = scenario.toml.fail(f"graders.{name}", "", error.message, error.remedy)
        problem.code = error.code
        raise problem from None


def embedded_endpoints(target: str) -> EmbeddedEndpoints | None:
    """Return the endpoints that the scenario wants started first; None for a job, or where it wants none."""
    found = resolve(target)
    return parse_endpoints(read_toml(found.path)) if found.kind == "scenario" else None


def _load(scenario: ScenarioFile | None, overrides: Overrides) -> Load:
    load = scenario.load if scenario else Load()
    if overrides.as_recorded:
        load = msgspec.structs.replace(load, mode="recorded")
    changes = {name: getattr(overrides, name) for name in ("compute_multiplier", "steps", "time_scale")}
    changes = {name: value for name, value in changes.items() if value is not None}
    for name, value in changes.items():
        if problem := range_problem(RANGES[Load][name], value):
            raise InputError(problem, where=_option(name), remedy="mend the option")
        if load.mode != "training" and name != "time_scale":
            raise InputError(
                f"has no meaning for a {load.mode} load", where=_option(name), remedy="leave it out"
            )
    return msgspec.structs.replace(load, **changes)


def _recorded(
    policy: str, policies: Mapping[str, PolicyConfig], traces: Iterable[str]
) -> tuple[str, PolicyConfig]:
    """Return the policy that replays these files: with the settings of the chosen one, or of the only one."""
    known = [name for name, config in policies.items() if config.kind == "recorded"]
    chosen = policy if policy in known else known[0] if len(known) == 1 else RECORDED
    settings = policies[chosen].recorded if chosen in known else ReplaySettings()
    here = tuple(str(Path(file).absolute()) for file in traces)
    return chosen, PolicyConfig("recorded", recorded=msgspec.structs.replace(settings, traces=here))


def _check_load(
    scenario: ScenarioFile | None, overrides: Overrides, load: Load, policy: PolicyConfig
) -> None:
    """Raise InputError where recordings are wanted and none are named."""
    if policy.kind == "recorded" and not policy.recorded.traces:
        remedy = "name files in the policy's `traces`, or pass --traces"
        raise InputError("the policy names no recordings", where="policy", remedy=remedy)
    if load.mode == "recorded" and policy.kind != "recorded":
        message, remedy = "there is no recording to go by", "pass --traces, or choose a recorded policy"
        if overrides.as_recorded or scenario is None:
            raise InputError(message, where="--as-recorded", remedy=remedy)
        raise scenario.toml.fail("load", "mode", message, remedy)


def _price(scenario: ScenarioFile | None, overrides: Overrides) -> float:
    if overrides.price_per_hour is None:
        return scenario.price_per_hour if scenario else PRICE_PER_HOUR
    if problem := range_problem(PRICE, overrides.price_per_hour):
        raise InputError(problem, where="--price-per-hour", remedy="mend the option")
    return overrides.price_per_hour


def _seed(scenario: ScenarioFile | None, overrides: Overrides) -> int:
    if overrides.seed is None:
        return scenario.seed if scenario else 0
    if problem := range_problem(SEED, overrides.seed):
        raise InputError(problem, where="--seed", remedy="mend the option")
    return overrides.seed


def _gates(scenario: ScenarioFile | None, overrides: Overrides) -> tuple[tuple[str, ...] | None, str]:
    """Return the gates, None for the default ones, and where they stand."""
    if overrides.gates is not None:
        return overrides.gates, "--gate"
    if scenario and scenario.gates is not None:
        return scenario.gates, scenario.toml.where("", "gates")
    return None, "gate"


def _check_names(scenario: ScenarioFile, job: JobFile) -> None:
    """Raise ScenarioError where a table names tools that the job does not have."""
    check, tools = scenario.check, job.tool_names
    judge = {job.job.grader.endpoint.name} if job.job.grader.endpoint else set()
    named = [("check", "exclude", name, tools | judge) for name in check.exclude]
    if check.state:
        named += [("check.state", key, getattr(check.state, key).tool, tools) for key in ("write", "read")]
    for policy, config in scenario.policies.items():
        wanted = [*config.synthetic.tools, *(n for n in config.recorded.tools.values() if n != NO_LIMIT)]
        named += [(f"policies.{policy}", "tools", name, tools) for name in wanted]
    for table, key, name, known in named:
        if name not in known:
            message = f"the job has no endpoint {quoted(name)}"
            raise scenario.toml.fail(table, key, message, "known: " + listed(known))


def _policy_name(
    scenario: ScenarioFile | None, overrides: Overrides, policies: Mapping[str, PolicyConfig]
) -> str:
    named = scenario.policy if scenario and overrides.policy is None else overrides.policy
    chosen = SYNTHETIC if named is None else named
    if chosen in policies:
        return chosen
    message, remedy = f"no policy is named {quoted(chosen)}", "known: " + listed(policies)
    if overrides.policy is not None or scenario is None:
        raise InputError(message, where="--policy", remedy=remedy)
    raise scenario.toml.fail("", "policy", message, remedy)


def _dataset_path(split: Split, overrides: Overrides, scenario: ScenarioFile | None, job: JobFile) -> Path:
    """Return the dataset's file: the option's, else the scenario's, else what the job names beside itself."""
    option: str | None = getattr(overrides, split)
    in_scenario: str | None = getattr(scenario, split, None)
    in_job, remedy = job.datasets[split], f"pass {_option(split)} FILE"
    if option is not None:
        path = Path(option)
        error = InputError(_no_file(path), where=_option(split), remedy="check the path")
    elif scenario and in_scenario is not None:
        path = scenario.toml.path.parent / in_scenario
        error = scenario.toml.fail("", split, _no_file(path), "check the path")
    elif in_job is not None:
        path = job.path.parent / in_job.text()
        error = in_job.fail(f"{_FIELDS[split]} {quoted(in_job.text())} is no file beside the job", remedy)
    else:
        raise JobError(f"names no {_FIELDS[split]}", where=printable(job.path), remedy=remedy)
    if not is_file(path):
        raise error
    return path


def _no_file(path: Path) -> str:
    return f"{'a folder, not a file' if is_folder(path) else 'no such file'}: {printable(path)}"


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")
