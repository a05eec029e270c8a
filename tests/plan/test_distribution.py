"""Distributions written as text."""

import math
import random
import statistics

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.plan.distribution import parse_distribution

NUMBER = st.floats(0, 1e6) | st.integers(0, 10**6)
SIMPLE = st.one_of(
    NUMBER.map(str),
    st.tuples(NUMBER, NUMBER).map(lambda pair: "uniform:{}:{}".format(*pair)),
    st.tuples(NUMBER, st.floats(0, 3)).map(lambda pair: "lognormal:{}:{}".format(*pair)),
    NUMBER.map(lambda mean: f"exponential:{mean}"),
)
MIXED = st.tuples(st.integers(0, 100), SIMPLE, SIMPLE).map(
    lambda parts: f"mix:{parts[0]}%*{parts[1]}+{100 - parts[0]}%*{parts[2]}"
)
_WORDS = ["mix", "uniform", "lognormal", "exponential", "constant", "inf", "nan"]
PIECES = st.lists(
    st.sampled_from([*_WORDS, ":", "%", "*", "+", "1", "0", ".5", "-", "e9", "1e308", "100", "_"]),
    max_size=12,
).map("".join)


@given(st.text() | PIECES | SIMPLE | MIXED)
@example("lognormal:1e300:20")
@example("uniform:1e308:1.7e308")
@example("exponential:5e-324")
@example("mix:")
def test_any_text_is_a_distribution_or_an_input_error(text):
    try:
        distribution = parse_distribution(text, where="calls")
    except InputError as error:
        assert (error.where, text in error.message) == ("calls", True)  # noqa: PT017 either way is right
        return
    rng = random.Random(1)
    assert math.isfinite(distribution.mean)
    for _ in range(5):
        assert distribution.draw(rng) >= 0
        assert distribution.draw_count(rng) >= 0


def test_a_mixture_nested_without_end_is_an_input_error():
    with pytest.raises(InputError):
        parse_distribution("mix:100%*" * 5000 + "1")


@pytest.mark.parametrize(
    ("text", "mean"),
    [
        ("20", 20),
        (" 2.5 ", 2.5),
        ("0", 0),
        ("constant:3", 3),
        ("uniform:10:30", 20),
        ("uniform:5:5", 5),
        ("lognormal:50:1", 50 * math.exp(0.5)),
        ("lognormal:50:0", 50),
        ("exponential:4", 4),
        ("exponential:0", 0),
        ("mix:99%*20+1%*2000", 39.8),
        ("mix:50%*uniform:0:2+50%*lognormal:10:0", 5.5),
        ("mix:100%*7", 7),
    ],
)
def test_draws_have_the_mean_that_is_promised(text, mean):
    distribution = parse_distribution(text)
    rng = random.Random(7)
    assert distribution.mean == pytest.approx(mean)
    draws = [distribution.draw(rng) for _ in range(20_000)]
    assert statistics.fmean(draws) == pytest.approx(mean, rel=0.1)
    counts = [distribution.draw_count(rng) for _ in range(20_000)]
    assert statistics.fmean(counts) == pytest.approx(mean, rel=0.1)
    assert all(isinstance(count, int) for count in counts)


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "inf", "nan", "uniform", "uniform:1", "uniform:3:1", "uniform:1:2:3", "lognormal:0:1",
     "lognormal:5:-1", "lognormal:1:1000", "exponential:-1", "gauss:1:2", "mix:50%*1", "mix:50*1+50*2",
     "mix:101%*1", "mix:50%*1+50%*x", "20ms"],
)  # fmt: skip
def test_a_wrong_one_is_refused_with_the_known_forms(text):
    with pytest.raises(InputError) as error:
        parse_distribution(text, where="scenario.toml: tokens")
    assert str(error.value) == (
        f"scenario.toml: tokens: `{text}` is no distribution; write a number, or one of `uniform:LOW:HIGH`,"
        " `lognormal:MEDIAN:SIGMA`, `exponential:MEAN`, `mix:99%*20+1%*2000`"
    )


def test_the_same_seed_draws_the_same():
    distribution = parse_distribution("mix:50%*lognormal:5:1+50%*uniform:1:2")
    first, second = ([distribution.draw(random.Random(3)) for _ in range(5)] for _ in range(2))
    assert first == second
