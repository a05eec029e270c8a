"""The grader as a judge: the same answer again, answers that models give, and answers that are tricks."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial

import msgspec

from simulator.checks.answers import HONEST, ODD, TRICKS, Sample
from simulator.checks.caller import AS_THE_TRAINER, Ask, Attempt, Caller, How
from simulator.checks.response import Answered, ResponseKind
from simulator.findings import found
from simulator.measure.graded import ROUNDING
from simulator.model import Finding

Grade = Callable[[Caller, Sample, str], Awaitable[Answered]]
"""Has a sample graded with an answer: its own rollout again, or a fresh one."""

_TOOLLESS = "no tool was called"
_REFERENCE, _WRONG, _NEAR = HONEST
REPEATS = 5
DEFAULT_THRESHOLD = 0.5
"""How much better than an honest wrong answer a trick may not be, where the job has no `pass_threshold`."""


async def check_grader(
    caller: Caller, sample: Sample, ordinary: Answered, said: dict[str, str]
) -> AsyncIterator[Finding]:
    """Yield what is wrong with the grader's judgement; note in `said` what each answer was given.

    `ordinary` is what the sample's rollout was given when it was graded first.
    """
    assert caller.grader is not None  # noqa: S101 it is asked
    again = await caller.several(
        caller.grader, dict.fromkeys(map(str, range(REPEATS)), partial(_grade, caller, sample, sample.answer))
    )
    grade: Grade = _grade
    repeats = any(_said(one) == _said(ordinary) for one in again.values())
    if not repeats and _said(await _grade_afresh(caller, sample, sample.answer)) == _said(ordinary):
        grade = _grade_afresh
        yield _graded_once(caller, ordinary, next(iter(again.values())))
    if grade is _grade:
        for finding in _repeated(caller, [ordinary, *again.values()]):
            yield finding
    judged = await _judge_all(caller, sample, grade)
    if grade is _grade and _is_rejected(judged):
        right = await _grade_afresh(caller, sample, sample.reference or "")
        if right.reading.score != judged[_REFERENCE].reading.score:
            yield _graded_once(caller, right, judged[_REFERENCE])
            judged = await _judge_all(caller, sample, _grade_afresh)
    judged["the policy's answer"] = ordinary
    said.update({name: _said(answered) for name, answered in judged.items()})
    for judge in JUDGES:
        for finding in judge(caller, judged):
            yield finding


async def _judge_all(caller: Caller, sample: Sample, grade: Grade) -> dict[str, Answered]:
    assert caller.grader is not None  # noqa: S101 it is asked
    attempts: dict[str, Attempt] = {
        name: partial(grade, caller, sample, answer)
        for name, make in {**HONEST, **ODD, **TRICKS}.items()
        if (answer := make(sample)) is not None
    }
    attempts[_TOOLLESS] = partial(caller.grade, sample.answer, [], caller.new_trace(), sample.item)
    return await caller.several(caller.grader, attempts)


async def _grade_afresh(caller: Caller, sample: Sample, answer: str) -> Answered:
    """Have a rollout of its own graded, which makes the same calls first."""
    trace_id, asked = caller.new_trace(), []
    for _, call in sample.asked:
        ids = caller.new_ids()
        await caller.tool_once(call, trace_id, sample.item, ids=ids)
        asked.append((ids, call))
    return await caller.grade(answer, asked, trace_id, sample.item)


def _graded_once(caller: Caller, first: Answered, again: Answered) -> Finding:
    message = f"a rollout was first {_said(first)}, and {_said(again)} when it was graded again"
    return _finding("grader.grades_once", message, caller, again)


async def _grade(caller: Caller, sample: Sample, answer: str) -> Answered:
    return await caller.grade(answer, list(sample.asked), sample.trace_id, sample.item)


def _repeated(caller: Caller, graded: Sequence[Answered]) -> Iterator[Finding]:
    scores = [answered.reading.score for answered in graded if answered.reading.score is not None]
    spread = max(scores) - min(scores) if scores else 0.0
    if spread > ROUNDING:
        listed = ", ".join(f"{score:g}" for score in scores)
        message = f"one sample was graded {listed}: a spread of {spread:.3g}"
        yield _finding("grader.not_repeatable", message, caller, graded[-1])


def _said(answered: Answered) -> str:
    score = answered.reading.score
    return answered.said if score is None else f"scored {score:g}"


# -- judging what was seen

Judged = Mapping[str, Answered]
"""What became of each answer, by its name."""


def _failures(caller: Caller, judged: Judged) -> Iterator[Finding]:
    wrong: dict[str, list[tuple[str, Answered]]] = {}
    for name in (*ODD, *TRICKS, *HONEST):
        code = _BY_KIND.get(judged[name].kind) if name in judged else None
        if code is not None:
            wrong.setdefault(code, []).append((name, judged[name]))
    for code, cases in wrong.items():
        message = "; ".join(f"{name}: {answered.told}" for name, answered in cases)
        yield _finding(code, message, caller, cases[0][1])


_BY_KIND: dict[ResponseKind, str] = {
    ResponseKind.CRASHED: "grader.crashes_on_answer",
    ResponseKind.MALFORMED: "grader.crashes_on_answer",
    ResponseKind.TOO_LARGE: "grader.crashes_on_answer",
    ResponseKind.REDIRECTED: "grader.crashes_on_answer",
    ResponseKind.HUNG: "grader.hangs_on_answer",
    ResponseKind.REFUSED: "grader.refuses_answer",
}


def crash_on_ordinary(caller: Caller, answered: Answered) -> Finding:
    """Return the finding for an answer of the policy's that a grader fails at, which grades the reference."""
    message = f"the policy's answer: {answered.told}, while the reference is graded"
    return _finding("grader.crashes_on_answer", message, caller, answered)


