"""From marks to all that a study says of a grader."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from simulator.grading.agreement import Compared, agreement
from simulator.grading.judgement import Case, Mark, Phase
from simulator.grading.learnability import Rewards, learnability
from simulator.grading.ordering import SAME
from simulator.grading.reasons import misses
from simulator.grading.repeats import Marks, load_shift, repeatability, worker_shift
from simulator.grading.resampling import Floats, Ints, grouped
from simulator.measure.graded import Agreement, Misses
from simulator.measure.summary import GraderSummary, ScoresSummary

DEFAULT_THRESHOLD = 0.5
RECORDED = "recorded"


class Terms(msgspec.Struct, frozen=True):
    """What scores are held to. `threshold` is what a passing score reaches, None where the job has none."""

    seed: int
    threshold: float | None = None
    tolerance: float = 0.05
    in_flight: int = 0


def grader_summary(
    kind: str, cases: Sequence[Case], marks: Sequence[Mark], others: Mapping[str, Floats], terms: Terms
) -> GraderSummary:
    """Return what marks say of a grader of that kind; without any, what the recorded scores say.

    `others` are the scores by which each other judge graded the same cases, NaN without one.
    """
    scores = first_scores(len(cases), marks) if marks else recorded_scores(cases)
    compared = dict(others)
    if marks and np.isfinite(recorded_scores(cases)).any():
        compared = {RECORDED: recorded_scores(cases), **compared}
    groups = grouped(labels(case.group for case in cases))
    before, load, after = (_marks(marks, phase) for phase in ("before", "load", "after"))
    again = repeatability(before, groups, terms.seed) if len(before) else None
    noise = again.sd.value if again else None
    threshold = DEFAULT_THRESHOLD if terms.threshold is None else terms.threshold
    under_load = [mark for mark in marks if mark.phase == "load"]
    return GraderSummary(
        type=kind,
        scores=scores_summary(scores),
        agreement=_agreements(cases, scores, compared, groups.of, threshold, terms),
        learnability=learnability(
            _rewards(cases, scores), threshold, terms.seed, None if noise is None else noise**2
        ),
        repeatability=again,
        load=load_shift(
            before, load, after, groups, terms.seed,
            in_flight=terms.in_flight, failed=sum(mark.score is None for mark in under_load),
        ) if len(load) else None,
        workers=worker_shift(before, load) if len(before) else None,
        ungraded_example=next((mark.details for mark in marks if mark.error is not None), ""),
        ungraded=dict(Counter(str(mark.error) for mark in marks if mark.error is not None)),
    )  # fmt: skip


def labels(names: Iterable[str]) -> Ints:
    """Return a number for each name, the same for the same."""
    known: dict[str, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.intp)


def first_scores(samples: int, marks: Iterable[Mark]) -> Floats:
    """Return each sample's first score, NaN where it has none: what a trainer would have been given."""
    scores = np.full(samples, np.nan)
    for mark in marks:
        if mark.score is not None and np.isnan(scores[mark.sample]):
            scores[mark.sample] = mark.score
    return scores


def recorded_scores(cases: Iterable[Case]) -> Floats:
    """Return the scores that were there before, NaN where there was none."""
    return np.array([np.nan if case.recorded is None else case.recorded for case in cases])


def scores_summary(scores: Floats) -> ScoresSummary:
    """Return mean, standard deviation and the numbers of exact zeros and ones."""
    there = scores[np.isfinite(scores)]
    if not len(there):
        return ScoresSummary(None, None, 0, 0)
    zero, one = int((there == 0).sum()), int((there == 1).sum())
    return ScoresSummary(float(there.mean()), float(there.std()), zero, one)


def _marks(marks: Iterable[Mark], phase: Phase) -> Marks:
    some = [(m.sample, m.score, m.connection) for m in marks if m.phase == phase and m.score is not None]
    sample, score, connection = zip(*some, strict=True) if some else ((), (), ())
    return Marks(
        np.array(sample, dtype=np.intp), np.array(score, dtype=float), np.array(connection, dtype=np.intp)
    )


def _rewards(cases: Sequence[Case], scores: Floats) -> Rewards:
    items = labels(case.item for case in cases)
    return Rewards(
        score=scores,
        item=items,
        group=labels(case.group for case in cases),
        calls=np.array([float(case.calls) for case in cases]),
        failed=np.array([case.failed for case in cases], dtype=bool),
        splits={
            int(item): (case.split, case.index)
            for item, case in zip(items, cases, strict=True)
            if case.index >= 0
        },
    )


def _agreements(
    cases: Sequence[Case],
    scores: Floats,
    others: Mapping[str, Floats],
    groups: Ints,
    threshold: float,
    terms: Terms,
) -> dict[str, Agreement]:
    found = {}
    for name, theirs in others.items():
        compared = Compared(scores, theirs, groups, threshold, terms.tolerance)
        missed = _missed(cases, scores, theirs, threshold), _missed(cases, theirs, scores, threshold)
        measured = agreement(compared, terms.seed, *missed)
        if measured is not None:
            found[name] = measured
    return found


def _missed(cases: Sequence[Case], scores: Floats, theirs: Floats, threshold: float) -> Misses:
    """Return what `scores` fail although they pass by the other ones."""
    passed = theirs >= threshold - SAME
    failed = passed & (scores < threshold - SAME)
    told = ((cases[i].answer, cases[i].reference) for i in map(int, np.flatnonzero(failed)))
    return misses(told, int((passed & np.isfinite(scores)).sum()))
