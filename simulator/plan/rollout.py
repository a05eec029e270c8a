"""One rollout, from its first thought to its score. A generator that cannot wait.

    rollout ──Calls(due, calls)──▶ driver ──outcomes──▶ rollout     a turn's calls, all at once, from `due` on
    rollout ──Calls(due, (grade,))──▶ driver ──outcomes──▶ rollout  the grader call is a call like any other
    rollout ──▶ Transcript

Time flows in with the outcomes and out with `due`: the next turn is due when the last call was done and the
model has thought. A driver that is late cannot hide it, because `due` does not move.
"""

import sys
from collections.abc import Generator

import msgspec

from simulator.dialects.base import CallIds
from simulator.errors import PolicyError
from simulator.model import Outcome, RolloutSpec, RolloutState, ToolCall, TrainerRules, Transcript, Turn
from simulator.plan.call import Call, call
from simulator.plan.policy import Policy, Seen
from simulator.plan.trainer import Trainer


class Calls(msgspec.Struct, frozen=True):
    """Run these calls at the same time, from `due` on; the driver answers with their outcomes, in order."""

    due: float
    calls: tuple[Call, ...]


class Interrupted(Exception):  # noqa: N818 it is no error: the run ends before the rollout does
    """Thrown in when the run ends at `at`; the rollout returns what there is of its transcript."""

    def __init__(self, at: float) -> None:
        self.at = at


_UNLIMITED = sys.maxsize

Rollout = Generator[Calls, Seen, Transcript]


def rollout(trainer: Trainer, spec: RolloutSpec, policy: Policy, started: float) -> Rollout:
    """Play one rollout that starts at `started`; PolicyError when the policy fails."""
    story = _Story(trainer, spec, started)
    try:
        while True:
            turn = _next_turn(policy, story.seen, trainer)
            story.think(turn)
            if not turn.calls:
                story.answer = turn.answer
                break
            allowed = _calls_allowed(trainer.rules, trainer.job.max_episode_steps, story.turns)
            story.cut_short = len(turn.calls) > allowed
            if allowed > 0:
                story.note((yield story.tool_calls(turn.calls[:allowed])))
            if story.fatal or story.cut_short:
                break
        if story.fatal:
            return story.end("discarded")
        if trainer.grader_index is None:
            return story.end("ungraded")
        (story.grade,) = yield story.grader_call(trainer.grader_index)
        return story.end("discarded" if story.grade.fatal else "graded")
    except Interrupted as stop:
        return story.end("interrupted", at=stop.at)


class _Story:
    """The transcript in the making."""

    def __init__(self, trainer: Trainer, spec: RolloutSpec, started: float) -> None:
        self.trainer, self.spec, self.started = trainer, spec, started
        self.key = trainer.rollout_key(spec.index)
        self.trace_id = trainer.dialect.trace_id(self.key)
        self.due = started
        self.turns: list[Seen] = []
        self.asked: list[tuple[CallIds, ToolCall]] = []
        self.grade: Outcome | None = None
        self.answer = ""
        self.tokens = 0
        self.think_s = 0.0
        self.cut_short = False

    @property
    def seen(self) -> Seen:
        return self.turns[-1] if self.turns else ()

    @property
    def fatal(self) -> bool:
        return any(outcome.fatal for outcome in self.seen)

    def think(self, turn: Turn) -> None:
        seconds = self.trainer.think_s(turn.tokens, turn.think_s)
        self.tokens += turn.tokens
        self.think_s += seconds
        self.due += seconds

    def note(self, outcomes: Seen) -> None:
        self.turns.append(outcomes)
        self.due = max(outcome.done for outcome in outcomes)

    def tool_calls(self, calls: tuple[ToolCall, ...]) -> Calls:
        return Calls(self.due, tuple(self._tool_call(tool_call) for tool_call in calls))

    def _tool_call(self, tool_call: ToolCall) -> Call:
        dialect = self.trainer.dialect
        ids = dialect.call_ids(self.key, len(self.asked))
        self.asked.append((ids, tool_call))
        return call(
            self.trainer,
            self.trainer.index_of_tool[tool_call.name],
            dialect.tool_request(ids, tool_call, self.trace_id, self.spec.item),
            lambda status, body: dialect.read_tool_answer(ids, status, body),
            self.due,
            tool_call=tool_call,
            call_id=ids.call_id,
        )

    def grader_call(self, endpoint: int) -> Calls:
        dialect, as_json = self.trainer.dialect, self.trainer.job.response_format is not None
        body = dialect.grader_request(self.answer, self.asked, self.trace_id, self.spec.item, as_json=as_json)
        return Calls(self.due, (call(self.trainer, endpoint, body, dialect.read_grader_answer, self.due),))

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
        outcomes = (self.grade,) if self.grade else self.seen
        fatal = next(outcome for outcome in outcomes if outcome is not None and outcome.fatal)
        name = self.trainer.endpoints[fatal.endpoint].name
        return f"{name}: {fatal.fault} after {len(fatal.attempts)} attempts"


def _next_turn(policy: Policy, seen: Seen, trainer: Trainer) -> Turn:
    try:
        turn = policy.next(seen)
    except Exception as error:
        raise PolicyError(f"policy {type(policy).__name__} raised {_raised_at(error)}") from error
    if not isinstance(turn, Turn):
        raise PolicyError(f"policy {type(policy).__name__} returned {type(turn).__name__}, not a Turn")
    if not isinstance(turn.answer, str):
        raise PolicyError(
            f"policy {type(policy).__name__}: the answer is no text: {type(turn.answer).__name__}"
        )
    for tool_call in turn.calls:
        if not isinstance(tool_call, ToolCall) or not isinstance(tool_call.arguments, str):
            raise PolicyError(f"policy {type(policy).__name__} asked for {tool_call!r}, which is no ToolCall")
        if tool_call.name not in trainer.index_of_tool:
            known = ", ".join(trainer.index_of_tool) or "none"
            raise PolicyError(
                f"policy {type(policy).__name__} called `{tool_call.name}`; the job's tools: {known}"
            )
    return turn


def _raised_at(error: Exception) -> str:
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
    return f"{type(error).__name__}: {error}{where}"


def _calls_allowed(rules: TrainerRules, max_episode_steps: int | None, turns: list[Seen]) -> int:
    """Return how many calls the next turn may make under the cap on steps."""
    if max_episode_steps is None:
        return _UNLIMITED
    calls = sum(len(turn) for turn in turns)
    if rules.episode_step == "call":
        return max(0, max_episode_steps - calls)
    if rules.episode_step == "turn":
        return _UNLIMITED if len(turns) < max_episode_steps else 0
    return max(0, max_episode_steps - calls - len(turns) - 1)
