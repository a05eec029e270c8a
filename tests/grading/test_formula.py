"""Formulas are computed from scores as mathematics has it, and never run."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.grading.formula import compute, problem_in
from simulator.grading.judgement import CannotGrade

SCORES = {"a": 0.5, "b_2": 2.0, "is": 0.25, "Größe": 3.0, "zero": 0.0}


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("a", 0.5),
        (" a ", 0.5),
        ("0.5*a + .5*b_2", 1.25),
        ("a *\n b_2", 1.0),
        ("(a + b_2) / 2", 1.25),
        ("1 - a - is", 0.25),
        ("b_2 / 4 / a", 1.0),
        ("1 + b_2 * Größe", 7.0),
        ("2 ^ 3 ^ 2", 512.0),
        ("(2 ^ 3) ^ 2", 64.0),
        ("-b_2 ^ 2", -4.0),
        ("(-b_2) ^ 2", 4.0),
        ("2 ^ -1", 0.5),
        ("2 * b_2 ^ 2", 8.0),
        ("--a", 0.5),
        ("+-+a", -0.5),
        ("(-8) ^ 3", -512.0),
        ("0 ^ 0", 1.0),
        ("a*is + Größe", 3.125),
        ("min(a, b_2, 0.1)", 0.1),
        ("max(a)", 0.5),
        ("max(a, min(b_2, Größe))", 2.0),
        ("abs(-a) + ceil(a) + floor(a)", 1.5),
        ("exp(0) + sqrt(4) + log(1) + log(8, b_2)", 6.0),
        ("3.0e-1", 0.3),
        ("7", 7.0),
    ],
)
def test_computing(formula, expected):
    score = compute(formula, SCORES)
    assert score == pytest.approx(expected, rel=1e-15)
    assert type(score) is float


def test_names_are_read_as_python_reads_them():
    assert compute("ﬁ + K", {"fi": 1, "\u212a": 2}) == 3.0


@pytest.mark.parametrize(
    ("formula", "problem"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("a+" * 5001 + "a", "has more than 10,000 characters"),
        ("a + c", "names 'c', and the graders are "),
        ("a + ", "is no formula: brackets, operators or commas do not fit together"),
        ("a ** 2", "holds '**', and the operators are"),
        ("a > 0.5", "holds '>'"),
        ("a, b_2", "is no formula: it is more than numbers"),
        ("__import__(a)", "calls '__import__', and the functions are abs, ceil"),
        ("sqrt(a, 2)", "calls sqrt with 2 values"),
        ("1j", "holds what is no number"),
        ("\ud800", "holds "),
        ("a / zero", "divides by zero"),
        ("1 / (a - a)", "divides by zero"),
        ("log(2, 1)", "divides by zero"),
        ("exp(1000)", "leads to a number that is too large"),
        ("1e200 * 1e200", "leads to a number that is too large"),
        ("0 / 1e999", "leads to a number that is too large"),
        ("9^9^9^9", "leads to a number that is too large"),
        ("9" * 400, "leads to a number that is too large"),
        ("zero ^ -1", "leads to what is no number"),
        ("(-8) ^ 0.5", "leads to what is no number"),
        ("sqrt(-a)", "leads to what is no number"),
        ("log(zero)", "leads to what is no number"),
    ],
)
def test_what_cannot_be_computed(formula, problem):
    with pytest.raises(CannotGrade) as raised:
        compute(formula, SCORES)
    assert raised.value.error == "formula_parse_error"
    assert raised.value.details.startswith(f"the formula {problem}")


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_that_are_no_numbers(score):
    with pytest.raises(CannotGrade):
        compute("min(a, 1)", {"a": score})


DEEP = [
    "(" * 300 + "a" + ")" * 300,
    "-" * 9000 + "a",
    "+".join(["a"] * 4000),
    "abs(" * 1900 + "a" + ")" * 1900,
]


@pytest.mark.parametrize("formula", DEEP)
def test_however_deep_a_formula_is_no_exception_comes_of_it(formula):
    problem = problem_in(formula, {"a"})
    assert problem is None or problem.sentence in {
        "is nested too deeply",
        "is no formula: brackets, operators or commas do not fit together",
    }
    if problem is None:
        assert compute(formula, {"a": 0.0}) == 0
    else:
        with pytest.raises(CannotGrade, match=problem.sentence):
            compute(formula, {"a": 0.0})


def test_a_formula_is_not_computed_to_be_looked_at():
    assert problem_in("9^9^9^9^9^9^9", {"a"}) is None


NUMBERS = st.floats(-5, 5, allow_subnormal=False).map(lambda x: round(x, 2))
LEAVES = st.one_of(
    NUMBERS.map(lambda x: (str(abs(x)), abs(x))), st.sampled_from([(name, SCORES[name]) for name in SCORES])
)


def binary(pair):
    (left, x), sign, (right, y) = pair
    if sign == "/" and not y:
        return f"({left} + {right})", x + y
    value = {"+": x + y, "-": x - y, "*": x * y, "/": y and x / y}[sign]
    return f"({left} {sign} {right})", value


def grown(inner):
    return st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(binary),
        inner.map(lambda pair: (f"(-({pair[0]}))", -pair[1])),
        inner.map(lambda pair: (f"abs({pair[0]})^2", abs(pair[1]) * abs(pair[1]))),
        st.tuples(inner, inner).map(lambda p: (f"max({p[0][0]}, {p[1][0]})", max(p[0][1], p[1][1]))),
        st.tuples(inner, inner).map(lambda p: (f"min({p[0][0]}, {p[1][0]})", min(p[0][1], p[1][1]))),
    )


@given(st.recursive(LEAVES, grown, max_leaves=12))
def test_a_formula_is_worth_what_its_parts_are(case):
    formula, expected = case
    if not math.isfinite(expected):
        with pytest.raises(CannotGrade):
            compute(formula, SCORES)
    else:
        assert compute(formula, SCORES) == pytest.approx(expected, rel=1e-12, abs=1e-300)


TOKENS = [
    "a",
    "is",
    "if",
    "max",
    "log",
    "(",
    ")",
    ",",
    "+",
    "-",
    "*",
    "/",
    "^",
    " ",
    "1",
    "0",
    ".",
    "e",
    "_",
    "9" * 50,
]


@given(st.one_of(st.lists(st.sampled_from(TOKENS), max_size=30).map("".join), st.text(max_size=30)))
def test_any_text_is_computed_or_refused(formula):
    with suppress(CannotGrade):
        assert math.isfinite(compute(formula, SCORES))
