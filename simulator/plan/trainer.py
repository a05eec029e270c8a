"""What the trainer knows and does not change during a run; shared by all its rollouts."""

import hashlib
from collections.abc import Callable

from simulator.dialects.base import Dialect
from simulator.model import Attempt, Endpoint, Job, Load, TrainerRules, Turn
from simulator.plan.pacer import Pacer


class Trainer:
    """The job, the rules and the dialect of one run.

    `run_key` tells this run's ids from those of any other run, so that an endpoint that keeps state under a
    rollout's id never meets the same id twice. `record` is given every attempt as soon as it is known.
    """

    def __init__(
        self,
        job: Job,
        *,
        rules: TrainerRules,
        load: Load,
        dialect: Dialect,
        run_key: str,
        record: Callable[[Attempt], None],
        make_pacer: Callable[[float], Pacer] = Pacer,
    ) -> None:
        self.job, self.rules, self.load, self.dialect = job, rules, load, dialect
        self.run_key, self.record = run_key, record
        self.endpoints = endpoints_of(job)
        self.index_of_tool = {tool.name: index for index, tool in enumerate(job.tools)}
        self.grader_index = len(job.tools) if job.grader.endpoint else None
        self.pacers = tuple(make_pacer(e.rate_limit) if e.rate_limit else None for e in self.endpoints)

    def rollout_key(self, index: int) -> str:
        """Return 32 hexadecimal digits, unique to the run and the rollout."""
        return hashlib.blake2b(f"{self.run_key}:{index}".encode(), digest_size=16).hexdigest()

    def think_s(self, turn: Turn) -> float:
        """Return how long a turn thinks, in seconds, at the run's speed and time scale."""
        return (turn.think_s + turn.tokens / self.load.tokens_per_s) * self.load.time_scale


def endpoints_of(job: Job) -> tuple[Endpoint, ...]:
    """Return the endpoints in the order that `Attempt.endpoint` counts: the tools, then the grader."""
    return (*job.tools, job.grader.endpoint) if job.grader.endpoint else job.tools
