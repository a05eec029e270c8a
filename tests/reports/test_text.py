import pytest

from reports.text import count, counted, duration, enumerated, number, observed, plain, share, short


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"), (0.00001, "<0.1 ms"), (0.0004, "0.4 ms"), (0.00996, "10 ms"), (0.412, "412 ms"),
        (0.9996, "1.0 s"), (8.94, "8.9 s"), (9.96, "10 s"), (94.2, "94 s"), (119.6, "2 m 0 s"),
        (130, "2 m 10 s"), (3599.6, "1 h 0 m"), (3900, "1 h 5 m"), (4e8, "111,111 h 7 m"),
    ],
)  # fmt: skip
def test_durations_in_their_natural_unit(seconds, said):
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("part", "said"),
    [(0, "0.0%"), (1e-9, "<0.01%"), (0.0004, "0.04%"), (0.0742, "7.4%"), (0.9999, ">99.9%"), (1, "100%")],
)
def test_shares_never_round_to_nothing_or_to_all(part, said):
    assert share(part) == said


@pytest.mark.parametrize(
    ("value", "said"), [(0.0, "0"), (6.9, "6.9"), (1.5049, "1.5"), (12.0, "12"), (1234567.8, "1,234,568")]
)
def test_numbers(value, said):
    assert number(value) == said


@pytest.mark.parametrize(
    ("value", "unit", "said"),
    [(None, "time", "not measured"), (8.9, "time", "8.9 s"), (0.074, "share", "7.4%"), (3, "number", "3")],
)
def test_observations_in_their_units(value, unit, said):
    assert observed(value, unit) == said


def test_counts():
    assert count(1234567) == "1,234,567"
    assert [counted(n, "call") for n in (0, 1, 2000)] == ["0 calls", "1 call", "2,000 calls"]


def test_the_most_frequent_come_first_and_the_rest_in_one_number():
    assert enumerated({"b": 2, "a": 2, "c": 9, "d": 1, "e": 1}) == "c 9, a 2, b 2, d 1, others 1"
    assert enumerated({}) == ""


def test_control_and_format_characters_go():
    assert plain("a\x1b[2J\x9bb\u202ec\ud800\r\n\td\x00") == "a?[2J?b?c?   d?"
    assert plain("naïve 東京 [bold]") == "naïve 東京 [bold]"


@pytest.mark.parametrize(("most", "said"), [(9, "abcdefghi"), (8, "abcd…ghi"), (5, "ab…hi"), (1, "…")])
def test_what_is_too_long_loses_its_middle(most, said):
    assert short("abcdefghi", most) == said
