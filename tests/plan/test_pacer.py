from hypothesis import given
from hypothesis import strategies as st

from simulator.plan.pacer import Pacer


def test_no_burst_is_saved_up_over_a_quiet_time():
    pacer = Pacer(4.0)
    assert [pacer.reserve(when) for when in (0.0, 0.0, 60.0, 60.0, 60.0)] == [0.0, 0.25, 60.0, 60.25, 60.5]


@given(st.floats(0.01, 1000), st.lists(st.floats(0, 1e4), max_size=50).map(sorted))
def test_moments_are_never_early_never_too_close_and_never_later_than_needed(per_s, whens):
    pacer = Pacer(per_s)
    granted = [pacer.reserve(when) for when in whens]
    for position, (when, moment) in enumerate(zip(whens, granted, strict=True)):
        assert moment >= when
        if position:
            assert moment >= granted[position - 1] + 1 / per_s
            assert moment in (when, granted[position - 1] + 1 / per_s)