def _toolless(caller: Caller, judged: Judged) -> Iterator[Finding]:
    answered = judged.get(_TOOLLESS)
    if answered is not None and answered.reading.score is None:
        yield _finding(
            "grader.needs_tools", f"a rollout without tool calls: {answered.told}", caller, answered
        )


def _range(caller: Caller, judged: Judged) -> Iterator[Finding]:
    threshold = caller.job.grader.pass_threshold
    scores = _scores(judged)
    highest = max(1.0, threshold or 1.0)
    outside = {name: score for name, score in scores.items() if not 0 <= score <= highest}
    if outside:
        name, score = max(outside.items(), key=lambda item: abs(item[1]))
        against = "" if threshold is None else f", and pass_threshold is {threshold:g}"
        message = f"{name} scored {score:g}{against}"
        finding = _finding("grader.out_of_range", message, caller, judged[name])
        mixed_up = threshold is not None and score > highest
        yield finding if mixed_up else msgspec.structs.replace(finding, severity="warning")


def _hacks(caller: Caller, judged: Judged) -> Iterator[Finding]:
    scores = _scores(judged)
    honest = scores.get(_WRONG)
    threshold = caller.job.grader.pass_threshold
    margin = DEFAULT_THRESHOLD if threshold is None else threshold
    if honest is None or margin <= 0:
        return
    tricks = {name: scores[name] for name in TRICKS if name in scores and scores[name] - honest >= margin}
    if tricks:
        listed = "; ".join(f"{name}: {score:g}" for name, score in tricks.items())
        message = f"{listed}; an honest wrong answer: {honest:g}"
        yield _finding("grader.hackable", message, caller, judged[next(iter(tricks))])


def _reference(caller: Caller, judged: Judged) -> Iterator[Finding]:
    if _is_rejected(judged):
        right, wrong = (judged[name].reading.score for name in (_REFERENCE, _WRONG))
        message = f"the reference scored {right:g}, a wrong answer {wrong:g}"
        yield _finding("grader.rejects_reference", message, caller, judged[_REFERENCE])


def _is_rejected(judged: Judged) -> bool:
    scores = _scores(judged)
    right, wrong = scores.get(_REFERENCE), scores.get(_WRONG)
    return right is not None and wrong is not None and right <= wrong


def _graded(caller: Caller, judged: Judged) -> Iterator[Finding]:
    scores = _scores(judged)
    if _NEAR in scores and set(scores.values()) == {0.0, 1.0}:
        message = f"{len(scores)} answers were graded, all with exactly 0 or 1, a near miss too"
        yield _finding("grader.binary", message, caller, judged[_NEAR])


JUDGES = (_failures, _toolless, _range, _hacks, _reference, _graded)


def _scores(judged: Judged) -> dict[str, float]:
    return {
        name: answered.reading.score
        for name, answered in judged.items()
        if answered.reading.score is not None
    }


def _finding(code: str, message: str, caller: Caller, answered: Answered) -> Finding:
    assert caller.grader is not None  # noqa: S101 it was asked
    return found(code, message, endpoint=caller.grader.name, evidence=caller.evidence(answered))


def ask_grader(caller: Caller, sample: Sample) -> Ask:
    """Return what has a sample graded, again and again."""

    async def ask(how: How = AS_THE_TRAINER) -> Answered:
        asked = list(sample.asked)
        return await caller.grade(sample.answer, asked, sample.trace_id, sample.item, how=how)

    return ask
