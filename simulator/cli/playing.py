"""Plays rollouts for a study: gently, without thinking, and without having them graded."""

import os
import secrets
from pathlib import Path

import msgspec
import trio

from reports.progress import progress
from reports.reading import JOURNAL
from simulator.cli.output import stderr_console, undisturbed, writing
from simulator.clock import SharedClock
from simulator.dialects.openai import OpenAI
from simulator.engine.journal import Journal
from simulator.engine.session import conduct
from simulator.engine.shard import Setup, Tools
from simulator.errors import PreflightError
from simulator.job.policies import policy_factory
from simulator.job.scenario import Scenario
from simulator.model import Grader, Job, Load
from simulator.plan.schedule import arrivals, items_played, schedule
from simulator.plan.trainer import endpoints_of
from simulator.redaction import redactor
from simulator.transport.base import routes_of
from simulator.transport.choice import choose

GROUPS = 32
"""Items that are played at most: intervals resample groups, so they should not be few."""

_GENTLE = 16


def setup_of(scenario: Scenario, rollouts: int, started_at: str) -> Setup:
    """Return the run that plays so many rollouts, or a few less, of the first rows."""
    rows = scenario.train or scenario.valid
    groups = max(1, min(GROUPS, len(rows), rollouts))
    load = Load(
        batch_size=groups,
        group_size=max(1, rollouts // groups),
        compute_multiplier=1.0,
        in_flight_limit=_GENTLE,
        evaluation=False,
        time_scale=0.0,
    )
    job = _ungraded(scenario.job)
    filled = arrivals(load, job.hyperparameters)
    return Setup(
        scenario=scenario.name,
        job=job,
        load=load,
        rules=scenario.rules,
        dialect=OpenAI(),
        phases=schedule(job, load, rows, ()),
        policy=scenario.policy,
        make_policy=policy_factory(scenario, items_played(load, filled, rows, ())),
        seed=scenario.seed,
        started_at=started_at,
        run_key=secrets.token_hex(16),
    )


def _ungraded(job: Job) -> Job:
    return msgspec.structs.replace(job, grader=Grader(job.grader.type, job.grader.name))


def play_into(folder: Path, setup: Setup, scenario: Scenario) -> Path:
    """Play the rollouts; return the file they are written to. PreflightError where none came to an end."""
    path = folder / JOURNAL
    transport = choose("auto", routes_of(endpoints_of(setup.job), setup.rules), os.environ)
    with writing(path):
        journal = Journal(path)
    with journal, undisturbed(), progress(stderr_console()) as watch:
        tools = Tools(transport.make, journal, redactor(scenario.secrets))

        async def playing() -> tuple[int, str, bool]:
            summary = await conduct(setup, tools, watch)
            return summary.rollouts.completed, summary.failure, summary.interrupted

        completed, failure, interrupted = trio.run(playing, clock=SharedClock())
    if failure:
        raise PreflightError(failure)
    if interrupted:
        raise KeyboardInterrupt
    if not completed:
        message = "no rollout came to an answer, so there is nothing to grade"
        raise PreflightError(f"{message}; `rft-preflight check` says what is wrong with the endpoints")
    return path
