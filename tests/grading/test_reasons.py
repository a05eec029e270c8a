"""Why an answer was missed, told from its text and the reference's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.grading.reasons import OTHER, UNKNOWN, misses, reason


@pytest.mark.parametrize(
    ("answer", "reference", "told"),
    [
        ("12.4%", "12.4%", "the same text"),
        ("  ", "12.4%", "no answer"),
        ("blue  coat ", "blue coat", "format: blanks"),
        ("Blue Coat", "blue coat", "format: upper and lower case"),
        ("1,234.5 million", "1234.5 million", "format: how a number is written"),
        ("0.250", "0.25", "format: how a number is written"),
        ("12.43%", "12.4%", "format: rounding"),
        ("1234.5", "1234.5 million", "format: unit"),
        ("0.124", "12.4%", "format: unit"),
        ("124000", "124 thousand", "format: unit"),
        ('"blue coat".', "blue coat", "format: punctuation"),
        ("**Blue coat**", "blue coat", "format: punctuation"),
        ("The answer is 12.4%.", "12.4%", "format: words around it"),
        ("It is the blue coat, I think", "blue coat", "format: words around it"),
        ("The change is 12.43% overall", "12.4%", "format: words around the number"),
        ("(12.4%)", "-12.4%", "format: how a number is written"),
        ("13%", "12.4%", OTHER),
        ("-12.4%", "12.4%", OTHER),
        ("The answer is -12.4%", "12.4%", OTHER),
        ("\u221212.4%", "12.4%", OTHER),
        ("the bluest coat", "blue coat", OTHER),
        ("112.4%", "12.4%", OTHER),
        ("anything", None, UNKNOWN),
    ],
)
def test_reasons(answer, reference, told):
    assert reason(answer, reference) == told


def test_misses_count_reasons_and_tell_format_from_the_rest():
    found = misses([("12.43%", "12.4%"), ("12.41%", "12.4%"), ("13%", "12.4%")], of=10)
    assert (found.of, found.count, found.for_format) == (10, 3, 2)
    assert list(found.reasons.items()) == [("format: rounding", 2), (OTHER, 1)]


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_two_texts_have_a_reason(answer, reference):
    assert reason(answer, reference)
    assert reason(answer, answer) == "the same text"


def test_long_texts_take_no_time_worth_naming():
    assert reason("9" * 1_000_000, "1," * 1_000_000)
    assert reason("(" * 1_000_000, "-" * 1_000_000)
