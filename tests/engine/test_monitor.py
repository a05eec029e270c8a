"""What the engine notices of itself: every standstill with its whole weight."""

from collections import defaultdict
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from simulator.engine import monitor
from simulator.engine.monitor import Monitor
from simulator.measure.trust import Cores


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
def kernel(monkeypatch):
    """What the kernel says of each file, answer by answer, to be filled in; of any other it knows nothing."""
    says = defaultdict(list)

    def read_text(path, encoding):
        said = says[str(path)].pop(0) if says[str(path)] else FileNotFoundError()
        if isinstance(said, OSError):
            raise said
        return said

    monkeypatch.setattr(Path, "read_text", read_text)
    return says


@pytest.fixture
def schedstat(kernel):
    return kernel[f"/proc/self/task/{monitor.threading.get_native_id()}/schedstat"]


@pytest.fixture
def stat(kernel, monkeypatch):
    """The generator may use cores 0 and 2, of which the kernel counts hundredths of a second."""
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 2})
    monkeypatch.setattr("os.sysconf", {"SC_CLK_TCK": 100}.__getitem__)
    return kernel["/proc/stat"]


async def test_waiting_for_the_core_is_what_the_kernel_counted_since_the_monitor_was_made(clock, schedstat):
    schedstat += ["7000000000 2500000000 12\n", "9000000000 4000000000 99\n"]
    assert Monitor().sample().waited_s == 1.5


@pytest.mark.parametrize("said", [FileNotFoundError(), PermissionError(), "", "0\n", "a b c\n"])
@pytest.mark.parametrize("first", [False, True], ids=["at the end", "at the beginning"])
async def test_where_the_kernel_does_not_tell_nobody_knows(clock, schedstat, said, first):
    schedstat += [said, "0 5 1\n"] if first else ["0 5 1\n", said]
    assert Monitor().sample().waited_s is None


# user nice system idle iowait irq softirq steal guest guest_nice
BEFORE = """\
cpu  9000 9000 9000 9000 9000 9000 9000 9000 0 0
cpu0 5000 10 300 4000 20 30 40 500 0 0
cpu1 5000 10 300 4000 20 30 40 500 0 0
cpu2 5000 10 300 4000 20 30 40 500 0 0
intr 77 1 2 3
"""
AFTER = """\
cpu  9999 9999 9999 9999 9999 9999 9999 9999 0 0
cpu0 5900 99 399 4100 23 34 45 999 0 0
cpu1 5000 10 300 9000 20 30 40 500 0 0
cpu2 5000 10 300 4200 20 30 40 500 0 0
intr 78 1 2 3
"""


async def test_spare_is_the_time_in_which_no_program_ran_on_the_cores_it_may_use(clock, stat):
    stat += [BEFORE, AFTER]
    assert Monitor().sample().cores == Cores(2, pytest.approx(1.00 + 0.03 + 0.04 + 0.05 + 2.00))


@pytest.mark.parametrize(
    "said",
    [
        FileNotFoundError(),
        "",
        BEFORE.replace("cpu2", "cpu3"),
        "cpu0 1 2\ncpu2 1 2\n",
        "cpu0 a b c d e f g h\ncpu2 1 2 3 4 5 6 7 8\n",
        "cpu0 0 0 0 0 0 0 0 0\ncpu2 0 0 0 0 0 0 0 0\n",
    ],
    ids=["no file", "nothing", "not all cores", "too little", "no numbers", "a sandbox that counts nothing"],
)
@pytest.mark.parametrize("first", [False, True], ids=["at the end", "at the beginning"])
async def test_where_the_kernel_does_not_tell_what_was_spare_nobody_knows(clock, stat, said, first):
    stat += [said, AFTER] if first else [BEFORE, said]
    assert Monitor().sample().cores is None


async def test_cores_that_came_or_went_in_between_tell_nothing(clock, stat, monkeypatch):
    stat += [BEFORE, AFTER]
    watcher = Monitor()
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0})
    assert watcher.sample().cores is None


async def test_a_system_without_affinity_does_not_tell_what_was_spare(clock, stat, monkeypatch):
    stat += [BEFORE, AFTER]
    monkeypatch.delattr("os.sched_getaffinity")
    assert Monitor().sample().cores is None


counts = pytest.mark.skipif(
    not Path("/proc/self/schedstat").exists(), reason="this kernel keeps no such statistics"
)


@counts
async def test_this_kernel_tells_how_long_the_generator_waited(clock):
    assert Monitor().sample().waited_s >= 0.0


@counts
async def test_this_kernel_tells_what_was_spare(clock):
    cores = Monitor().sample().cores
    assert cores.number >= 1
    assert cores.spare_s >= 0.0
