"""When the generator's own doing is held against its numbers, and what is said then."""

import pytest

from simulator.measure.histogram import Histogram
from simulator.measure.trust import (
    MOST_DELAY_MS,
    MOST_DELAY_SHARE,
    MOST_LAG_MS,
    MOST_SHARED,
    MOST_STALL_MS,
    MOST_WAITED,
    MOST_WAITED_FOR_CPU,
    TELLING_S,
    Cores,
    GeneratorSample,
    Measured,
    judge,
)

DELAY = MOST_DELAY_MS / MOST_DELAY_SHARE  # the service time, in ms, at which both limits on a delay meet


def lags(*ms, ticks=0):
    """Ticks that came so late, in ms, and others that were in time."""
    histogram = Histogram()
    for late in [*ms, *[0.0] * ticks]:
        histogram.record(late / 1000)
    return histogram


def sample(*late_ms, ticks=0, cpu=0.1, wall_s=10.0, waited=None, spare=None, cores=1):
    waited_s = None if waited is None else waited * wall_s
    told = None if spare is None else Cores(cores, spare * wall_s)
    return GeneratorSample(cpu * wall_s, wall_s, lags(*late_ms, ticks=ticks), waited_s, told)


def reasons(*samples, endpoints=(), lost=()):
    judged = judge(samples, endpoints, lost)
    assert judged.trustworthy == (not judged.reasons)
    return judged.reasons


def the_reason(*samples, **more):
    (reason,) = reasons(*samples, **more)
    return reason


def measured(*, service=0.0, delay=0.0, no_socket=0):
    return Measured("search", service, delay, no_socket)


# -- the loop


@pytest.mark.parametrize(("stall_ms", "trusted"), [(MOST_STALL_MS - 1, True), (MOST_STALL_MS + 1, False)])
def test_a_single_standstill_of_more_than_a_second_is_enough(stall_ms, trusted):
    assert (not reasons(sample(stall_ms, ticks=100_000))) is trusted


def test_a_standstill_says_how_long_and_what_to_do():
    assert the_reason(sample(2345.0, ticks=1000)) == (
        "the generator itself stood still for 2.3 s: something halted it, or took its core; give it a machine"
        " that is left alone"
    )


@pytest.mark.parametrize(("lag_ms", "trusted"), [(MOST_LAG_MS - 1, True), (MOST_LAG_MS + 1, False)])
def test_a_loop_that_is_late_again_and_again(lag_ms, trusted):
    assert (not reasons(sample(*[lag_ms] * 100))) is trusted


def test_one_late_tick_in_two_hundred_is_nothing():
    assert reasons(sample(MOST_LAG_MS + 100, ticks=199)) == ()
    assert the_reason(sample(*[MOST_LAG_MS + 100] * 3, ticks=197)).startswith(
        "the generator's own loop ran 3"
    )


@pytest.mark.parametrize(
    ("cpu", "remedy"),
    [
        (0.89, "give it a core of its own"),
        (0.91, "it used all of its core; start fewer rollouts, or give it more cores and `--processes`"),
    ],
)
def test_the_remedy_for_a_late_loop_depends_on_who_had_the_core(cpu, remedy):
    late = sample(*[400.0] * 9, cpu=cpu)
    assert the_reason(late) == f"the generator's own loop ran 400 ms late at p99: {remedy}"


def test_a_standstill_is_not_told_a_second_time_as_a_late_loop():
    assert "stood still for 3.0 s" in the_reason(sample(*[3000.0] * 100))


def test_a_standstill_explains_why_calls_left_late():
    late = measured(delay=MOST_DELAY_MS + 1)
    (reason,) = reasons(sample(3000.0), endpoints=[late])
    assert "stood still" in reason


# -- company on the core


@pytest.mark.parametrize(
    ("waited", "cpu", "trusted"),
    [
        (MOST_WAITED + 0.01, 0.05, False),
        (MOST_WAITED - 0.01, 0.05, True),
        (0.5 * MOST_WAITED_FOR_CPU + 0.01, 0.5, False),
        (0.5 * MOST_WAITED_FOR_CPU - 0.01, 0.5, True),
        (0.0, 0.9, True),
    ],
)
def test_a_core_that_others_had_counts_beside_the_run_and_beside_what_it_had_of_it(waited, cpu, trusted):
    assert (not reasons(sample(cpu=cpu, waited=waited))) is trusted


def test_company_says_how_much_and_what_to_do():
    assert the_reason(sample(cpu=0.2, waited=0.35)) == (
        "for 35% of the time the generator was ready to run and another program had its core, which it had"
        " itself for 20%: give it a core of its own"
    )


@pytest.mark.parametrize(
    ("wall_s", "waited", "told"),
    [(TELLING_S, 0.5, 0.5), (TELLING_S - 0.1, 0.5, None), (60.0, None, None), (0.0, None, None)],
)
def test_waiting_is_told_only_by_a_run_that_was_long_enough_where_the_system_knows(wall_s, waited, told):
    judged = judge([sample(*[50.0] * 100, wall_s=wall_s, waited=waited)], ())
    assert (judged.waited, judged.trustworthy) == (told, told is None)


@pytest.mark.parametrize(
    ("cpu", "spare", "shared"),
    [
        (0.05, 0.0, 0.95),
        (0.05, 0.94, 0.01),
        (0.05, 0.96, 0.0),
        (0.99, 0.0, 0.01),
        (0.30, 0.7 - MOST_SHARED - 0.01, MOST_SHARED + 0.01),
        (0.30, 0.7 - MOST_SHARED + 0.01, MOST_SHARED - 0.01),
    ],
    ids=[
        "a busy loop beside a light load",
        "hardly anything else",
        "a core of its own",
        "a saturated core",
        "more",
        "less",
    ],
)
def test_what_the_generator_leaves_unused_and_nowhere_is_spare_others_had(cpu, spare, shared):
    judged = judge([sample(cpu=cpu, spare=spare, waited=0.01)], ())
    assert judged.shared == pytest.approx(shared)
    assert judged.trustworthy is (shared < MOST_SHARED)


