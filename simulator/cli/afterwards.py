"""What of a run's grading happens once its rollouts have ended.

A grader that the platform runs by itself sends the customer nothing, so it may as well grade afterwards,
where it cannot make the generator late. A grader behind an endpoint can be asked again then, when it is idle:
what it gave in the burst is compared with that.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import trio

from reports.findings import worst_first
from reports.reading import JOURNAL
from simulator.cli.output import status, stderr_console, writing
from simulator.cli.prepare import Prepared
from simulator.cli.studying import means_of
from simulator.dialects.openai import OpenAI
from simulator.grading.judgement import Case, Mark
from simulator.job.scenario import Scenario
from simulator.judges.conduct import Studied, conduct_study
from simulator.judges.opening import Means, endpoints_asked, refuse_unplayable
from simulator.judges.samples import Fields, Taken, from_file
from simulator.judges.study import Orders
from simulator.measure.lines import RolloutLine
from simulator.measure.summary import GraderSummary, Summary
from simulator.model import Endpoint, Finding, Grader, RewardError
from simulator.redaction import redactor

MOST_GRADED = 50_000
"""Rollouts that are graded afterwards; of more, whole groups are drawn at random."""

_READ = 2.0
"""How many times as many are read: groups are drawn, and their sizes differ."""

SCORED_ZERO: frozenset[RewardError] = frozenset(
    {"python_grader_runtime_error", "python_grader_server_error", "model_grader_parse_error"}
)
"""What the platform scores 0 (OpenAI's guide to graders); a rollout with any other error has no score."""

MOST_COMPARED = 256
"""Rollouts that are compared with what the scenario names, where none are graded again."""

_REPEATS, _LANES = 5, 16
_TIME_LIMIT_S = 3_600.0


def _means(prepared: Prepared) -> Means:
    environ = {**os.environ, **(prepared.embedded.environ if prepared.embedded else {})}
    return means_of(prepared.scenario, prepared.scenario.grade, environ)


def is_graded_afterwards(grader: Grader) -> bool:
    """Tell whether it is the platform that would run the grader."""
    return grader.endpoint is None and grader.type != "none"


def asked_afterwards(prepared: Prepared) -> list[Endpoint]:
    """Return where something goes once the rollouts have ended, besides the job's endpoints.

    Raises InputError where a grader that is to be asked then cannot be.
    """
    scenario, means = prepared.scenario, _means(prepared)
    graders = [scenario.graders[name] for name in scenario.grade.against]
    if is_graded_afterwards(scenario.job.grader):
        graders.append(scenario.job.grader)
    for grader in graders:
        refuse_unplayable(grader, means)
    return endpoints_asked(graders, means)


def is_wanted(scenario: Scenario, regrade: int, then: Mapping[str, float]) -> bool:
    """Tell whether anything is left to be graded, or compared, once the rollouts have ended.

    `then` are scores that were recorded, by the trace ids of the rollouts that replayed them.
    """
    compared = scenario.grade.against or scenario.grade.recorded or then
    return bool(regrade or compared) or is_graded_afterwards(scenario.job.grader)


def compare_with_recording(prepared: Prepared, summary: Summary) -> tuple[Summary, dict[str, float]]:
    """Add to the summary how what was replayed compares with what was recorded; also return scores then."""
    from simulator.job.replayed import compare  # noqa: PLC0415 numpy, as below

    if prepared.replay is None:
        return summary, {}
    redact = redactor(prepared.scenario.secrets)
    found, then = compare(prepared.out / JOURNAL, prepared.replay, summary, redact)
    return msgspec.structs.replace(summary, replay=found), then


def grade_afterwards(
    prepared: Prepared, summary: Summary, regrade: int, then: Mapping[str, float]
) -> Summary:
    """Grade what the platform would have graded, and keep those scores in the journal; grade others again.

    `regrade` is how many rollouts to grade again, by whole groups. Those, or as many as a study takes, are
    compared with what the scenario names, and with the scores `then` of what they replayed, if it names none.
    """
    # numpy and scipy take a third of a second, which only the end of a run has to wait for.
    from simulator.grading.results import Terms, first_scores, grader_summary  # noqa: PLC0415

    scenario, path = prepared.scenario, prepared.out / JOURNAL
    grader, is_local = scenario.job.grader, is_graded_afterwards(scenario.job.grader)
    asks = regrade or scenario.grade.against
    most = MOST_GRADED if is_local or not asks else regrade or MOST_COMPARED
    taken = from_file(
        path,
        scenario,
        OpenAI(),
        Fields(recorded=scenario.grade.recorded),
        most=most,
        seed=summary.seed,
        share=_READ * most / summary.rollouts.completed,
    )
    studied = _study(prepared, taken, _orders(summary.seed, regrade, is_local=is_local))
    in_burst = [Mark(n, "load", -1, score) for n, score in enumerate(taken.scores) if score is not None]
    marks = [*in_burst, *map(_as_the_platform, studied.sheet.marks)]
    if is_local:
        with writing(path):
            _write_scores(path, {taken.traces[mark.sample]: mark for mark in marks})
    terms = Terms(
        summary.seed,
        grader.pass_threshold,
        scenario.grade.tolerance,
        in_flight=_grader_calls_in_flight(summary),
    )
    others = {name: first_scores(len(taken.cases), one.marks) for name, one in studied.others.items()}
    cases = (
        taken.cases
        if scenario.grade.recorded
        else [
            _recorded_as(case, then.get(trace)) for case, trace in zip(taken.cases, taken.traces, strict=True)
        ]
    )
    found = grader_summary(grader.type, cases, marks, others, terms)
    if is_local:
        return _with_scores(summary, taken, marks, msgspec.structs.replace(found, repeatability=None))
    kept = {"scores": summary.grader.scores, "learnability": summary.grader.learnability}
    return msgspec.structs.replace(summary, grader=msgspec.structs.replace(found, **kept))


def _grader_calls_in_flight(summary: Summary) -> int:
    """Return how many grader calls the run had in flight on average, by Little's law."""
    graders = (endpoint for endpoint in summary.endpoints if endpoint.kind == "grader")
    out_s = sum(endpoint.attempts * endpoint.service_ms.mean / 1000 for endpoint in graders)
    return max(1, round(out_s / summary.duration_s)) if summary.duration_s else 0


def _orders(seed: int, regrade: int, *, is_local: bool) -> Orders:
    if is_local:
        return Orders(1, lanes=_LANES, load=False, seed=seed, calm=_LANES, gives_up=False)
    return Orders(_REPEATS if regrade else 0, lanes=_LANES, load=False, seed=seed)


def _study(prepared: Prepared, taken: Taken, orders: Orders) -> Studied:
    scenario = prepared.scenario
    against = {name: scenario.graders[name] for name in scenario.grade.against}
    with status(stderr_console()) as watch:
        return trio.run(
            conduct_study,
            scenario.job.grader,
            against,
            taken.samples,
            orders,
            _means(prepared),
            watch,
            _TIME_LIMIT_S,
        )


def _as_the_platform(mark: Mark) -> Mark:
    return msgspec.structs.replace(mark, score=0.0) if mark.error in SCORED_ZERO else mark


def _recorded_as(case: Case, score: float | None) -> Case:
    """Return the case with that score in place of the run's own, which is no other to compare with."""
    return msgspec.structs.replace(case, recorded=score)


def _write_scores(path: Path, scores: Mapping[str, Mark]) -> None:
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        with path.open("rb") as lines, unfinished.open("wb") as scored:
            for line in lines:
                rollout = msgspec.json.decode(line, type=RolloutLine)
                mark = scores.get(rollout.trace_id)
                if mark is not None:
                    rollout.score, rollout.reason = mark.score, mark.error or ""
                    rollout.state = rollout.state if mark.score is None else "graded"
                scored.write(msgspec.json.encode(rollout) + b"\n")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _with_scores(summary: Summary, taken: Taken, marks: Sequence[Mark], found: GraderSummary) -> Summary:
    zeros = sum(mark.score == 0 and taken.cases[mark.sample].failed for mark in marks)
    graded = sum(mark.score is not None for mark in marks)
    rollouts = msgspec.structs.replace(
        summary.rollouts,
        graded=graded,
        false_zero=zeros,
        false_zero_rate=zeros / graded if graded else 0.0,
    )
    return msgspec.structs.replace(summary, rollouts=rollouts, grader=found)


def findings_about_rewards(summary: Summary, name: str) -> tuple[Finding, ...]:
    """Return what a run says about rewards."""
    from simulator.grading.told import findings_of  # noqa: PLC0415 as above

    return worst_first(findings_of(summary.grader, name))
