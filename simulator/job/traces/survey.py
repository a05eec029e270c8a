"""What recordings of rollouts hold, taken in one at a time: no recording is kept."""

from collections import Counter
from collections.abc import Sequence

import msgspec
import numpy as np

from simulator.dialects.openai import SOFT_ERROR
from simulator.job.traces.columns import NOBODY, Columns, Numbers, numbers, places, spread
from simulator.job.traces.passes import recorded_passes
from simulator.job.traces.recording import PARALLEL, RecordedCall, RecordedTurn, Recording, unwrapped
from simulator.measure.moments import Moments
from simulator.measure.recorded import Oddities, Part, Reading, Recorded, RecordedScores, RecordedTool

_PARTS = 20
_decode = msgspec.json.Decoder().decode


class Survey:
    """Takes in recordings with `add`, and says at any time, with `recorded`, what was in them."""

    def __init__(self) -> None:
        self._columns = Columns()
        self._tools: dict[str | None, int] = {None: NOBODY, PARALLEL: NOBODY + 1}
        self._failed: Counter[str] = Counter()
        self._soft_errors: Counter[str] = Counter()
        self._sent_by_tool: Counter[str] = Counter()
        self._by_calls: Counter[int] = Counter()
        self._by_sent: Counter[int] = Counter()
        self._at_once: Counter[int] = Counter()
        self._items: set[int] = set()
        self._groups: set[int] = set()
        self._scores = Moments()
        self._zero = self._one = self._unreadable = 0
        self._odd = _Odd()

    def add(self, recording: Recording, file: int = 0) -> None:
        """Take in a recording; `file` tells files from one another, whose clocks may not be the same."""
        sent = [call for turn in recording.turns for call in self._add_turn(turn)]
        self._columns.add_rollout(recording, file)
        self._by_calls[self._columns.rollout_calls[-1]] += 1
        self._by_sent[len(sent)] += 1
        self._odd.add(recording, sent)
        # A hash is enough to count by, and smaller than a conversation.
        if recording.key:
            self._items.add(hash(recording.key))
        if recording.group:
            self._groups.add(hash(recording.group))
        if recording.score is not None:
            self._scores.add(recording.score)
            self._zero += recording.score == 0
            self._one += recording.score == 1

    def _add_turn(self, turn: RecordedTurn) -> list[RecordedCall]:
        """Take in a turn, and return the calls that endpoints were sent."""
        sent: list[RecordedCall] = []
        for call in turn.calls:
            inside = unwrapped(call)
            tool = self._tools.setdefault(call.name, len(self._tools)) if inside else NOBODY
            self._columns.add_call(tool, call.started, call.ended)
            self._failed[call.name] += call.failed
            self._soft_errors[call.name] += call.output is not None and bool(SOFT_ERROR.match(call.output))
            self._unreadable += not inside
            sent += inside
        self._sent_by_tool.update(call.name for call in sent)
        if sent:
            self._at_once[len(sent)] += 1
        self._columns.add_turn(turn.think_s, len(sent))
        return sent

    def recorded(self, reading: Reading) -> Recorded:
        """Return what was in the recordings; `reading` says how they were read."""
        columns = self._columns
        latencies = numbers(columns.call_ended) - numbers(columns.call_started)
        think_s = numbers(columns.turn_think_s)
        rollouts, calls = len(columns.rollout_calls), len(columns.call_tool)
        in_all, passes = recorded_passes(columns)
        return Recorded(
            reading=reading,
            rollouts=rollouts,
            items=len(self._items),
            groups=len(self._groups),
            calls=calls,
            sent=sum(self._sent_by_tool.values()),
            calls_per_rollout=calls / rollouts if rollouts else 0.0,
            calls_max=max(self._by_calls, default=0),
            turns=len(columns.turn_sent),
            turns_at_once=sum(turns for sent, turns in self._at_once.items() if sent > 1),
            at_once_max=max(self._at_once, default=0),
            by_calls=_in_order(self._by_calls),
            by_sent=_in_order(self._by_sent),
            at_once=_in_order(self._at_once),
            sent_by_tool=dict(self._sent_by_tool.most_common()),
            tools=tuple(self._told_tools(latencies)),
            scores=self._told_scores(rollouts),
            oddities=self._odd.told(self._unreadable),
            latency_s=spread(latencies),
            think_s=spread(think_s),
            think_parts=_parts(think_s),
            rollout_s=spread(numbers(columns.rollout_ended) - numbers(columns.rollout_started)),
            passes_in_all=in_all,
            passes=passes,
        )

    def _told_tools(self, latencies: Numbers) -> list[RecordedTool]:
        tools = places(self._columns.call_tool)
        tools[tools == NOBODY] = self._tools[PARALLEL]
        counts = np.bincount(tools, minlength=len(self._tools))
        by_tool = np.split(latencies[np.argsort(tools, kind="stable")], np.cumsum(counts)[:-1])
        told = [
            RecordedTool(
                name=name,
                calls=int(counts[tool]),
                share=float(counts[tool]) / len(tools),
                failed=self._failed[name],
                soft_errors=self._soft_errors[name],
                latency_s=spread(by_tool[tool]),
            )
            for name, tool in self._tools.items()
            if name is not None and counts[tool]
        ]
        return sorted(told, key=lambda one: (-one.calls, one.name))

    def _told_scores(self, rollouts: int) -> RecordedScores:
        scores = self._scores
        return RecordedScores(
            count=scores.count,
            missing=rollouts - scores.count,
            zero=self._zero,
            one=self._one,
            mean=scores.mean,
            std=scores.std,
        )


