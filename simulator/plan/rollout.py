"""One rollout, from its first thought to its score. A generator that cannot wait.

    rollout ──Send(due, body)──▶ driver ──Reply──▶ rollout          a turn's one call, with its retries
    rollout ──Calls(due, calls)──▶ driver ──outcomes──▶ rollout     a turn's several calls, all from `due` on
    rollout ──Wait(due)──▶ driver                                   a rate limit; a last thought
    rollout ──▶ Transcript

Time flows in with what comes back and out with `due`: the next turn is due when the last call was done and
the model has thought. A driver that is late cannot hide it, because `due` does not move.
"""

import sys
from collections.abc import Generator, Sequence
from functools import partial
from typing import Any

import msgspec

from simulator.dialects.base import CallIds
from simulator.faults import Fault
from simulator.measure.digest import LOOKED_AT_CHARS
from simulator.model import Outcome, RolloutSpec, RolloutState, ToolCall, Transcript, Turn
from simulator.plan.call import Interrupted, Send, StartCall, Wait, call
from simulator.plan.policy import Policy, Seen
from simulator.plan.trainer import Trainer


class Calls(msgspec.Struct, frozen=True):
    """Make these calls at the same time, from `due` on; the driver answers with their outcomes, in order.

    `at_once` of them may run together; each further one is due when one before it is done, as in a pool of
    that many threads.
    """

    due: float
    calls: tuple[StartCall, ...]
    at_once: int = 1


_UNLIMITED = sys.maxsize

Rollout = Generator[Send | Wait | Calls, Any, Transcript]


def rollout(trainer: Trainer, spec: RolloutSpec, policy: Policy, started: float) -> Rollout:
    """Play one rollout that starts at `started`; whatever the policy raises goes on to who drives it."""
    story = _Story(trainer, spec, started)
    seen: Seen = ()
    try:
        while True:
            turn = policy.next(seen)
            story.think(turn)
            calls: Sequence[ToolCall] = turn.calls
            if not calls:
                story.answer = turn.answer
                break
            if story.is_capped:
                calls = story.cut_to_cap(calls)
            if len(calls) == 1:
                seen = ((yield from call(*story.prepare(calls[0]), story.due)),)
                story.note(seen)
            elif calls:
                seen = yield story.tool_calls(calls)
                story.note(seen)
            if story.interrupted:
                return story.end("interrupted")
            if story.fatal:
                return story.end("discarded")
            if story.cut_short:
                break
        if trainer.grader_index is None:
            yield Wait(story.due)  # the last thoughts take their time too
            return story.end("ungraded")
        story.grade = yield from call(*story.prepare_grade(trainer.grader_index), story.due)
        if story.grade.fault is Fault.UNFINISHED:
            return story.end("interrupted")
        return story.end("discarded" if story.grade.fatal else "graded")
    except Interrupted as stop:
        if stop.outcomes:
            story.turns.append(stop.outcomes)
        return story.end("interrupted", at=stop.at)


class _Story:
    """The transcript in the making."""

    __slots__ = (
        "answer", "asked", "cut_short", "due", "fatal", "grade", "interrupted", "is_capped", "key", "long",
        "spec", "started", "think_s", "tokens", "trace_id", "trainer", "turns",
    )  # fmt: skip

    def __init__(self, trainer: Trainer, spec: RolloutSpec, started: float) -> None:
        self.trainer, self.spec, self.started = trainer, spec, started
        self.is_capped = trainer.job.max_episode_steps is not None
        self.key = trainer.rollout_key(spec.index)
        self.trace_id = trainer.dialect.trace_id(self.key)
        self.due = started
        self.turns: list[Seen] = []
        self.asked: list[tuple[CallIds, ToolCall]] = []
        self.grade: Outcome | None = None
        self.answer = ""
        self.tokens = 0
        self.think_s = 0.0
        self.cut_short = self.fatal = self.interrupted = self.long = False

    def think(self, turn: Turn) -> None:
        seconds = self.trainer.think_s(turn)
        self.tokens += turn.tokens
        self.think_s += seconds
        self.due += seconds

    def cut_to_cap(self, calls: Sequence[ToolCall]) -> Sequence[ToolCall]:
        allowed = _calls_allowed(self.trainer, turns=len(self.turns), calls=len(self.asked))
        self.cut_short = len(calls) > allowed
        return calls[:allowed]

    def note(self, outcomes: Seen) -> None:
        if self.long:
            self.turns[-1] = tuple(map(_cut, self.turns[-1]))
            self.long = False
        self.turns.append(outcomes)
        self.due = outcomes[0].done if len(outcomes) == 1 else max(outcome.done for outcome in outcomes)
        for outcome in outcomes:
            if outcome.fault is not None:
                self.fatal |= outcome.fatal
                self.interrupted |= outcome.fault is Fault.UNFINISHED
            if outcome.output_chars > LOOKED_AT_CHARS:
                self.long = True

    def tool_calls(self, calls: Sequence[ToolCall]) -> Calls:
        starts = tuple(partial(call, *self.prepare(asked)) for asked in calls)
        return Calls(self.due, starts, self.trainer.rules.parallel_calls)

    def prepare(self, asked: ToolCall) -> tuple[Trainer, int, bytes, ToolCall, CallIds]:
        """Return what `call` takes for a tool call, but when it is due."""
        trainer, dialect = self.trainer, self.trainer.dialect
        ids = dialect.call_ids(self.key, len(self.asked))
        self.asked.append((ids, asked))
        body = dialect.tool_request(ids, asked, self.trace_id, self.spec.item)
        return trainer, trainer.index_of_tool[asked.name], body, asked, ids

    def prepare_grade(self, endpoint: int) -> tuple[Trainer, int, bytes, None, None]:
        """Return what `call` takes for the grader call, but when it is due."""
        dialect, as_json = self.trainer.dialect, self.trainer.job.response_format is not None
        body = dialect.grader_request(self.answer, self.asked, self.trace_id, self.spec.item, as_json=as_json)
        return self.trainer, endpoint, body, None, None

    def end(self, state: RolloutState, *, at: float | None = None) -> Transcript:
        if at is None:
            at = self.grade.done if self.grade else self.due
        return Transcript(
            spec=self.spec,
            trace_id=self.trace_id,
            state=state,
            started=self.started,
            ended=at,
            turns=tuple(self.turns),
            grade=self.grade,
            answer=self.answer,
            tokens=self.tokens,
            think_s=self.think_s,
            cut_short=self.cut_short,
            reason=self._reason() if state == "discarded" else "",
        )

    def _reason(self) -> str:
        outcomes = (self.grade,) if self.grade else self.turns[-1]
        fatal = next(outcome for outcome in outcomes if outcome.fatal)
        name = self.trainer.endpoints[fatal.endpoint].name
        return f"{name}: {fatal.fault} after {len(fatal.attempts)} attempts"


def _cut(outcome: Outcome) -> Outcome:
    """Keep the beginning of a long output: the model has seen it, and only its beginning goes into files."""
    if outcome.output_chars <= LOOKED_AT_CHARS:
        return outcome
    return msgspec.structs.replace(outcome, output=outcome.output[:LOOKED_AT_CHARS])


def _calls_allowed(trainer: Trainer, *, turns: int, calls: int) -> int:
    """Return how many calls the next turn may make under the cap on steps, after so many turns and calls."""
    most, counted = trainer.job.max_episode_steps, trainer.rules.episode_step
    if most is None:
        return _UNLIMITED
    if counted == "call":
        return max(0, most - calls)
    if counted == "turn":
        return _UNLIMITED if turns < most else 0
    return max(0, most - calls - turns - 1)
