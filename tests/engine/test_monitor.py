"""What the engine notices of itself: every standstill with its whole weight."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from simulator.engine import monitor
from simulator.engine.monitor import Monitor


@pytest.fixture
def clock():
    """Time that jumps at once: there is no socket to wait for."""
    return MockClock(autojump_threshold=0)


@pytest.fixture
async def watching(nursery, clock):
    watcher = Monitor()
    nursery.start_soon(watcher.watch)
    await trio.testing.wait_all_tasks_blocked()
    return watcher


async def test_a_loop_that_keeps_time_is_never_late(watching, clock):
    await trio.sleep(10.01)
    sample = watching.sample()
    assert (sample.lag.count, sample.lag.max_ms) == (500, 0.0)
    assert sample.wall_s == pytest.approx(10.01)


async def test_a_standstill_weighs_as_much_as_the_time_it_took(watching, clock):
    await trio.sleep(1.01)
    clock.jump(1.0)
    await trio.sleep(0.01)
    lag = watching.sample().lag
    assert lag.max_ms == pytest.approx(1000, rel=0.02)
    assert lag.count == pytest.approx(100, abs=2), "a tick for each 20 ms of two seconds"
    assert lag.percentile_ms(50) < 30
    assert lag.percentile_ms(75) == pytest.approx(500, abs=50)


async def test_every_standstill_counts(watching, clock):
    for _ in range(10):
        clock.jump(0.5)
        await trio.sleep(0.011)
    lag = watching.sample().lag
    assert lag.percentile_ms(50) == pytest.approx(250, abs=50)


async def test_two_monitors_know_only_of_what_came_since_each_was_made(watching, nursery, clock, monkeypatch):
    spent = iter([100.0, 107.0, 107.5])
    monkeypatch.setattr("time.process_time", lambda: next(spent))
    clock.jump(5.0)
    await trio.sleep(0.01)
    later = Monitor()
    nursery.start_soon(later.watch)
    await trio.sleep(2.01)
    assert watching.sample().lag.max_ms > 4900
    sample = later.sample()
    assert sample.lag.max_ms == 0.0
    assert sample.wall_s == pytest.approx(2.01)
    assert sample.cpu_s == 7.5


@pytest.fixture
def schedstat(monkeypatch):
    """Say what the kernel says, answer by answer; yields those and the paths that were read."""
    says, read = [], []

    def read_text(path, encoding):
        read.append(path)
        said = says.pop(0)
        if isinstance(said, OSError):
            raise said
        return said

    monkeypatch.setattr(Path, "read_text", read_text)
    return says, read


async def test_waiting_for_the_core_is_what_the_kernel_counted_since_the_monitor_was_made(clock, schedstat):
    says, read = schedstat
    says += ["7000000000 2500000000 12\n", "9000000000 4000000000 99\n"]
    assert Monitor().sample().waited_s == 1.5
    assert set(map(str, read)) == {f"/proc/self/task/{monitor.threading.get_native_id()}/schedstat"}


@pytest.mark.parametrize("said", [FileNotFoundError(), PermissionError(), "", "0\n", "a b c\n"])
@pytest.mark.parametrize("first", [False, True], ids=["at the end", "at the beginning"])
async def test_where_the_kernel_does_not_tell_nobody_knows(clock, schedstat, said, first):
    says, _ = schedstat
    says += [said, "0 5 1\n"] if first else ["0 5 1\n", said]
    assert Monitor().sample().waited_s is None


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this kernel keeps no such statistics")
async def test_this_kernel_tells(clock):
    assert Monitor().sample().waited_s >= 0.0
