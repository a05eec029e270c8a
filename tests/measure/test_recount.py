"""What lines tell is counted as the run counted it; several runs together are counted as one."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.faults import Fault
from simulator.measure.histogram import Histogram
from simulator.measure.lines import lines_of
from simulator.measure.merging import Part, merge, starts_s
from simulator.measure.recount import add_lines
from simulator.measure.tally import Tally
from tests.reports.played import CAT, LIST, SEARCH, Played

FAULTS = st.sampled_from([None, None, None, Fault.HTTP_5XX, Fault.HTTP_4XX, Fault.TIMEOUT])
CALLS = st.tuples(st.sampled_from([SEARCH, LIST, CAT]), st.floats(0.001, 30), FAULTS)
ROLLOUTS = st.lists(
    st.tuples(
        st.lists(st.lists(CALLS, min_size=1, max_size=3), max_size=4),
        st.sampled_from([0.0, 0.25, 1.0]),
        st.sampled_from([1, 2]),
        st.floats(0, 20),
    ),
    min_size=1,
    max_size=24,
)


def played(rollouts):
    run = Played()
    for turns, score, step, start in sorted(rollouts, key=lambda rollout: rollout[2]):
        fatal = next(
            (n for n, turn in enumerate(turns) if {Fault.HTTP_5XX, Fault.TIMEOUT} & {c[2] for c in turn}),
            None,
        )
        run.play(
            turns if fatal is None else turns[: fatal + 1],
            score=score, start=start, step=step, state="graded" if fatal is None else "discarded",
        )  # fmt: skip
    return run


def counts(tally):
    """Return all counts but durations, which lines round to the microsecond."""
    return (
        {
            name: (t.calls, t.attempts, t.faults, t.given_up, t.violations)
            for name, t in tally.endpoints.items()
        },
        {key: (p.states, p.calls, p.calls_max, p.tokens, p.false_zero) for key, p in tally.phases.items()},
        (tally.started, tally.groups.begun, tally.groups.incomplete),
    )


@settings(max_examples=40)
@given(ROLLOUTS)
def test_lines_in_any_order_are_counted_as_the_run_counted(rollouts):
    run = played(rollouts)
    for lines in (run.lines, run.lines[::-1]):
        again = Tally(run.targets)
        add_lines(again, lines)
        assert counts(again) == counts(run.tally)
        for name, endpoint in run.tally.endpoints.items():
            ours, theirs = (t.service.percentile_ms(99) for t in (again.endpoints[name], endpoint))
            assert ours == pytest.approx(theirs, rel=2e-3, abs=2e-3)


def part(run, **changes):
    lines = [msgspec.json.encode(line) for line in run.lines]  # merging changes what it reads
    summary = msgspec.structs.replace(run.judged()[0], **changes)
    return Part(summary, lambda: lines_of(lines, "rollouts.jsonl"))


@settings(max_examples=2)
@given(ROLLOUTS, ROLLOUTS, ROLLOUTS)
def test_runs_together_have_the_sums_of_their_counts_in_any_grouping(a, b, c):
    runs = [part(played(rollouts)) for rollouts in (a, b, c)]
    written = []
    together, _ = merge(runs, written.append)
    for name in ("planned", "completed", "discarded", "graded", "false_zero", "groups", "groups_incomplete"):
        assert getattr(together.rollouts, name) == sum(getattr(r.summary.rollouts, name) for r in runs)
    for number, endpoint in enumerate(together.endpoints):
        own = [run.summary.endpoints[number] for run in runs]
        assert endpoint.attempts == sum(one.attempts for one in own)
        assert endpoint.given_up == sum(one.given_up for one in own)
        assert sum(endpoint.faults.values()) == sum(sum(one.faults.values()) for one in own)
        histogram = Histogram.from_hdr(together.histograms[endpoint.name].service)
        assert histogram.count == sum(
            Histogram.from_hdr(run.summary.histograms[endpoint.name].service).count for run in runs
        )
    assert len({line.rollout for line in written}) == len(written)
    kept = []
    two, _ = merge(runs[:2], lambda line: kept.append(msgspec.json.encode(line)))
    stepwise, _ = merge([Part(two, lambda: lines_of(kept, "")), runs[2]], [].append)
    assert stepwise.rollouts == together.rollouts
    assert stepwise.runs == together.runs == 3


@pytest.mark.parametrize(
    ("runs", "starts"),
    [
        ([("12:00:00", 10.0)], [0.0]),
        ([("12:00:00", 10.0), ("12:00:04", 10.0)], [0.0, 4.0]),
        ([("12:00:04", 10.0), ("12:00:00", 10.0)], [4.0, 0.0]),
        ([("12:00:00", 10.0), ("13:00:00", 10.0), ("13:00:05", 10.0)], [0.0, 10.0, 15.0]),
    ],
)
def test_runs_at_the_same_time_stay_so_and_pauses_between_others_do_not_count(runs, starts):
    run = Played()
    run.play([[(CAT, 0.1, None)]], score=1.0)
    summary = run.judged()[0]
    parts = [
        msgspec.structs.replace(summary, started_at=f"2026-01-01T{at}Z", duration_s=duration_s)
        for at, duration_s in runs
    ]
    assert starts_s(parts) == starts


def test_a_line_that_is_none_is_named_and_half_a_line_at_the_end_is_left_out():
    run = Played()
    run.play([[(CAT, 0.1, None)]], score=1.0)
    good = msgspec.json.encode(run.lines[0]) + b"\n"
    assert len(list(lines_of([good, good[:40]], "x.jsonl"))) == 1
    with pytest.raises(InputError, match=r"x\.jsonl:2: is no rollout of a run"):
        list(lines_of([good, b"{}\n", good], "x.jsonl"))
