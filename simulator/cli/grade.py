"""`rft-preflight grade`: whether the reward can be trusted, and whether there is anything to learn."""

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import trio

from reports.files import write_study_reports
from reports.findings import worst_first
from reports.study_terminal import render_study
from simulator.cli.consent import ask_before_leaving
from simulator.cli.exits import EXIT_CODES, EXIT_INTERRUPTED
from simulator.cli.output import make_folder, status, stderr_console, stdout_console, undisturbed, writing
from simulator.cli.playing import play_into
from simulator.cli.scores import SCORES, score_lines
from simulator.cli.studying import GradeOptions, Studying, prepare_study
from simulator.dialects.openai import OpenAI
from simulator.errors import InputError
from simulator.gates import judge_study
from simulator.job.jobfile import NO_GRADER
from simulator.judges.conduct import Studied, conduct_study
from simulator.judges.opening import endpoints_asked, goes_over_the_wire
from simulator.judges.samples import Fields, Taken, from_file, from_rows
from simulator.judges.study import Sheet, calls_of
from simulator.measure.summary import GraderSummary, StudySummary
from simulator.model import Endpoint
from simulator.plan.trainer import endpoints_of

_DEFAULTS = GradeOptions()


def grade(target: str, /, options: GradeOptions = _DEFAULTS) -> int:
    """Study the grader alone: whether the reward can be trusted, and whether there is anything to learn.

    Parameters
    ----------
    target
        A bundled scenario's name (`finqa`), a scenario TOML, a job's JSON; or rollouts that were recorded
        with their scores: a rollouts.jsonl, or an export of the platform's.
    """
    studying = prepare_study(target, options, os.environ)
    ask_before_leaving(_asked(studying), _volume(studying, options), assume_yes=options.yes)
    with ExitStack() as stack:
        if studying.embedded is not None:
            stack.enter_context(studying.embedded.serving())
        taken = _take(target, studying, options)
        began = monotonic()
        studied = _study(studying, taken, options.time_limit)
        return _tell(studying, taken, studied, monotonic() - began)


def _asked(studying: Studying) -> list[Endpoint]:
    """Return everything that calls will go to."""
    graders = [*([studying.grader] if studying.grader else []), *studying.against.values()]
    played = endpoints_of(studying.setup.job) if studying.setup else ()
    return [*played, *endpoints_asked(graders, studying.means)]


def _volume(studying: Studying, options: GradeOptions) -> str:
    calls = calls_of(options.rollouts, studying.orders) + options.rollouts * len(studying.against)
    played = f"{options.rollouts} rollouts, and " if studying.setup else ""
    return f"{played}about {calls:,} grader calls"


def _take(target: str, studying: Studying, options: GradeOptions) -> Taken:
    """Return the samples, playing rollouts if that is where they are to come from."""
    scenario, settings, seed = studying.scenario, studying.settings, studying.orders.seed
    fields = Fields(settings.answer, settings.recorded)
    if scenario is not None and studying.setup is not None:
        make_folder(studying.out)
        path = play_into(studying.out, studying.setup, scenario)
    elif scenario is not None and options.samples is None:
        return from_rows(scenario, OpenAI(), fields, most=options.rollouts, seed=seed)
    else:
        path = options.samples or Path(target)
    most = options.rollouts if studying.grader is not None else sys.maxsize
    taken = from_file(path, scenario, OpenAI(), fields, most=most, seed=seed)
    if studying.grader is not None and not taken.with_rows:
        message = "these rollouts do not hold their dataset rows, which a grader needs"
        raise InputError(message, where=str(path), remedy="name their job, and pass this with --samples")
    return taken


def _study(studying: Studying, taken: Taken, time_limit_s: float) -> Studied:
    if studying.grader is None:
        return Studied(Sheet())
    with undisturbed(), status(stderr_console()) as watch:
        return trio.run(
            conduct_study,
            studying.grader,
            studying.against,
            taken.samples,
            studying.orders,
            studying.means,
            watch,
            time_limit_s,
        )


