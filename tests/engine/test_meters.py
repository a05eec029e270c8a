"""Meters are taken of a run that is observed, and of no other."""

from simulator.dialects.openai import OpenAI
from simulator.engine.journal import Journal
from simulator.engine.lead import Lead, Pulse
from simulator.engine.messages import Progress, _decode, _encode
from simulator.engine.session import conduct
from simulator.engine.shard import Setup, Tools
from simulator.measure.metering import meters_of
from simulator.measure.meters import EndpointMeters, Meters, RolloutMeters
from simulator.model import Load, TrainerRules
from simulator.plan.policy import guarded
from simulator.plan.schedule import Phase, schedule
from simulator.testing import ScriptServer, serving
from simulator.transport.http11 import Http11
from tests.engine.stage import always_good
from tests.making import Turns, answer, ask, items, job

METERS = Meters(
    (EndpointMeters("search", "tool", 3, 4, 1, 1, 0, {"reset": 1}, {}, (1, 2), 3, 1500),),
    RolloutMeters(started=5, completed=2),
    step=1,
)


def phase(step, planned, duration_s=None):
    return Phase("training", step, (), planned=planned, duration_s=duration_s)


async def test_the_meters_of_shards_add_up_and_keep_their_last_state(clock):
    lead = Lead([phase(1, 10), phase(2, 20)], steps=2, shards=2)
    lead.pulse(0, Pulse(meters=METERS))
    lead.pulse(1, Pulse(meters=METERS))
    lead.pulse(0, Pulse(ended=1))
    meters = lead.snapshot().meters
    (search,) = meters.endpoints
    assert (search.attempts, search.faults, search.within) == (8, {"reset": 2}, (2, 4))
    assert (meters.rollouts.in_flight, meters.step, meters.planned) == (6, 1, 30)


async def test_what_only_time_ends_has_no_planned_rollouts(clock):
    lead = Lead([phase(1, 10), phase(2, None, duration_s=5.0)], steps=2, shards=1)
    lead.pulse(0, Pulse(meters=METERS))
    assert lead.snapshot().meters.planned is None


def test_meters_arrive_from_another_process_as_they_were():
    message = Progress(Pulse(1, 2, 3, 4, {"reset": 1}, METERS))
    assert _decode(_encode(message)) == message


def two_calls(_spec, _rng):
    return Turns(ask("search"), ask("search", think_s=1.5), answer("done"))


async def snapshots_of(path, *, observed):
    """Play four rollouts, and return what was seen of them meanwhile, with their summary."""
    server, seen = ScriptServer(always_good), []
    async with serving(server):
        of, load = job(url=server.url), Load(batch_size=1, group_size=4)
        setup = Setup(
            scenario="s",
            job=of,
            load=load,
            rules=TrainerRules(),
            dialect=OpenAI(),
            phases=tuple(schedule(of, load, items(2), [])),
            policy="synthetic",
            make_policy=guarded(two_calls, [tool.name for tool in of.tools]),
            seed=1,
            started_at="2026-01-01T00:00:00Z",
            run_key="a-run",
            observed=observed,
        )
        with Journal(path) as journal:
            summary = await conduct(setup, Tools(Http11, journal, str), seen.append)
    return seen, summary


async def test_nobody_pays_for_meters_that_nobody_looks_at(clock, tmp_path):
    seen, _ = await snapshots_of(tmp_path / "rollouts.jsonl", observed=False)
    assert seen
    assert all(snapshot.meters is None for snapshot in seen)


async def test_an_observed_run_tells_its_meters_from_the_beginning(clock, tmp_path):
    seen, summary = await snapshots_of(tmp_path / "rollouts.jsonl", observed=True)
    meters, final = [snapshot.meters for snapshot in seen if snapshot.meters], meters_of(summary)
    assert meters[0].planned == final.planned == 4
    assert (meters[-1].rollouts.started, meters[-1].rollouts.in_flight) == (4, 4)
    tool, ended = meters[-1].endpoints[0], final.endpoints[0]
    assert (tool.name, tool.attempts, ended.attempts) == ("search", 4, 8)
    assert final.rollouts == RolloutMeters(started=4, completed=4, graded=4)