def test_a_shared_core_is_told_once():
    assert the_reason(sample(cpu=0.4, waited=0.5, spare=0.0)) == (
        "other programs had 60% of the generator's core, and no other was free: give it a core of its own"
    )


def test_shared_cores_of_several_processes_are_told_once():
    assert the_reason(*[sample(cpu=0.4, waited=0.5, spare=0.0, cores=2)] * 2) == (
        "other programs had 60% of the generator's cores, and no other was free: give each process a core of"
        " its own, or ask for fewer `--processes`"
    )


@pytest.mark.parametrize(
    ("processes", "spare", "shared"),
    [
        (2, 3.8, 0.0),
        (2, 2.8, 0.0),
        (4, 3.6, 0.0),
        (4, 2.6, 0.25),
        (4, 1.6, 0.5),
        (8, 3.2, 0.0),
        (8, 1.2, 0.5),
    ],
    ids=[
        "two, alone",
        "two, beside a busy loop",
        "four, alone",
        "four, one of them beside a busy loop",
        "four, two of them beside busy loops",
        "more than there are cores, alone",
        "more than there are cores, beside two busy loops",
    ],
)
def test_several_processes_need_a_core_each_as_far_as_there_are_any(processes, spare, shared):
    judged = judge([sample(cpu=0.1, spare=spare, cores=4)] * processes, ())
    assert judged.shared == pytest.approx(shared)


def test_of_two_readings_of_the_same_cores_the_kinder_one_counts():
    kinder, other = sample(cpu=0.1, spare=1.8, cores=3), sample(cpu=0.1, spare=0.1, cores=3)
    judged = judge([kinder, other, sample(cpu=0.1)], ())
    assert judged.shared == pytest.approx(0.3)


@pytest.mark.parametrize(("wall_s", "spare"), [(TELLING_S - 0.1, 0.0), (60.0, None), (0.0, None)])
def test_a_shared_core_is_told_only_by_a_run_that_was_long_enough_where_the_system_knows(wall_s, spare):
    judged = judge([sample(wall_s=wall_s, spare=spare)], ())
    assert (judged.shared, judged.trustworthy) == (None, True)


# -- endpoints


@pytest.mark.parametrize(
    ("service", "delay", "trusted"),
    [
        (0.0, MOST_DELAY_MS - 1, True),
        (0.0, MOST_DELAY_MS + 1, False),
        (DELAY - 8, MOST_DELAY_MS + 1, False),
        (DELAY * 10, MOST_DELAY_MS * 10 - 1, True),
        (DELAY * 10, MOST_DELAY_MS * 10 + 1, False),
    ],
)
def test_a_delay_counts_when_it_is_both_long_and_a_quarter_of_the_service(service, delay, trusted):
    assert (not reasons(sample(), endpoints=[measured(service=service, delay=delay)])) is trusted


def test_a_delay_says_where_how_much_and_what_to_do():
    assert the_reason(sample(), endpoints=[measured(service=120.4, delay=512.3)]) == (
        "calls to search left 512 ms late at p99, beside 120 ms of service: start fewer rollouts, or give the"
        " generator more cores and `--processes`"
    )


def test_a_single_attempt_without_a_socket_is_enough():
    assert the_reason(sample(), endpoints=[measured(no_socket=1)]) == (
        "1 attempts at search found no socket left on this machine: raise its limit on open files"
        " (`ulimit -n`), or start fewer rollouts"
    )


# -- several processes


def test_the_busiest_process_stands_for_all():
    judged = judge([sample(cpu=0.2, waited=0.07), sample(cpu=0.7, waited=0.0), sample(cpu=0.4)], ())
    assert (judged.cpu, judged.waited, judged.processes) == (pytest.approx(0.7), pytest.approx(0.07), 3)
    assert judged.trustworthy


def test_the_ticks_of_all_processes_are_taken_together_and_the_longest_standstill_is_anyones():
    judged = judge([sample(0.0, 0.0, 0.0), sample(2000.0)], ())
    assert (judged.lag_ms.p50, judged.lag_ms.max) == (0.0, pytest.approx(2000.0, rel=0.001))
    assert judged.reasons[0].startswith("the generator itself stood still for 2.0 s")


def test_a_short_lived_process_does_not_hide_that_another_had_to_wait():
    late, brief = sample(*[50.0] * 100, waited=0.5), sample(wall_s=1.0, waited=0.0)
    assert "for 50% of the time" in the_reason(late, brief)
    assert "for 50% of the time" in the_reason(brief, late)


def test_a_process_that_died_makes_a_run_untrustworthy_and_comes_first():
    late = measured(delay=MOST_DELAY_MS + 1)
    died, of_calls = reasons(sample(), endpoints=[late], lost=["worker process 2 of 2 died"])
    assert died == "worker process 2 of 2 died"
    assert of_calls.startswith("calls to search left")


def test_where_all_processes_died_that_is_all_there_is_to_say():
    judged = judge([], (), ["one died", "two died"])
    assert judged.reasons == ("one died", "two died")
    assert (judged.trustworthy, judged.cpu, judged.processes) == (False, 0.0, 0)
    assert (judged.waited, judged.shared) == (None, None)


def test_every_reason_is_told():
    bad = sample(*[300.0] * 100, waited=0.9)
    told = reasons(bad, endpoints=[measured(delay=900.0, no_socket=3)], lost=["one died"])
    assert [reason.split()[0] for reason in told] == ["one", "the", "for", "calls", "3"]
