"""Who leads a run: phases begin for all shards at once, the end comes for all, and the counts add up."""

import pytest
import trio
import trio.testing

from simulator.engine.lead import Lead, Pulse, Seat
from simulator.plan.schedule import Phase

PAUSE_S = 100.0


def phase(kind="training", step=1, *, planned=10, duration_s=None, pause_s=0.0):
    return Phase(kind, step, (), planned=planned, duration_s=duration_s, pause_s=pause_s)


def lead_of(shards=1, *phases):
    return Lead(phases or [phase(), phase("evaluation"), phase(step=2)], steps=2, shards=shards)


class Begun:
    """Shards that wait for phases in tasks of their own, and when they were told each begins."""

    def __init__(self, lead, nursery):
        self._lead, self._nursery = lead, nursery
        self.told = {}

    async def wait(self, *shards):
        for shard in shards:
            self._nursery.start_soon(self._wait, shard)
        await trio.testing.wait_all_tasks_blocked()

    async def _wait(self, shard):
        begins = await self._lead.begin(shard)
        self.told.setdefault(shard, []).append((trio.current_time(), begins))

    def moments(self):
        return {shard: [begins for _, begins in told] for shard, told in self.told.items()}


# -- phases


async def test_a_phase_begins_when_all_shards_wait_for_it_and_at_the_same_moment_for_all(nursery, clock):
    begun = Begun(lead_of(3), nursery)
    await begun.wait(0, 2)
    await trio.sleep(5.0)
    assert begun.told == {}, "one of them is not there yet"
    await begun.wait(1)
    assert set(begun.told) == {0, 1, 2}
    ((moment,),) = set(map(tuple, begun.moments().values()))
    assert moment >= trio.current_time()


async def test_several_shards_are_told_a_little_before_so_that_no_message_is_late(nursery, clock):
    begun = Begun(lead_of(2), nursery)
    await begun.wait(0, 1)
    assert all(begins > at for told in begun.told.values() for at, begins in told)


async def test_a_shard_of_its_own_need_not_be_told_before(nursery, clock):
    begun = Begun(lead_of(1), nursery)
    await trio.sleep(3.0)
    await begun.wait(0)
    assert begun.told == {0: [(trio.current_time(), trio.current_time())]}


async def test_no_shard_comes_to_the_next_phase_while_another_plays_the_one_before(nursery, clock):
    begun = Begun(lead_of(2), nursery)
    await begun.wait(0, 1)
    await trio.sleep(20.0)
    await begun.wait(0)
    await trio.sleep(20.0)
    assert [len(told) for told in begun.told.values()] == [1, 1]
    await begun.wait(1)
    first, second = begun.moments()[0]
    assert begun.moments()[1] == [first, second]
    assert second == pytest.approx(trio.current_time(), abs=0.1)


@pytest.mark.parametrize("shards", [1, 2])
async def test_the_pause_after_a_phase_begins_when_the_last_shard_has_played_it(nursery, clock, shards):
    lead = lead_of(shards, phase(pause_s=PAUSE_S), phase(step=2, pause_s=2 * PAUSE_S), phase(step=3))
    begun = Begun(lead, nursery)
    await begun.wait(*range(shards))
    await trio.sleep(7.0)
    await begun.wait(*range(shards - 1))
    await trio.sleep(1.0)
    await begun.wait(shards - 1)
    assert begun.moments()[0][1] == trio.current_time() + PAUSE_S
    await trio.sleep(PAUSE_S)
    await begun.wait(*range(shards))
    assert begun.moments()[0][2] == trio.current_time() + 2 * PAUSE_S
    assert len(set(map(tuple, begun.moments().values()))) == 1


async def test_the_run_began_with_its_first_phase(nursery, clock):
    lead = lead_of(2)
    begun = Begun(lead, nursery)
    assert lead.origin is None
    for _ in range(2):
        await begun.wait(0, 1)
        await trio.sleep(3.0)
    assert lead.origin == begun.moments()[0][0] < begun.moments()[0][1]


async def test_a_shard_that_has_ended_does_not_hold_the_others_up(nursery, clock):
    lead = lead_of(3)
    begun = Begun(lead, nursery)
    lead.ended(1)
    await begun.wait(0, 2)
    assert set(begun.told) == {0, 2}


async def test_a_shard_that_dies_while_the_others_wait_lets_them_go_on(nursery, clock):
    lead = lead_of(3)
    begun = Begun(lead, nursery)
    await begun.wait(0, 2)
    assert begun.told == {}
    lead.ended(1)
    await trio.testing.wait_all_tasks_blocked()
    assert set(begun.told) == {0, 2}


async def test_a_shard_that_dies_while_it_waits_is_waited_for_no_more(nursery, clock):
    lead = lead_of(3)
    begun = Begun(lead, nursery)
    await begun.wait(0, 1)
    lead.ended(1)
    await trio.testing.wait_all_tasks_blocked()
    assert begun.told == {}, "the third still plays"
    await begun.wait(2)
    assert set(begun.told) == {0, 2}


async def test_when_all_shards_have_ended_no_phase_begins(clock):
    lead = lead_of(2)
    lead.ended(0)
    lead.ended(1)
    assert lead.origin is None


# -- the end


def test_all_who_want_to_know_are_told_of_the_end_and_so_are_those_who_come_later():
    lead, told = lead_of(2), []
    lead.on_stop(lambda grace_s: told.append(("early", grace_s)))
    assert (lead.stopped, told) == (False, [])
    lead.stop(5.0)
    assert (lead.stopped, told) == (True, [("early", 5.0)])
    lead.on_stop(lambda grace_s: told.append(("late", grace_s)))
    assert told[1:] == [("late", 5.0)]


