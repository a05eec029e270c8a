"""The report for the one who started the run: read in 20 seconds, verdict first.

Colour only repeats what the words say. Everything is built from `Text`, never from markup, and whatever was
named or answered by somebody else passes through `plain`.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from os import PathLike, fspath

from rich.console import Group, RenderableType
from rich.constrain import Constrain
from rich.text import Text

from reports.findings_terminal import told_in_full
from reports.grading_terminal import grading_sections
from reports.layout import BADGES, INDENT, WIDTH, aligned, block, files_line, hanging, header, section
from reports.lived import worst_steps
from reports.replay_terminal import replay_examples, replay_table
from reports.sentences import endpoint_notes, headline, reasons
from reports.text import (
    count,
    counted,
    duration,
    duration_ms,
    observed,
    plain,
    share,
    short,
)
from simulator.gates import GateResult, Verdict
from simulator.measure.summary import EndpointSummary, StepSummary, Summary
from simulator.model import Finding

MOST_STEPS = 6
MOST_ASSUMPTIONS = 6

_LONGEST_NAME = 28
_LONGEST_GATE = 48


def render(
    summary: Summary,
    verdict: Verdict,
    written: Sequence[str],
    out_dir: str | PathLike[str],
    findings: Sequence[Finding] = (),
) -> RenderableType:
    """Return the report for a rich console to print; `written` names the files in `out_dir`.

    `findings` are those that the run itself made.
    """
    blocks: tuple[Iterable[RenderableType], ...] = (
        _headline(summary, verdict),
        _reasons(summary, verdict),
        *told_in_full(findings),
        _endpoints(summary),
        replay_table(summary),
        _steps(summary),
        itertools.chain(_facts(summary, verdict), files_line(written, fspath(out_dir))),
    )
    filled = filter(None, map(list, blocks))
    return Constrain(Group(*itertools.chain.from_iterable((Text(), *block) for block in filled)), WIDTH)


# -- verdict ---------------------------------------------------------------------------------------------


def _headline(summary: Summary, verdict: Verdict) -> Iterator[RenderableType]:
    word = "interrupted" if summary.interrupted else verdict.verdict
    badge = Text(word.upper(), BADGES[word])
    yield hanging(badge, Text(headline(summary, verdict), "bold"), indent=0, gap=2)


def _reasons(summary: Summary, verdict: Verdict) -> Iterator[RenderableType]:
    for reason in reasons(summary, verdict):
        yield hanging(Text("-"), Text(reason))


# -- endpoints -------------------------------------------------------------------------------------------


def _endpoints(summary: Summary) -> Iterator[RenderableType]:
    titles = header("endpoint", "calls", "p50", "p99", "max", "failed")
    lines = aligned([titles, *map(_endpoint_row, summary.endpoints)])
    notes = ["", *map(endpoint_notes, summary.endpoints)]
    for line, note in zip(lines, notes, strict=True):
        yield block(line)
        if note:
            yield block(Text(note, "dim"), indent=2 * INDENT)


def _endpoint_row(endpoint: EndpointSummary) -> list[Text]:
    times = endpoint.service_ms
    return [
        Text(short(plain(endpoint.name), _LONGEST_NAME), "bold"),
        Text(count(endpoint.calls)),
        *(Text(duration_ms(ms) if times.max else "-") for ms in (times.p50, times.p99, times.max)),
        _failed(endpoint),
    ]


def _failed(endpoint: EndpointSummary) -> Text:
    if not endpoint.attempts:
        return Text("-")
    return Text(share(endpoint.error_rate), "bold red") if endpoint.faults else Text("none", "green")


# -- steps -----------------------------------------------------------------------------------------------


def _steps(summary: Summary) -> Iterator[RenderableType]:
    shown = worst_steps(summary, MOST_STEPS)
    if not shown:
        return
    titles = header("step", "rollouts", "in flight", "calls/s", "sampling", "ideal", "longer")
    yield from map(block, aligned([titles, *map(_step_row, shown)]))
    if len(shown) < len(summary.steps):
        note = f"the {len(shown)} of {len(summary.steps)} phases that took longest beside their ideal"
        yield block(Text(note, "dim"))


def _step_row(step: StepSummary) -> list[Text]:
    return [
        Text(f"{step.step} {step.kind}"),
        Text(count(step.rollouts)),
        Text(count(step.in_flight_max)),
        Text(count(step.calls_per_s_max)),
        Text(duration(step.sampling_s)),
        Text("-" if step.ideal_s is None else duration(step.ideal_s)),
        Text("-" if step.inflation is None else f"{step.inflation:.1f}x"),
    ]


# -- facts -----------------------------------------------------------------------------------------------


def _facts(summary: Summary, verdict: Verdict) -> Iterator[RenderableType]:
    yield section("rollouts", [Text(_rollouts(summary))])
    yield section("rewards", [Text(_rewards(summary))])
    graders = (endpoint.name for endpoint in summary.endpoints if endpoint.kind == "grader")
    yield from grading_sections(summary.grader, next(graders, summary.grader.type))
    if summary.replay is not None:
        yield from replay_examples(summary.replay)
    yield from gates_section(verdict)
    yield section("generator", [_generator(summary)])
    yield section("run", [Text(_run(summary))])
    if summary.load.assumptions:
        yield section("assumed", list(map(Text, _assumed(summary.load.assumptions))))


def _assumed(assumptions: Sequence[str]) -> Iterator[str]:
    yield from map(plain, assumptions[:MOST_ASSUMPTIONS])
    if len(assumptions) > MOST_ASSUMPTIONS:
        yield f"{count(len(assumptions) - MOST_ASSUMPTIONS)} more in report.json"


def _rollouts(summary: Summary) -> str:
    r = summary.rollouts
    became = f"{count(r.planned)} planned, {count(r.completed)} completed, {count(r.discarded)} discarded" + (
        f", {count(r.interrupted)} interrupted or never started" if r.interrupted else ""
    )
    if not r.completed:
        return became
    calls = r.calls_per_rollout
    return (
        f"{became}; on average {calls.mean:,.1f} calls (at most {count(calls.max)}) and"
        f" {count(round(r.tokens_per_rollout))} tokens"
    )


def _rewards(summary: Summary) -> str:
    scores = summary.grader.scores
    if scores.mean is None or scores.std is None:
        return f"none: no rollout was graded by the {plain(summary.grader.type)} grader"
    return (
        f"{scores.mean:.2f} ± {scores.std:.2f} over {counted(summary.rollouts.graded, 'graded rollout')};"
        f" {count(scores.zero)} scored 0, {count(scores.one)} scored 1"
    )


def gates_section(verdict: Verdict) -> Iterator[RenderableType]:
    """Yield the gates with what they observed, if there are any."""
    if verdict.gates:
        yield section("gates", aligned(list(map(_gate_row, verdict.gates)), "lrl"))


def _gate_row(gate: GateResult) -> list[Text]:
    return [
        Text(short(plain(gate.expr), _LONGEST_GATE)),
        Text(observed(gate.observed, gate.unit)),
        Text("ok", "green") if gate.ok else Text("FAIL", "bold red"),
    ]


def _generator(summary: Summary) -> Text:
    generator = summary.generator
    who = "" if generator.processes == 1 else f"{generator.processes} processes, the busiest "
    said = (
        f"{who}{generator.cpu:.0%} of a core; its own loop {duration_ms(generator.lag_ms.p99)} late at p99,"
        f" {duration_ms(generator.lag_ms.max)} at most"
    )
    return Text(said) if generator.trustworthy else Text(f"NOT TO BE TRUSTED: {said}", "bold yellow")


def _run(summary: Summary) -> str:
    load = summary.load
    shape = (
        f"{counted(load.steps, 'step')} of {counted(load.rollouts_per_step, 'rollout')} (batch_size"
        f" {load.batch_size}, group_size {load.group_size}, compute_multiplier {load.compute_multiplier:g})"
        if load.mode == "training"
        else f"{plain(load.mode)} load"
    )
    return (
        f"{plain(summary.scenario)}, policy {plain(load.policy)}, seed {summary.seed}: {shape};"
        f" took {duration(summary.duration_s)}"
    )