class _Odd:
    """Counts what is odd about calls and rollouts."""

    def __init__(self) -> None:
        self._bad_arguments = self._repeated = 0
        self._undeclared: Counter[str] = Counter()
        self._unanswered_by_calls: Counter[int] = Counter()
        self._by_calls: Counter[int] = Counter()

    def add(self, recording: Recording, sent: Sequence[RecordedCall]) -> None:
        calls = recording.recorded_calls
        self._bad_arguments += sum(not _is_object(call.arguments) for call in calls)
        self._repeated += len({(one.name, one.arguments) for one in sent}) < len(sent)
        self._by_calls[len(calls)] += 1
        if not recording.finished or not recording.answer.strip():
            self._unanswered_by_calls[len(calls)] += 1
        if declared := _declared(recording):
            self._undeclared.update(one.name for one in sent if one.name not in declared)

    def told(self, unreadable: int) -> Oddities:
        longest = max(self._by_calls, default=0)
        return Oddities(
            bad_arguments=self._bad_arguments,
            undeclared=dict(self._undeclared.most_common()),
            unreadable=unreadable,
            repeated=self._repeated,
            unanswered=sum(self._unanswered_by_calls.values()),
            capped=self._unanswered_by_calls[longest],
            longest=self._by_calls[longest],
        )


def _is_object(arguments: str) -> bool:
    try:
        return isinstance(_decode(arguments), dict)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False


def _declared(recording: Recording) -> frozenset[str]:
    """Return the names of the tools that the rollout's row declares; none where it does not declare any."""
    tools = recording.item.get("tools") if recording.item else None
    if not isinstance(tools, list):
        return frozenset()
    functions = (tool.get("function") for tool in tools if isinstance(tool, dict))
    return frozenset(str(one.get("name")) for one in functions if isinstance(one, dict))


def _in_order(counts: Counter[int]) -> tuple[int, ...]:
    """Return the counts of 0, 1, 2, ... up to the largest number that was counted."""
    return tuple(counts[number] for number in range(max(counts, default=-1) + 1))


def _parts(values: Numbers) -> tuple[Part, ...]:
    ordered = np.sort(values[~np.isnan(values)])
    parts = np.array_split(ordered, min(_PARTS, len(ordered))) if len(ordered) else []
    return tuple(Part(len(one), float(one[0]), float(one.mean()), float(one[-1])) for one in parts)