def _tell(studying: Studying, taken: Taken, studied: Studied, duration_s: float) -> int:
    """Analyse, write the reports and print one of them; return the exit code."""
    # numpy and scipy take a third of a second, which no other command should wait for.
    from simulator.grading.results import Terms, first_scores, grader_summary  # noqa: PLC0415
    from simulator.grading.told import findings_of  # noqa: PLC0415

    grader = studying.grader or NO_GRADER
    threshold = grader.pass_threshold
    if threshold is None and studying.scenario is not None:
        threshold = studying.scenario.job.grader.pass_threshold
    in_flight = round(studied.sheet.in_flight)
    terms = Terms(studying.orders.seed, threshold, studying.settings.tolerance, in_flight)
    others = {name: first_scores(len(taken.cases), one.marks) for name, one in studied.others.items()}
    found = grader_summary(grader.type, taken.cases, studied.sheet.marks, others, terms)
    summary = StudySummary(
        scenario=studying.name,
        grader_name=grader.name if studying.grader else "the recorded scores",
        seed=studying.orders.seed,
        started_at=studying.started_at,
        duration_s=duration_s,
        source=taken.source,
        samples=len(taken.cases),
        groups=len({case.group for case in taken.cases}),
        calls=studied.gradings,
        grader=found,
        assumptions=tuple(_assumptions(studying, threshold)),
        left_out=tuple(_left_out(studying, taken, studied, found)),
        unfinished=studied.unfinished,
    )
    findings = worst_first(findings_of(found, summary.grader_name))
    verdict = judge_study(studying.gates, summary, findings)
    if studying.setup is None:
        make_folder(studying.out)
    with writing(studying.out):
        written = write_study_reports(studying.out, summary, verdict, findings)
        if studied.sheet.marks:
            (studying.out / SCORES).write_bytes(score_lines(taken, studied, studying.means.redact))
            written.append(SCORES)
    stdout_console().print(render_study(summary, verdict, findings, written, studying.out))
    return EXIT_INTERRUPTED if studied.interrupted else EXIT_CODES[verdict.verdict]


def _assumptions(studying: Studying, threshold: float | None) -> Iterator[str]:
    if threshold is None:
        yield "a score of 0.5 passes: neither grader nor job has a pass_threshold"
    if studying.setup is not None:
        yield "rollouts are played without thinking, a few at a time: only what they say matters here"
    if studying.grader is not None and studying.orders.load:
        yield f"{studying.orders.lanes} grader calls at once are a burst: no source gives the trainer's limit"


def _left_out(studying: Studying, taken: Taken, studied: Studied, found: GraderSummary) -> Iterator[str]:
    orders = studying.orders
    if studying.grader is None:
        yield "repeats, load and workers: only recorded scores were looked at; pass --grader, or name the job"
        return
    if not goes_over_the_wire(studying.grader):
        yield f"load and workers: a `{studying.grader.type}` grader is no endpoint"
    elif not orders.load:
        yield "load: left out as asked for"
    if goes_over_the_wire(studying.grader) and found.workers is None and found.scores.mean is not None:
        yield "workers: connections are not told apart: they were closed, or the samples are few"
    if orders.load and found.load and 2 * found.load.in_flight < orders.lanes:
        limit = studying.grader.endpoint.rate_limit if studying.grader.endpoint else None
        why = f"the job's rate_limit of {limit:g} per second" if limit else "answers that came so quickly"
        yield f"{orders.lanes} calls in flight: {why} left {found.load.in_flight} on average"
    if orders.repeats < 2:
        yield "noise: each sample was graded once; raise --repeats"
    expected = len(taken.samples) * (2 * orders.repeats + 1 if orders.load else orders.repeats)
    if len(studied.sheet.marks) < expected and not studied.unfinished:
        yield "the rest of the study: the grader gave no scores any more"
    if studied.unfinished and not studied.interrupted:
        yield "whatever there was no time for: raise --time-limit, or lower --rollouts or --repeats"
