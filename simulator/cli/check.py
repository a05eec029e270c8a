"""`rft-preflight check`: everything that can be known before the burst."""

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from reports.check_terminal import render_check
from reports.files import write_check_reports
from reports.findings import verdict_of
from reports.rules import render_rules
from simulator.checks.conduct import TIME_LIMIT_S, Depth, Orders
from simulator.checks.limits import LASTING_S
from simulator.cli.consent import ask_before_leaving
from simulator.cli.embedded import Embedded, embed
from simulator.cli.examine import PROBES, Examined, examine, without_traffic
from simulator.cli.exits import EXIT_CODES, EXIT_INTERRUPTED
from simulator.cli.output import make_folder, status, stderr_console, stdout_console, writing
from simulator.errors import DatasetError, InputError, JobError, ScenarioError
from simulator.job.complaints import findings_of
from simulator.job.scenario import Overrides, Scenario, load_scenario, lone_dataset
from simulator.job.target import Target, resolve
from simulator.model import Finding
from simulator.plan.trainer import endpoints_of
from simulator.transport.base import routes_of
from simulator.transport.choice import choose

_OF_A_FILE = (JobError, DatasetError, ScenarioError)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """What the command line may say of a check."""

    train: Path | None = None
    "The training dataset, where the job does not name a file beside it."
    valid: Path | None = None
    "The validation dataset, likewise."
    policy: str | None = None
    "What makes the ordinary calls: a policy of the scenario's, or `synthetic`."
    probe: Depth = "standard"
    "`files` sends nothing; `intrusive` also sends what may write or cost: see the README."
    rate: bool = True
    "Send calls for 10 s at the recommended 50 per second, to each endpoint."
    answer_limit: float = 10.0
    "Seconds that a probe waits for an answer; the first call of an endpoint is given twice as many."
    time_limit: float = TIME_LIMIT_S
    "Seconds for all probes together, those of the rate aside."
    out: Path | None = None
    "The folder for the reports; by default out/SCENARIO-check-TIME."
    yes: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    "Do not ask before sending to hosts that are not this machine."
    list: Annotated[bool, Parameter(negative=(), show_default=False)] = False
    "List everything that can be found, and check nothing."


class Read(msgspec.Struct, frozen=True):
    """The files as far as they could be read; `scenario` is None where there was nothing to go on with."""

    scenario: Scenario | None
    complaints: tuple[Finding, ...]
    embedded: Embedded | None


_DEFAULTS = CheckOptions()


def check(target: str | None = None, /, options: CheckOptions = _DEFAULTS) -> int:
    """Find what would ruin a training before it is paid for: in the files, and in the endpoints.

    Parameters
    ----------
    target
        A bundled scenario's name (`finqa`), a scenario TOML, a job's JSON, or a dataset alone (.jsonl).
    """
    if options.list:
        stdout_console().print(render_rules())
        return 0
    if target is None:
        raise InputError("is missing", where="TARGET", remedy="name a job, a scenario, or pass --list")
    for option, value in (("--time-limit", options.time_limit), ("--answer-limit", options.answer_limit)):
        if not 0 < value <= 3600:
            raise InputError("must be above 0, and at most 3600", where=option, remedy="mend the option")
    found = resolve(target)
    read = _read(target, found, options, os.environ)
    out = options.out or Path("out") / f"{found.name}-check-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    return show(_examine(found.name, read, options), out)


def _read(target: str, found: Target, options: CheckOptions, environ: Mapping[str, str]) -> Read:
    complaints: list[InputError] = []
    overrides = Overrides(
        train=str(options.train) if options.train else None,
        valid=str(options.valid) if options.valid else None,
        policy=options.policy,
    )
    scenario = embedded = None
    try:
        if found.kind == "dataset":
            scenario = lone_dataset(found.path, complaints.append)
            return Read(scenario, findings_of(complaints), None)
        embedded = embed(target, environ)
        variables = {**environ, **(embedded.environ if embedded else {})}
        scenario = load_scenario(target, overrides, variables, complaints.append)
    except _OF_A_FILE as error:
        complaints.append(error)
    return Read(scenario, findings_of(complaints), embedded)


def _examine(name: str, read: Read, options: CheckOptions) -> Examined:
    scenario = read.scenario
    if scenario is None:
        return without_traffic(name, read.complaints)
    rate_s = LASTING_S if options.rate else 0.0
    depth = options.probe if endpoints_of(scenario.job) else "files"
    orders = Orders(depth, rate_s, options.answer_limit, options.time_limit)
    with ExitStack() as stack:
        if orders.depth != "files":
            endpoints = endpoints_of(scenario.job)
            choose("auto", routes_of(endpoints, scenario.rules), os.environ)  # or refuse the proxy
            rate = " and 50 per second for 10 s" if rate_s else ""
            ask_before_leaving(endpoints, f"{PROBES}{rate}", assume_yes=options.yes)
            if read.embedded is not None:
                stack.enter_context(read.embedded.serving())
        watch = stack.enter_context(status(stderr_console()))
        return examine(scenario, read.complaints, orders, os.environ, watch)


def show(examined: Examined, out: Path) -> int:
    """Write the reports and print one of them; return the exit code."""
    make_folder(out)
    with writing(out):
        written = write_check_reports(out, examined.summary, examined.findings)
    stdout_console().print(render_check(examined.summary, examined.findings, written, out))
    if examined.interrupted:
        return EXIT_INTERRUPTED
    return EXIT_CODES[verdict_of(examined.findings)]
