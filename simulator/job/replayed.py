"""What a replay came to beside what was recorded: the journal's lines against the recordings they replay."""

from array import array
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np

from simulator.job.replay import Replay
from simulator.job.traces.columns import spread
from simulator.measure.lines import SHOWN_CHARS, AttemptLine, CallLine, RolloutLine
from simulator.measure.replayed import (
    ChangedOutput,
    Compared,
    Outputs,
    ReplayedTool,
    ReplaySummary,
)
from simulator.measure.summary import Summary
from simulator.model import Item, RolloutSpec, Split
from simulator.plan.replay import Take, TakenCall, Then

MOST_EXAMPLES = 5
"""Changed outputs that are shown."""

MOST_SCORES = 100_000
"""Recorded scores that are kept for a comparison by rollout."""

ALL = "tools"


def compare(
    journal: Path, replay: Replay, summary: Summary, redact: Callable[[str], str]
) -> tuple[ReplaySummary, dict[str, float]]:
    """Return the comparison, and the recorded scores by the trace ids of the rollouts that replayed them."""
    comparing = _Comparing(replay, redact)
    with journal.open("rb") as lines:
        for line in lines:
            comparing.add(_decode(line))
    return comparing.summary(summary), comparing.scores_then


_decode = msgspec.json.Decoder(RolloutLine).decode


class _Comparing:
    def __init__(self, replay: Replay, redact: Callable[[str], str]) -> None:
        self._replay, self._redact = replay, redact
        self._by_tool: dict[str, _Tool] = {}
        self._rollout = _Times()
        self._examples: list[ChangedOutput] = []
        self._rollouts = 0
        self.scores_then: dict[str, float] = {}

    def add(self, line: RolloutLine) -> None:
        """Compare a rollout with its recording, as far as it came."""
        take = self._replay.take_of(_spec_of(line))
        self._rollouts += 1
        for turn, asked in zip(line.turns, (turn.calls for turn in take.turns if turn.calls), strict=False):
            for came, call in zip(turn, asked, strict=False):
                self._add_call(came, call, take)
        if line.state in _FINISHED:
            answered = line.grade.attempts[0].due_ms if line.grade and line.grade.attempts else line.ended_ms
            self._rollout.add(take.seconds, answered - line.started_ms)
        if take.score is not None and len(self.scores_then) < MOST_SCORES:
            self.scores_then[line.trace_id] = take.score

    def _add_call(self, now: CallLine, call: TakenCall, take: Take) -> None:
        tool = self._by_tool.setdefault(now.endpoint, _Tool())
        tool.calls += 1
        tool.times.add(call.then.seconds, _took_ms(now.attempts))
        outcome = _outcome(now, call.then)
        tool.outcomes[outcome] += 1
        if outcome in _SHOWN and len(self._examples) < MOST_EXAMPLES:
            self._examples.append(self._example(now, call, take, outcome))

    def _example(self, now: CallLine, call: TakenCall, take: Take, outcome: str) -> ChangedOutput:
        said = (call.arguments, call.then.output or "", now.output)
        arguments, then, came = (self._redact(text)[:SHOWN_CHARS] for text in said)
        return ChangedOutput(
            now.endpoint, take.trace_id, arguments, then, came, is_error=outcome == "error_now"
        )

    def summary(self, run: Summary) -> ReplaySummary:
        """Return all of it."""
        scale, replay = run.load.time_scale, self._replay
        everything = _Tool()
        for tool in self._by_tool.values():
            everything.merge(tool)
        is_whole = run.load.mode == "recorded" and not run.interrupted
        now_s = sum(step.sampling_s for step in run.steps) if is_whole else None
        then_s = replay.pass_s if is_whole else None
        return ReplaySummary(
            formats=replay.formats,
            recordings=len(replay.takes),
            rollouts=self._rollouts,
            pass_then_s=then_s,
            pass_now_s=now_s,
            pass_ratio=now_s / (then_s * scale) if now_s is not None and then_s and scale else None,
            rollout=self._rollout.compared(scale),
            tools=everything.summary(ALL, scale),
            by_tool=tuple(tool.summary(name, scale) for name, tool in sorted(self._by_tool.items())),
            examples=tuple(self._examples),
        )


class _Times:
    """Pairs of durations, in ms."""

    def __init__(self) -> None:
        self.then, self.now = array("d"), array("d")

    def add(self, then_s: float | None, now_ms: float | None) -> None:
        """Add a pair, if both are known."""
        if then_s is not None and now_ms is not None:
            self.then.append(then_s * 1000)
            self.now.append(now_ms)

    def compared(self, scale: float) -> Compared:
        """Return how they compare for a run at that time scale."""
        then, now = np.array(self.then), np.array(self.now)
        if not len(then):
            return Compared()
        ratio = float(now.mean() / then.mean()) if then.mean() else None
        at_scale = ratio / scale if ratio is not None and scale else None
        return Compared(spread(then), spread(now), ratio, at_scale)


class _Tool:
    """The calls of one tool, or of several."""

    def __init__(self) -> None:
        self.calls, self.times, self.outcomes = 0, _Times(), Counter[str]()

    def merge(self, other: "_Tool") -> None:
        """Add all of another."""
        self.calls += other.calls
        self.times.then.extend(other.times.then)
        self.times.now.extend(other.times.now)
        self.outcomes.update(other.outcomes)

    def summary(self, name: str, scale: float) -> ReplayedTool:
        """Return what there is to say of it."""
        outputs = Outputs(*(self.outcomes[field] for field in Outputs.__struct_fields__))
        return ReplayedTool(name, self.calls, self.times.compared(scale), outputs)


_FINISHED = {"graded", "ungraded"}
_SHOWN = {"changed", "error_now"}


def _spec_of(line: RolloutLine) -> RolloutSpec:
    """Return what was planned of a rollout, as far as it decides which recording it replays."""
    split: Split = "valid" if line.split == "valid" else "train"
    item = Item(line.item, split, line.item_line, msgspec.Raw(b"{}"), {})
    return RolloutSpec(line.rollout, line.step, line.kind, line.group, item, place=line.place)


def _outcome(now: CallLine, then: Then) -> str:
    """Return the field of Outputs that counts the call."""
    fails = now.fault is not None or now.soft_error
    if fails and not then.failed:
        return "error_now"
    if then.failed and not fails:
        return "error_then"
    if then.digest is None or now.output_digest is None:
        return "unknown"
    return "equal" if then.digest == now.output_digest else "changed"


def _took_ms(attempts: list[AttemptLine]) -> float | None:
    """Return how long a call took, from its first request to the end of its last answer."""
    return attempts[-1].done_ms - attempts[0].sent_ms if attempts else None
