"""A run from start to summary: who leads it, who plays it, and what ends it early."""

import signal
from collections.abc import Awaitable, Callable, Sequence

import trio

from simulator.engine.crew import Crew
from simulator.engine.journal import Journal
from simulator.engine.lead import Lead, Seat, planned_rollouts
from simulator.engine.shard import Played, Setup, Tools, play
from simulator.errors import InputError
from simulator.measure.graded import Learnability
from simulator.measure.summarise import RunFacts, summarise
from simulator.measure.summary import LoadSummary, Snapshot, Summary
from simulator.measure.tally import Tally
from simulator.plan.assumptions import assumptions
from simulator.plan.schedule import Phase, arrivals
from simulator.plan.trainer import endpoints_of

_WATCHED_EVERY_S = 0.25


async def conduct(setup: Setup, tools: Tools, watch: Callable[[Snapshot], None]) -> Summary:
    """Play the run in this process, keep the journal, return the summary.

    SIGINT and SIGTERM end it early and in order. What makes it give up by itself is the summary's `failure`,
    redacted; nothing is raised.
    """

    async def play_here(lead: Lead) -> list[Played]:
        return [await play(setup, tools, Seat(lead, 0))]

    return await _led(setup, tools.journal, watch, play_here, shards=1)


async def conduct_in_processes(
    setup: Setup, journal: Journal, watch: Callable[[Snapshot], None], crew: Crew
) -> Summary:
    """Play the run in worker processes; otherwise as `conduct`."""

    async def play_there(lead: Lead) -> list[Played]:
        return await crew.play(lead, setup.load.grace_s)

    return await _led(setup, journal, watch, play_there, shards=crew.processes)


async def _led(
    setup: Setup,
    journal: Journal,
    watch: Callable[[Snapshot], None],
    play_all: Callable[[Lead], Awaitable[list[Played]]],
    *,
    shards: int,
) -> Summary:
    """Lead the shards that `play_all` plays, and return the summary of all of them."""
    lead = Lead(setup.phases, setup.load.steps, shards)
    async with trio.open_nursery() as nursery:
        await nursery.start(_end_on_signals, lead, setup.load.grace_s)
        nursery.start_soon(_watch, lead, watch)
        played = await play_all(lead)
        nursery.cancel_scope.cancel()
    return _summary(setup, lead, played, _order(journal))


async def _end_on_signals(
    lead: Lead, grace_s: float, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for _ in signals:
            lead.stop(grace_s)


async def _watch(lead: Lead, watch: Callable[[Snapshot], None]) -> None:
    while True:
        watch(lead.snapshot())
        await trio.sleep(_WATCHED_EVERY_S)


def _order(journal: Journal) -> str:
    """Put the finished journal in order; returns what prevented it."""
    try:
        journal.put_in_order()
    except OSError as error:
        return str(InputError(f"cannot be written: {error.strerror}", where=str(journal.path)))
    return ""


def _summary(setup: Setup, lead: Lead, played: Sequence[Played], failure: str) -> Summary:
    tally = Tally(endpoints_of(setup.job))
    for shard in played:
        tally.merge(shard.tally)
    lost = tuple(shard.failure for shard in played if shard.lost)
    failures = [*(shard.failure for shard in played if not shard.lost), failure]
    facts = RunFacts(
        scenario=setup.scenario,
        seed=setup.seed,
        started_at=setup.started_at,
        duration_s=max((shard.ended - shard.tally.origin for shard in played), default=0.0),
        interrupted=not lost and (lead.stopped or any(shard.stopped for shard in played)),
        load=_load_summary(setup),
        planned=_planned(setup.phases, tally),
        grader_type=setup.job.grader.type,
        failure=next(filter(None, failures), ""),
        learnability=_learnability(setup, tally),
        generator=[shard.generator for shard in played if not shard.lost],
        lost=lost,
    )
    return summarise(tally, endpoints_of(setup.job), facts)


def _learnability(setup: Setup, tally: Tally) -> Learnability | None:
    if all(record.score is None for record in tally.rollouts):
        return None
    # Only the leader of a run needs numpy and scipy, which take a third of a second, and only at its end.
    from simulator.grading.run import learnability_of  # noqa: PLC0415

    return learnability_of(tally.rollouts, setup.job.grader.pass_threshold, setup.seed)


def _planned(phases: Sequence[Phase], tally: Tally) -> int:
    """Return the rollouts the schedule asks for; where time may end a phase, those that were started."""
    planned = planned_rollouts(phases)
    return tally.started if planned is None else planned


def _load_summary(setup: Setup) -> LoadSummary:
    filled = arrivals(setup.load, setup.job.hyperparameters)
    return LoadSummary(
        mode=setup.load.mode,
        steps=setup.load.steps,
        batch_size=filled.batch_size,
        group_size=setup.load.group_size,
        compute_multiplier=filled.compute_multiplier,
        rollouts_per_step=filled.rollouts_per_step,
        time_scale=setup.load.time_scale,
        policy=setup.policy,
        assumptions=(*setup.notes, *assumptions(setup.job, setup.load, setup.rules, filled)),
    )
