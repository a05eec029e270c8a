import pytest

from simulator.job.lint.source import source_problem

from .studio import at, only, with_grader
from .test_grader import changed


@pytest.mark.parametrize(
    "source",
    [
        "def grade(sample, item):\n    return 1.0",
        "def grade(sample: dict, item: dict, /, strict=False) -> float:\n    return 1.0",
        "def grade(*args, **kwargs): return 0",
        "def grade(sample, *rest, loud=1): return 0",
        "import json\ndef other(): pass\nclass A:\n    def grade(self): pass\ndef grade(a, b): return 0",
        "grade = lambda sample, item: 1.0",
        "from ours import grade",
        "from ours import score as grade",
        "from ours import *",
        "try:\n    import numpy\nexcept ImportError:\n    def grade(a, b): return 0",
        "@decorated\ndef grade(): return 0",
        "def grade(): pass\ndef grade(a, b): return 0",
        "x = '\\d'\nassert (1, 2)\ndef grade(a, b): return a is 1",
        "async def grade(a, b): return 0",
        "raise SystemExit\ndef grade(a, b): pass",
        "",
    ],
)
def test_sources(source):
    assert source_problem(source) == ""


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def grade(sample, item)\n    return 1", "line 1 of the source is not Python 3.1"),
        ("def grade(a, b):\n  return 1\n return 2", "line 3 of the source is not Python 3.1"),
        ("return 1", "line 1 of the source is not Python"),
        ("def score(sample, item): return 1", "it defines no `grade`, and the platform calls `grade(sam"),
        ("class A:\n    def grade(self, a, b): pass", "it defines no `grade`"),
        ("def other():\n    grade = 1", "it defines no `grade`"),
        ("# only a comment", "it defines no `grade`"),
        ("\n\ndef grade(sample): return 1", "line 3 of the source: the platform calls `grade(sample, item)`"),
        ("def grade(a, b, c): return 1", "line 1 of the source"),
        ("def grade(a, b, *, c): return 1", "line 1 of the source"),
        ("def grade(a, b): return 1\ndef grade(): return 1", "line 2 of the source"),
        ("x = '\0'\ndef grade(a, b): return 1", "the source is not Python"),
    ],
)  # fmt: skip
def test_what_cannot_run(source, problem):
    assert source_problem(source).startswith(problem)


@pytest.mark.parametrize(
    "source",
    [
        "(" * 250 + ")" * 250,
        "-" * 100_000 + "1",
        "+".join(["1"] * 50_000),
        "a" + ".a" * 50_000,
        "not " * 50_000 + "a",
        "lambda: " * 20_000 + "a",
        "a[" * 50_000,
        "\n".join(" " * depth + "if a:" for depth in range(500)),
        "9 ** 9 ** 9 ** 9",
        "'a' * 10 ** 10",
    ],
)
def test_however_deep_a_source_is_some_line_comes_back(source):
    assert len(source_problem(f"{source}\ndef score(): pass").splitlines()) == 1


def test_the_source_is_never_run(tmp_path):
    path = tmp_path / "ran"
    assert source_problem(f"open({str(path)!r}, 'w')\ndef grade(a, b): return 1") == ""
    assert not path.exists()


def test_the_source_of_the_grader(folder):
    job = with_grader(changed("python", source="def score(): pass"))
    finding = only("grader.source", job=job)
    assert finding.where == at(job, "def score(): pass")
    assert finding.message.startswith("method.reinforcement.grader.source: it defines no `grade`")
