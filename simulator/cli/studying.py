"""What a study is, put together from the command line, the scenario and the environment; or refused."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from simulator.cli.embedded import Embedded, embed
from simulator.cli.playing import setup_of
from simulator.cli.prepare import whole_number
from simulator.dialects.openai import OpenAI
from simulator.engine.shard import Setup
from simulator.errors import InputError, JobError
from simulator.gates import Gate, parse_study_gates
from simulator.job.document import decode_utf8, is_file, listed, parse, read_bytes
from simulator.job.environment import longest_first, secrets_of
from simulator.job.jobfile import endpoints_in, read_grader
from simulator.job.scenario import Overrides, Scenario, load_scenario
from simulator.job.settings import RANGES, SEED, Range, range_problem
from simulator.job.strictjson import printable, quoted
from simulator.job.traces.reading import is_recording
from simulator.judges.model import ModelServer
from simulator.judges.opening import Means, goes_over_the_wire, refuse_unplayable
from simulator.judges.study import Orders
from simulator.model import Grader, GradeSettings, TrainerRules
from simulator.redaction import redactor

MOST_ROLLOUTS = 100_000
MOST_IN_FLIGHT = 1_000


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GradeOptions:
    """What the command line may say of a study; None leaves it to the scenario."""

    train: Path | None = None
    "The training dataset, where the job does not name a file beside it."
    valid: Path | None = None
    "The validation dataset, likewise."
    policy: str | None = None
    "What stands in for the model where rollouts are played: a policy of the scenario's, or `synthetic`."
    samples: Path | None = None
    "Grade these rollouts, and play none: a rollouts.jsonl, or an export of the platform's."
    answer: str | None = None
    "Grade the answers in this field of the rows, and play no rollouts."
    recorded: str | None = None
    "The field with recorded or human scores to compare with, of the rollouts or of their rows."
    grader: str | None = None
    "Study this grader in place of the job's: one of the scenario's by name, or a grader object's JSON file."
    against: Annotated[tuple[str, ...] | None, Parameter(negative=(), show_default=False)] = None
    "Compare with this grader, named likewise; give it several times for several."
    rollouts: Annotated[int, Parameter(converter=whole_number)] = 256
    "How many rollouts to grade at most."
    repeats: Annotated[int, Parameter(converter=whole_number)] = 5
    "How often to grade each while nothing else is going on, and as often under load."
    in_flight: Annotated[int, Parameter(converter=whole_number)] = 64
    "Grader calls in flight under load."
    load: bool = True
    "Also grade under load, and after it."
    tolerance: float | None = None
    "Scores agree within this; 0.05 by default."
    python_limit_s: Annotated[float | None, Parameter(name="--python-limit")] = None
    "Seconds that a Python grader may take for one sample; 120 by default, as the platform gives it."
    model_url: str | None = None
    "The OpenAI-compatible server for model graders; by default OPENAI_BASE_URL. Its key: OPENAI_API_KEY."
    seed: Annotated[int | None, Parameter(converter=whole_number)] = None
    "Decides what is played, in which order samples are graded, and what intervals draw."
    gate: Annotated[tuple[str, ...] | None, Parameter(negative=(), show_default=False)] = None
    "A condition such as `grader.agreement.order >= 95%`; give it several times for several."
    time_limit: float = 900.0
    "Seconds for all grading together."
    out: Path | None = None
    "The folder for the reports; by default out/NAME-grade-TIME."
    yes: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    "Do not ask before sending to hosts that are not this machine."


class Studying(msgspec.Struct, frozen=True):
    """A study that nothing can be refused about any more.

    `grader` is None where only the scores that are there already are looked at. `setup` plays rollouts, None
    where they come from a file or from rows.
    """

    name: str
    scenario: Scenario | None
    embedded: Embedded | None
    grader: Grader | None
    against: dict[str, Grader]
    means: Means
    orders: Orders
    settings: GradeSettings
    gates: tuple[Gate, ...]
    setup: Setup | None
    started_at: str
    out: Path


_RANGES: dict[str, Range] = {
    "rollouts": (1, MOST_ROLLOUTS),
    "repeats": (1, 1_000),
    "in_flight": (1, MOST_IN_FLIGHT),
    "seed": SEED,
    **RANGES[GradeSettings],
    "time_limit": (0.001, 1_000_000),
}


def prepare_study(target: str, options: GradeOptions, environ: Mapping[str, str]) -> Studying:
    """Read everything that a study needs; InputError for what cannot be used, before anything is sent."""
    _refuse_out_of_range(options)
    alone = is_recording(Path(target))
    if alone and options.samples is not None:
        message = "these are recorded rollouts, and --samples names others"
        raise InputError(message, where=target, remedy="name the job in its place")
    embedded = None if alone else embed(target, environ)
    environ = {**environ, **(embedded.environ if embedded else {})}
    scenario = None if alone else load_scenario(target, _overrides(options), environ)
    settings, graders = _settings(scenario, options), _Graders(scenario, environ)
    grader = graders.named(options.grader, "--grader") if options.grader else graders.of_job
    against = {name: graders.named(name, "--against") for name in settings.against}
    if against and grader is None:
        raise InputError("there is no grader to compare", where="--against", remedy="pass --grader too")
    means = means_of(scenario, settings, environ, model_url=options.model_url, secrets=graders.secrets)
    for one in (*([grader] if grader else []), *against.values()):
        refuse_unplayable(one, means)
    now = datetime.now(UTC)
    started_at = now.isoformat(timespec="seconds")
    name = scenario.name if scenario else Path(target).stem
    to_play = options.samples is None and settings.answer is None
    return Studying(
        name=name,
        scenario=scenario,
        embedded=embedded,
        grader=grader,
        against=against,
        means=means,
        orders=_orders(scenario, options, grader),
        settings=settings,
        gates=parse_study_gates(options.gate or settings.gates, where="--gate" if options.gate else "gates"),
        setup=setup_of(scenario, options.rollouts, started_at) if scenario and to_play else None,
        started_at=started_at,
        out=options.out or Path("out") / f"{name}-grade-{now:%Y%m%d-%H%M%S}",
    )


def _refuse_out_of_range(options: GradeOptions) -> None:
    for name, bounds in _RANGES.items():
        value = getattr(options, name)
        if value is not None and (problem := range_problem(bounds, value)):
            option = "--" + name.removesuffix("_s").replace("_", "-")
            raise InputError(problem, where=option, remedy="mend the option")


def means_of(
    scenario: Scenario | None,
    settings: GradeSettings,
    environ: Mapping[str, str],
    *,
    model_url: str | None = None,
    secrets: tuple[str, ...] = (),
) -> Means:
    """Return what graders are asked with; `secrets` are to be hidden besides the scenario's.

    Models are asked at `model_url`, or where the environment says.
    """
    url, key = model_url or environ.get("OPENAI_BASE_URL"), environ.get("OPENAI_API_KEY")
    hidden = (*(scenario.secrets if scenario else ()), *secrets, *([key] if url and key else ()))
    return Means(
        scenario.rules if scenario else TrainerRules(),
        OpenAI(),
        environ,
        model=ModelServer(url, key) if url else None,
        redact=redactor(longest_first(hidden)),
        python_limit_s=settings.python_limit_s,
    )


def _orders(scenario: Scenario | None, options: GradeOptions, grader: Grader | None) -> Orders:
    over_the_wire = grader is not None and goes_over_the_wire(grader)
    return Orders(
        repeats=options.repeats,
        lanes=options.in_flight if over_the_wire else 1,
        load=options.load and over_the_wire,
        seed=scenario.seed if scenario else options.seed or 0,
    )


def _overrides(options: GradeOptions) -> Overrides:
    return Overrides(
        train=str(options.train) if options.train else None,
        valid=str(options.valid) if options.valid else None,
        policy=options.policy,
        seed=options.seed,
    )


def _settings(scenario: Scenario | None, options: GradeOptions) -> GradeSettings:
    """Return the scenario's settings, with those of the command line in their place."""
    changes = {
        name: value
        for name in ("against", "answer", "recorded", "tolerance", "python_limit_s")
        if (value := getattr(options, name)) is not None
    }
    return msgspec.structs.replace(scenario.grade if scenario else GradeSettings(), **changes)


class _Graders:
    """Finds graders by name or file; `secrets` grows by those of the files."""

    def __init__(self, scenario: Scenario | None, environ: Mapping[str, str]) -> None:
        self._known = dict(scenario.graders) if scenario else {}
        self.of_job = scenario.job.grader if scenario else None
        if self.of_job is not None:
            self._known.setdefault("job", self.of_job)
        self._environ = environ
        self.secrets: tuple[str, ...] = ()

    def named(self, name: str, option: str) -> Grader:
        """Return the grader; InputError where there is none of that name, and no such file."""
        if name in self._known:
            return self._known[name]
        path = Path(name)
        if not is_file(path):
            message = f"{quoted(name)} is neither a grader of the scenario nor a file"
            raise InputError(message, where=option, remedy="known: " + listed(self._known))
        text = decode_utf8(read_bytes(path, JobError), printable(path), JobError)
        node = parse(printable(path), text, JobError)
        grader = read_grader(node, self._environ)
        self.secrets += secrets_of(endpoints_in(grader), text, self._environ)
        return grader
