"""Two runs compared: the lines, the gates, what else differs, and the verdict of all."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import msgspec

from simulator.comparing.columns import Columns
from simulator.comparing.gates import Bound, judge_gates
from simulator.comparing.telling import CONFIDENCE, TOLERANCE, compared_lines
from simulator.measure.comparison import ComparedGate, ComparedLine, ComparedRun, Comparison, Difference
from simulator.measure.summary import Summary

_FREE = frozenset({"assumptions"})
_ABSENT = "-"


class Side(msgspec.Struct, frozen=True):
    """One of the two runs, `verdict` being its own."""

    folder: str
    summary: Summary
    verdict: str
    columns: Columns


def compare(
    base: Side, now: Side, gates: Sequence[Bound] = (), *, tolerance: float = TOLERANCE
) -> Comparison:
    """Compare two runs; `tolerance` is the relative change of a time below which it is no news."""
    paired = is_paired(base, now)
    runs = tuple(_run(side) for side in (base, now))
    lines = compared_lines(base.columns, now.columns, paired=paired, tolerance=tolerance)
    judged = judge_gates(gates, base.summary, now.summary)
    names = [[e.name for e in side.summary.endpoints if e.attempts] for side in (base, now)]
    return Comparison(
        verdict=_verdict(runs, lines, judged),
        base=runs[0],
        now=runs[1],
        lines=lines,
        gates=judged,
        differences=tuple(_differences(base.summary, now.summary)),
        only_in_base=tuple(name for name in names[0] if name not in names[1]),
        only_in_now=tuple(name for name in names[1] if name not in names[0]),
        sampling_s=(_sampling_s(base.summary), _sampling_s(now.summary)),
        paired=paired,
        tolerance=tolerance,
        confidence=CONFIDENCE,
    )


def is_paired(base: Side, now: Side) -> bool:
    """Tell whether a rollout's number stands for the same item and the same chances in both runs."""
    one, other = base.summary, now.summary
    return (
        (one.scenario, one.seed, one.rollouts.planned, one.runs)
        == (other.scenario, other.seed, other.rollouts.planned, other.runs)
        and (one.load.mode, one.load.policy, one.load.steps)
        == (other.load.mode, other.load.policy, other.load.steps)
        and (one.load.batch_size, one.load.group_size) == (other.load.batch_size, other.load.group_size)
        and all(len(set(side.columns.rollout.tolist())) == len(side.columns.rollout) for side in (base, now))
    )


def _verdict(
    runs: Sequence[ComparedRun], lines: Sequence[ComparedLine], gates: Sequence[ComparedGate]
) -> Literal["pass", "fail", "invalid"]:
    if any(run.untrusted for run in runs):
        return "invalid"
    if gates:
        return "pass" if all(gate.ok for gate in gates) else "fail"
    return "fail" if any(line.verdict == "worse" for line in lines) else "pass"


def _run(side: Side) -> ComparedRun:
    summary = side.summary
    return ComparedRun(
        folder=side.folder,
        scenario=summary.scenario,
        started_at=summary.started_at,
        seed=summary.seed,
        rollouts=summary.rollouts.completed + summary.rollouts.discarded,
        verdict=side.verdict,
        untrusted=tuple(_untrusted(side)),
    )


def _untrusted(side: Side) -> Iterator[str]:
    summary = side.summary
    if not summary.generator.trustworthy:
        yield from summary.generator.reasons or ("the generator itself made its numbers",)
    if summary.interrupted:
        yield "it was stopped before its end"
    if not summary.rollouts.completed + summary.rollouts.discarded:
        yield "no rollout of it ended"
    if side.verdict == "invalid" and summary.generator.trustworthy and not summary.interrupted:
        yield "its own verdict is invalid"


def _sampling_s(summary: Summary) -> float | None:
    return max((step.sampling_s for step in summary.steps), default=None)


# -- what they were played with --------------------------------------------------------------------------


def _differences(base: Summary, now: Summary) -> Iterator[Difference]:
    one, other = (dict(_settings(summary)) for summary in (base, now))
    for name in dict.fromkeys((*one, *other)):
        before, after = one.get(name, _ABSENT), other.get(name, _ABSENT)
        if before != after:
            yield Difference(name, before, after)


def _settings(summary: Summary) -> Iterator[tuple[str, Any]]:
    yield "scenario", summary.scenario
    yield "seed", summary.seed
    load = msgspec.to_builtins(summary.load)
    yield from ((f"load.{name}", value) for name, value in load.items() if name not in _FREE)
    settings = {
        table: {name: value for name, value in values.items() if table != "load" or name not in load}
        if isinstance(values, Mapping)
        else values
        for table, values in summary.settings.items()
    }
    yield from _flat(settings, "")
    yield "runs", summary.runs


def _flat(settings: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
