import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.measure.moments import Moments

NUMBERS = st.lists(st.floats(0, 1) | st.floats(allow_nan=False, allow_infinity=False))


def of(numbers):
    moments = Moments()
    for number in numbers:
        moments.add(number)
    return moments


@given(NUMBERS.filter(len))
def test_they_are_what_the_statistics_of_all_the_numbers_are(numbers):
    assert (of(numbers).mean, of(numbers).std) == (statistics.mean(numbers), statistics.pstdev(numbers))


@given(NUMBERS, st.randoms())
def test_their_order_does_not_matter(numbers, rng):
    assert of(rng.sample(numbers, len(numbers))) == of(numbers)


@given(NUMBERS, NUMBERS)
def test_merging_two_is_adding_all_to_one(first, second):
    merged = of(first)
    merged.merge(of(second))
    assert merged == of(first + second)


@given(NUMBERS)
def test_nothing_is_lost_on_the_way_to_text_and_back(numbers):
    assert Moments.from_text(of(numbers).to_text()) == of(numbers)


def test_without_a_number_there_is_nothing_to_tell():
    assert (Moments().count, Moments().mean, Moments().std) == (0, None, None)


def test_numbers_that_are_all_the_same_have_no_spread():
    assert (of([0.1] * 1000).mean, of([0.1] * 1000).std) == (0.1, 0.0)


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_refused(number):
    with pytest.raises((OverflowError, ValueError)):
        of([number])


def test_the_repr_shows_what_is_in_it():
    assert repr(of([0.0, 1.0])) == "<Moments of 2 numbers, mean 0.5, std 0.5>"
