"""Studies of graders, to be shown in every way there is."""

import numpy as np

from reports.findings import worst_first
from simulator.gates import judge_study, parse_study_gates
from simulator.grading.judgement import Case, Mark
from simulator.grading.results import Terms, grader_summary
from simulator.grading.told import findings_of
from simulator.measure.summary import StudySummary

GROUPS, SIZE, LANES = 12, 4, 6
COUNT = GROUPS * SIZE
GATES = (
    "grader.agreement.order >= 95%",
    "grader.repeatability.max_spread <= 0.05",
    "learnability.flat_groups < 50%",
)


def _cases(**fields):
    answers = ("12.4%", "The answer is 12.4%.", "12.43%", "13%")
    return [
        Case(item=str(n // SIZE), group=str(n // SIZE), split="train", index=n // SIZE, answer=answers[n % 4],
             reference="12.4%", calls=n % 5, **{name: value(n) for name, value in fields.items()})
        for n in range(COUNT)
    ]  # fmt: skip


def _marks(phase, scores, rounds=1):
    return [
        Mark(n, phase, (n * 5 + number) % LANES, float(scores[n]))
        for number in range(rounds)
        for n in range(COUNT)
    ]


RIGHT = np.tile([1.0, 1.0, 1.0, 0.0], GROUPS)
TEXT = np.tile([1.0, 0.0, 0.0, 0.0], GROUPS)


def _study(cases, marks, others, *, gates=(), name="judge", unfinished=False, source="out/rollouts.jsonl"):
    found = grader_summary("endpoint", cases, marks, others, Terms(1, 0.75, in_flight=LANES))
    study = StudySummary(
        scenario="catalog",
        grader_name=name,
        seed=1,
        started_at="2026-01-01T12:00:00+00:00",
        duration_s=12.5 if marks else 0.0,
        source=source,
        samples=COUNT,
        groups=GROUPS,
        calls=len(marks),
        grader=found,
        assumptions=("rollouts are played without thinking",),
        left_out=("load: left out as asked for",) if unfinished else (),
        unfinished=unfinished,
    )
    findings = worst_first(findings_of(found, name))
    return study, judge_study(parse_study_gates(gates), study, findings), findings


def good():
    marks = [*_marks("before", RIGHT, 3), *_marks("load", RIGHT, 3), *_marks("after", RIGHT)]
    return _study(_cases(), marks, {"text": TEXT}, gates=GATES)


def flawed():
    noise = np.random.default_rng(4).normal(0, 0.02, (7, COUNT))
    marks = []
    for number in range(3):
        marks += _marks("before", RIGHT + noise[number])
        marks += _marks("load", RIGHT - 0.2 + noise[number + 3])
    marks += _marks("after", RIGHT + noise[6])
    return _study(_cases(failed=lambda n: n % 7 == 0), marks, {"[red]other[/red]\x1b[31m": TEXT}, gates=GATES)


def recorded():
    cases = _cases(recorded=lambda n: float(n % 4 == 0 and n < 32))
    return _study(cases, [], {}, name="the recorded scores", source="step_0.jsonl")


def ungraded():
    marks = [
        Mark(n, "before", -1, None, "python_grader_runtime_error", "it raised KeyError") for n in range(COUNT)
    ]
    return _study(_cases(), marks, {}, name="mine", unfinished=True)


STUDIES = {"study-good": good, "study-flawed": flawed, "study-recorded": recorded, "study-ungraded": ungraded}
