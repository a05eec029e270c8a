import pytest

from simulator.job.lint.grader import formula_problem

from .studio import at, only, with_grader
from .test_grader import changed

GRADERS = ("a", "b_2", "is", "Größe")


@pytest.mark.parametrize(
    "formula",
    [
        "a",
        "0.5*a + .5*b_2",
        "-(a - +b_2) ^ 2 / 3.0e-1",
        "min(a, b_2, 0.5)",
        "max(a)",
        "abs(a) + ceil(a) + floor(a) + exp(a) + sqrt(a) + log(a) + log(a, 2)",
        "a*is + Größe",
        "a *\n  b_2",
        " a ",
    ],
)
def test_formulas(formula):
    assert formula_problem(formula, GRADERS) == ""


@pytest.mark.parametrize(
    ("formula", "problem"),
    [
        ("a + c", 'names "c", and the graders are "Größe", "a", "b_2", "is"'),
        ("max", 'names "max", and the graders are'),
        ("a + ", "is no formula: brackets, operators or commas do not fit together"),
        ("(a", "is no formula: brackets"),
        ("2a", "is no formula: brackets"),
        ("a if is else b_2", "is no formula: brackets"),
        ("a, b_2", "is no formula: it is more than"),
        ("a.b_2", "is no formula: it is more than"),
        ("max(*a)", "is no formula: it is more than"),
        ("a ** 2", 'holds "**", and the operators are + - * / ^'),
        ("a // 2", 'holds "//"'),
        ("a % 2", 'holds "%"'),
        ("a > 0.5", 'holds ">"'),
        ("[a]", 'holds "["'),
        ("a['b']", 'holds "["'),
        ("'a'", 'holds "\'"'),
        ("(lambda: a)()", 'holds ":"'),
        ("a # b", 'holds "#"'),
        ("round(a)", 'calls "round", and the functions are abs, ceil, exp, floor, log, max, min, sqrt'),
        ("__import__(a)", 'calls "__import__"'),
        ("a(1)", 'calls "a"'),
        ("max(a)(b_2)", 'calls ""'),
        ("min()", "calls min with 0 values"),
        ("sqrt(a, 2)", "calls sqrt with 2 values"),
        ("1j", "holds what is no number"),
        ("...", "holds what is no number"),
    ],
)
def test_what_is_no_formula(formula, problem):
    assert formula_problem(formula, GRADERS).startswith(problem)


def test_the_formula_of_the_grader(folder):
    job = with_grader(changed("multi", calculate_output="same + other"))
    finding = only("grader.formula", job=job)
    assert finding.where == at(job, "same + other")
    assert finding.message == (
        'method.reinforcement.grader.calculate_output names "other", and the graders are "_z", "is", "same"'
    )


def test_the_formula_of_a_grader_inside(folder):
    inner = changed("multi", calculate_output="1 +")
    job = with_grader(changed("multi", graders={"one": inner}, calculate_output="one"))
    assert only("grader.formula", job=job).message.startswith(
        "method.reinforcement.grader.graders.one.calculate_output is no formula"
    )
