"""A transcript as one line of `rollouts.jsonl`: whatever endpoints said is cut short and redacted.

Times are milliseconds since the run began. Everything but times and ids is the same for the same seed, as
long as the endpoints answer alike.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from simulator.errors import InputError
from simulator.measure.digest import digest_of
from simulator.model import Endpoint, Outcome, PhaseKind, RolloutState, ToolCall, Transcript

SHOWN_CHARS = 200
_LONGEST_SECRET = 4096  # cut only after redaction, or a secret at the edge would lose its recognisable end
_LOOKED_AT = SHOWN_CHARS + _LONGEST_SECRET


class AttemptLine(msgspec.Struct, gc=False):
    """One HTTP request."""

    due_ms: float
    sent_ms: float
    first_byte_ms: float | None
    done_ms: float
    status: int
    fault: str | None


class CallLine(msgspec.Struct, gc=False, omit_defaults=True):
    """One call of a tool or the grader; `output` is cut to SHOWN_CHARS, `output_chars` its real length.

    `output_digest` is there where a recording was replayed: see `measure.digest`. `given_up` tells that the
    trainer discards the rollout for it.
    """

    endpoint: str
    call_id: str
    arguments: str | None
    output: str
    output_chars: int
    fault: str | None
    soft_error: bool
    violations: tuple[str, ...]
    attempts: list[AttemptLine]
    output_digest: str | None = None
    given_up: bool = False


class RolloutLine(msgspec.Struct, gc=False):
    """One rollout; `turns` are its turns' calls, `place` counts the rollouts of its group, from 0."""

    rollout: int
    step: int
    kind: PhaseKind
    group: int
    place: int
    item: int
    item_line: int
    split: str
    trace_id: str
    state: RolloutState
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


def lines_of(file: Iterable[bytes], where: str) -> Iterator[RolloutLine]:
    """Yield what was written as lines; InputError with `where` and the number of a line that is none.

    Half a line at the end, which a killed process may leave, is left out.
    """
    decode = msgspec.json.Decoder(RolloutLine).decode
    for number, line in enumerate(file, start=1):
        try:
            yield decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if line.endswith(b"\n"):
                place = f"{where}:{number}"
                raise InputError(
                    f"is no rollout of a run: {error}", where=place, remedy="play again"
                ) from None


_encode = msgspec.json.Encoder().encode
_ROUNDING = 1.5 * 2.0**52
"""Added to a float and taken away again, it leaves a whole number: at half the cost of a call of `round`."""


class LineWriter:
    """Turns transcripts into lines for one run, which began at `origin` on the run's clock.

    `redact` replaces secrets wherever they stand in a text, whatever stands around them. With `digests` the
    outputs can be compared with others later on.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        origin: float,
        redact: Callable[[str], str],
        *,
        digests: bool = False,
    ) -> None:
        self._names = [endpoint.name for endpoint in endpoints]
        self._origin, self._redact, self._digests = origin, redact, digests

    def line(self, transcript: Transcript) -> bytes:
        """Return the rollout's line, without a newline."""
        digests = _digests(transcript) if self._digests else None  # of what was said, secrets and all
        # Hardly any rollout says a secret: one look at all that it says is cheaper than one at each text.
        said = _said(transcript)
        if self._redact(said) != said:
            transcript = _redacted(transcript, self._redact)
        spec, grade = transcript.spec, transcript.grade
        turns = [[self._call(outcome) for outcome in turn] for turn in transcript.turns]
        if digests is not None:
            for call, digest in zip(itertools.chain.from_iterable(turns), digests, strict=True):
                call.output_digest = digest
        return _encode(
            RolloutLine(
                rollout=spec.index,
                step=spec.step,
                kind=spec.kind,
                group=spec.group,
                place=spec.place,
                item=spec.item.index,
                item_line=spec.item.line,
                split=spec.item.split,
                trace_id=transcript.trace_id,
                state=transcript.state,
                reason=transcript.reason,
                score=grade.score if grade else None,
                answer=transcript.answer,
                tokens=transcript.tokens,
                cut_short=transcript.cut_short,
                started_ms=((transcript.started - self._origin) * 1e6 + _ROUNDING - _ROUNDING) / 1000,
                ended_ms=((transcript.ended - self._origin) * 1e6 + _ROUNDING - _ROUNDING) / 1000,
                think_ms=(transcript.think_s * 1e6 + _ROUNDING - _ROUNDING) / 1000,
                turns=turns,
                grade=self._call(grade) if grade else None,
            )
        )

    def _call(self, outcome: Outcome) -> CallLine:
        # Done for every call of a run, hence positional, and without a function for the rounding.
        origin, call, attempts = self._origin, outcome.call, []
        for attempt in outcome.attempts:
            first_byte, done = attempt.first_byte, attempt.done
            done_ms = ((done - origin) * 1e6 + _ROUNDING - _ROUNDING) / 1000
            first_byte_ms = None if first_byte is None else done_ms
            if first_byte is not None and first_byte != done:
                first_byte_ms = ((first_byte - origin) * 1e6 + _ROUNDING - _ROUNDING) / 1000
            attempts.append(
                AttemptLine(
                    ((attempt.due - origin) * 1e6 + _ROUNDING - _ROUNDING) / 1000,
                    ((attempt.sent - origin) * 1e6 + _ROUNDING - _ROUNDING) / 1000,
                    first_byte_ms,
                    done_ms,
                    attempt.status,
                    attempt.fault,
                )
            )
        return CallLine(
            self._names[outcome.endpoint],
            outcome.call_id,
            None if call is None else call.arguments,
            outcome.output[:SHOWN_CHARS],
            outcome.output_chars,
            outcome.fault,
            outcome.soft_error,
            outcome.violations,
            attempts,
            None,
            outcome.fatal,
        )


def _digests(transcript: Transcript) -> list[str]:
    return [digest_of(outcome.output, outcome.output_chars) for turn in transcript.turns for outcome in turn]


def _said(transcript: Transcript) -> str:
    texts = [transcript.answer]
    for turn in (*transcript.turns, (transcript.grade,) if transcript.grade else ()):
        for outcome in turn:
            texts.append(outcome.output[:_LOOKED_AT])
            if outcome.call is not None:
                texts.append(outcome.call.arguments)
    return "\n".join(texts)


def _redacted(transcript: Transcript, redact: Callable[[str], str]) -> Transcript:
    return msgspec.structs.replace(
        transcript,
        answer=redact(transcript.answer),
        turns=tuple(tuple(_redacted_call(outcome, redact) for outcome in turn) for turn in transcript.turns),
        grade=_redacted_call(transcript.grade, redact) if transcript.grade else None,
    )


def _redacted_call(outcome: Outcome, redact: Callable[[str], str]) -> Outcome:
    output = redact(outcome.output[:_LOOKED_AT])
    if len(outcome.output) > _LOOKED_AT:
        # The cut may have halved a secret, and shorter text before it may have moved it into view.
        output = output[:-_LONGEST_SECRET]
    call = outcome.call and ToolCall(outcome.call.name, redact(outcome.call.arguments))
    return msgspec.structs.replace(outcome, output=output, call=call)