@pytest.mark.parametrize("times", [2, 3, 5])
def test_a_run_that_is_stopped_again_has_no_grace_any_more(times):
    lead, told = lead_of(2), []
    lead.on_stop(told.append)
    for _ in range(times):
        lead.stop(5.0)
    assert told == [5.0] + [0.0] * (times - 1)
    late = []
    lead.on_stop(late.append)
    assert late == [0.0]


async def test_a_seat_speaks_for_its_shard(nursery, clock):
    lead, told, begun = lead_of(2), [], []
    seats = [Seat(lead, shard) for shard in range(2)]

    async def begin(seat):
        begun.append(await seat.begin())

    for seat in seats:
        seat.on_stop(told.append)
        seat.pulse(Pulse(ended=2, in_flight=3))
        nursery.start_soon(begin, seat)
    await trio.testing.wait_all_tasks_blocked()
    assert begun == [lead.origin, lead.origin]
    assert lead.snapshot().in_flight == 6
    lead.stop(1.0)
    assert told == [1.0, 1.0]


# -- how it goes


async def test_before_anything_is_known_a_snapshot_shows_the_first_phase(clock):
    snapshot = lead_of(2).snapshot()
    assert (snapshot.kind, snapshot.step, snapshot.steps, snapshot.planned) == ("training", 1, 2, 10)
    assert (snapshot.elapsed_s, snapshot.ended, snapshot.in_flight, snapshot.left_s) == (0.0, 0, 0, None)
    assert (snapshot.calls_per_s, snapshot.faults) == (0.0, {})


async def test_the_counts_of_all_shards_add_up_each_by_its_last_pulse(clock):
    lead = lead_of(3)
    lead.pulse(0, Pulse(ended=9, discarded=9, in_flight=9, attempts=9, faults={"reset": 9}))
    lead.pulse(0, Pulse(ended=1, discarded=2, in_flight=3, attempts=4, faults={"http_500": 1, "reset": 5}))
    lead.pulse(1, Pulse(ended=10, discarded=20, in_flight=30, attempts=40, faults={"reset": 2}))
    snapshot = lead.snapshot()
    assert (snapshot.ended, snapshot.discarded, snapshot.in_flight) == (11, 22, 33)
    assert snapshot.faults == {"http_500": 1, "reset": 7}


async def test_what_a_shard_had_done_when_it_died_stays_counted(clock):
    lead = lead_of(2)
    lead.pulse(0, Pulse(ended=4, attempts=8))
    lead.ended(0)
    assert lead.snapshot().ended == 4


async def test_rollouts_are_counted_by_phase_and_what_was_discarded_by_run(nursery, clock):
    lead = lead_of(2)
    begun = Begun(lead, nursery)
    await begun.wait(0, 1)
    lead.pulse(0, Pulse(ended=4, discarded=1))
    lead.pulse(1, Pulse(ended=6, discarded=2))
    assert (lead.snapshot().step, lead.snapshot().ended) == (1, 10)
    await begun.wait(0, 1)
    snapshot = lead.snapshot()
    assert (snapshot.kind, snapshot.ended, snapshot.discarded) == ("evaluation", 0, 3)
    lead.pulse(1, Pulse(ended=8, discarded=2))
    assert lead.snapshot().ended == 2


async def test_the_time_of_a_run_counts_from_its_first_phase_and_never_below_zero(nursery, clock):
    lead = lead_of(2)
    await trio.sleep(50.0)
    await Begun(lead, nursery).wait(0, 1)
    assert lead.snapshot().elapsed_s == 0.0, "it begins in a moment"
    await trio.sleep(9.0)
    assert lead.snapshot().elapsed_s == pytest.approx(9.0, abs=0.1)


async def test_the_time_that_is_left_follows_from_the_pace_so_far(nursery, clock):
    lead = lead_of(1)
    await Begun(lead, nursery).wait(0)
    await trio.sleep(3.0)
    assert lead.snapshot().left_s is None, "nothing has ended"
    lead.pulse(0, Pulse(ended=2))
    assert lead.snapshot().left_s == pytest.approx(3.0 / 2 * 8)


async def test_the_pace_is_that_of_the_phase_and_not_of_the_run(nursery, clock):
    lead = lead_of(1)
    begun = Begun(lead, nursery)
    await begun.wait(0)
    await trio.sleep(1000.0)
    lead.pulse(0, Pulse(ended=10))
    await begun.wait(0)
    await trio.sleep(2.0)
    assert lead.snapshot().left_s is None
    lead.pulse(0, Pulse(ended=15))
    assert lead.snapshot().left_s == pytest.approx(2.0)


async def test_a_phase_that_time_ends_has_that_time_left(nursery, clock):
    lead = lead_of(1, phase("steady", planned=None, duration_s=60.0))
    await Begun(lead, nursery).wait(0)
    await trio.sleep(20.0)
    assert (lead.snapshot().planned, lead.snapshot().left_s) == (None, 40.0)
    await trio.sleep(50.0)
    assert lead.snapshot().left_s == 0.0, "its last rollouts may take longer"


async def test_the_rate_of_calls_is_that_of_the_last_seconds(clock):
    lead, rates = lead_of(2), []
    for attempts in (0, 100, 200, 300, 300, 300, 300):
        lead.pulse(0, Pulse(attempts=attempts))
        lead.pulse(1, Pulse(attempts=attempts))
        rates.append(lead.snapshot().calls_per_s)
        await trio.sleep(1.0)
    assert rates == [0.0, 200.0, 200.0, 200.0, 100.0, 0.0, 0.0]
