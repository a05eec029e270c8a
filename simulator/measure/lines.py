"""A transcript as one line of `rollouts.jsonl`: whatever endpoints said is cut short and redacted.

Times are milliseconds since the run began. Everything but times and ids is the same for the same seed, as
long as the endpoints answer alike.
"""

from collections.abc import Callable, Sequence

import msgspec

from simulator.model import Attempt, Endpoint, Outcome, Transcript

SHOWN_CHARS = 200
_LONGEST_SECRET = 4096  # cut only after redaction, or a secret at the edge would lose its recognisable end


class AttemptLine(msgspec.Struct):
    """One HTTP request."""

    due_ms: float
    sent_ms: float
    first_byte_ms: float | None
    done_ms: float
    status: int
    fault: str | None


class CallLine(msgspec.Struct):
    """One call of a tool or the grader; `output` is cut to SHOWN_CHARS, `output_chars` its real length."""

    endpoint: str
    call_id: str
    arguments: str | None
    output: str
    output_chars: int
    fault: str | None
    soft_error: bool
    violations: tuple[str, ...]
    attempts: list[AttemptLine]


class RolloutLine(msgspec.Struct):
    """One rollout; `turns` are its turns' calls."""

    rollout: int
    step: int
    kind: str
    group: int
    item: int
    item_line: int
    split: str
    trace_id: str
    state: str
    reason: str
    score: float | None
    answer: str
    tokens: int
    cut_short: bool
    started_ms: float
    ended_ms: float
    think_ms: float
    turns: list[list[CallLine]]
    grade: CallLine | None


_encode = msgspec.json.Encoder().encode


class LineWriter:
    """Turns transcripts into lines for one run, which began at `origin` on the run's clock."""

    def __init__(self, endpoints: Sequence[Endpoint], origin: float, redact: Callable[[str], str]) -> None:
        self._names = [endpoint.name for endpoint in endpoints]
        self._origin, self._redact = origin, redact

    def line(self, transcript: Transcript) -> bytes:
        """Return the rollout's line, without a newline."""
        spec, grade = transcript.spec, transcript.grade
        return _encode(
            RolloutLine(
                rollout=spec.index,
                step=spec.step,
                kind=spec.kind,
                group=spec.group,
                item=spec.item.index,
                item_line=spec.item.line,
                split=spec.item.split,
                trace_id=transcript.trace_id,
                state=transcript.state,
                reason=transcript.reason,
                score=grade.score if grade else None,
                answer=self._redact(transcript.answer),
                tokens=transcript.tokens,
                cut_short=transcript.cut_short,
                started_ms=self._ms(transcript.started),
                ended_ms=self._ms(transcript.ended),
                think_ms=round(transcript.think_s * 1000, 3),
                turns=[[self._call(outcome) for outcome in turn] for turn in transcript.turns],
                grade=self._call(grade) if grade else None,
            )
        )

    def _call(self, outcome: Outcome) -> CallLine:
        return CallLine(
            endpoint=self._names[outcome.endpoint],
            call_id=outcome.call_id,
            arguments=self._redact(outcome.call.arguments) if outcome.call else None,
            output=self._shown(outcome.output),
            output_chars=outcome.output_chars,
            fault=outcome.fault,
            soft_error=outcome.soft_error,
            violations=outcome.violations,
            attempts=[self._attempt(attempt) for attempt in outcome.attempts],
        )

    def _shown(self, output: str) -> str:
        beginning = self._redact(output[: SHOWN_CHARS + _LONGEST_SECRET])
        if len(output) > SHOWN_CHARS + _LONGEST_SECRET:
            # The cut may have halved a secret, and shorter text before it may have moved it into view.
            beginning = beginning[:-_LONGEST_SECRET]
        return beginning[:SHOWN_CHARS]

    def _attempt(self, attempt: Attempt) -> AttemptLine:
        return AttemptLine(
            due_ms=self._ms(attempt.due),
            sent_ms=self._ms(attempt.sent),
            first_byte_ms=None if attempt.first_byte is None else self._ms(attempt.first_byte),
            done_ms=self._ms(attempt.done),
            status=attempt.status,
            fault=attempt.fault,
        )

    def _ms(self, when: float) -> float:
        return round((when - self._origin) * 1000, 3)
