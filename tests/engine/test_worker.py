"""What a worker process hands to the one that leads it arrives as it was."""

import pytest

from simulator.engine.shard import Played
from simulator.engine.worker import from_bytes, to_bytes
from simulator.measure.histogram import Histogram
from simulator.measure.tally import Tally
from simulator.measure.trust import Cores, GeneratorSample
from simulator.plan.trainer import endpoints_of
from tests.making import job


@pytest.mark.parametrize(("waited_s", "cores"), [(0.25, Cores(4, 1.5)), (None, None)])
def test_what_was_played_arrives_whole(waited_s, cores):
    lag, tally = Histogram(), Tally(endpoints_of(job()))
    lag.record(0.003)
    sample = GeneratorSample(1.25, 4.5, lag, waited_s, cores)
    arrived = from_bytes(to_bytes(Played(tally, sample, 12.5, stopped=True, failure="the disk is full")))
    assert arrived.generator.lag.to_text() == lag.to_text()
    assert (arrived.generator.cpu_s, arrived.generator.wall_s) == (1.25, 4.5)
    assert (arrived.generator.waited_s, arrived.generator.cores) == (waited_s, cores)
    assert (arrived.ended, arrived.stopped, arrived.failure) == (12.5, True, "the disk is full")
    assert arrived.tally.to_bytes() == tally.to_bytes()
