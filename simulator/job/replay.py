"""From the files that a scenario's recorded policy names to what a run replays."""

import math
import random
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec

from simulator.dialects.openai import SOFT_ERROR
from simulator.errors import InputError, ScenarioError
from simulator.job.document import listed
from simulator.job.scenario import Scenario
from simulator.job.scenariofile import NO_LIMIT
from simulator.job.strictjson import printable
from simulator.job.traces.instants import EPOCH_FROM
from simulator.job.traces.reading import Traces
from simulator.job.traces.recording import RecordedCall, Recording, key_of, last_said, unwrapped
from simulator.measure.digest import digest_of
from simulator.measure.lines import SHOWN_CHARS
from simulator.measure.summarise import max_in_flight
from simulator.model import Item, RolloutSpec, Split
from simulator.plan.distribution import parse_distribution
from simulator.plan.policy import Policy
from simulator.plan.replay import (
    Casting,
    ReplayPolicy,
    ReplaySettings,
    Take,
    TakenCall,
    TakenTurn,
    Takes,
    Then,
    Thinking,
)
from simulator.plan.schedule import Recorded

MOST_TAKES = 100_000
"""Recorded rollouts that are kept; of more, so many are drawn at random, which keeps memory bounded."""

_TOOLS_LISTED = 8


class Replay(msgspec.Struct, frozen=True):
    """All that is replayed, and what is known of the recording as a whole.

    `recorded` is what a load of mode `recorded` plays. `pass_s` is for how many seconds any of it was in
    flight, None where it has no times. `notes` are sentences for the report.
    """

    takes: Takes
    casting: Casting
    thinking: Thinking
    recorded: Recorded
    pass_s: float | None
    formats: dict[str, int]
    notes: tuple[str, ...]

    def take_of(self, spec: RolloutSpec) -> Take:
        """Return what a rollout replays."""
        return self.takes[self.casting.number_of(spec)]

    def make_policy(self, spec: RolloutSpec, rng: random.Random) -> Policy:
        """Return the policy of a rollout; see `plan.policy.PolicyFactory`."""
        repeats = self.casting.is_repeated(spec)
        return ReplayPolicy(self.take_of(spec), self.thinking, rng, repeats=repeats)


def replay_of(scenario: Scenario) -> Replay | None:
    """Return what the scenario's policy replays; None where it is none that does.

    InputError where the files cannot be used, or call tools that the job does not have. The files are read
    once, however often this is asked.
    """
    config = scenario.policies[scenario.policy]
    return _read(_Key(scenario)) if config.kind == "recorded" else None


class _Key:
    """A scenario, the same as another one if it replays the same."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario, self.settings = scenario, scenario.policies[scenario.policy].recorded
        self.paths = tuple(_paths(scenario, self.settings))
        rows = [Path(file) for file in scenario.files.values()]
        self._same = (
            msgspec.json.encode(self.settings),
            scenario.seed,
            scenario.job.tools,
            *map(_state, (*self.paths, *rows)),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._same == other._same

    def __hash__(self) -> int:
        return hash(self._same)


def _state(path: Path) -> tuple[str, int, int]:
    """Return what changes when a file does."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return str(path.absolute()), 0, 0
    return str(path.absolute()), status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1)
def _read(key: _Key) -> Replay:
    reading = _Reading(key.scenario, key.settings)
    traces = Traces(key.paths, key.settings.broken)
    for recording in traces:
        reading.add(recording, traces.files)
    return reading.replay(traces)


def _paths(scenario: Scenario, settings: ReplaySettings) -> Iterator[Path]:
    """Yield the files, relative to the scenario; `*` and `?` stand for what they do in a shell."""
    for text in settings.traces:
        path = scenario.directory / text
        if Path(text).is_absolute() or not set(text) & set("*?["):
            yield path
            continue
        found = sorted(scenario.directory.glob(text))
        if not found:
            raise InputError("no file is named like that", where=printable(path), remedy="check the path")
        yield from found


class _Span(msgspec.Struct, frozen=True, gc=False):
    """When a recorded rollout started and ended, in seconds on a clock that all files share."""

    started_s: float
    ended_s: float


class _Reading:
    """Recordings on their way into a replay."""

    def __init__(self, scenario: Scenario, settings: ReplaySettings) -> None:
        self._scenario, self._settings = scenario, settings
        self._items = _Items(scenario)
        self._rng = random.Random(f"{scenario.seed}/takes")
        self._takes = Takes()
        self._facts: list[_Facts] = []
        self._groups: dict[str, int] = {}
        self._think_s = array("d")
        self._unknown: Counter[str] = Counter()
        self._seen = self._unfinished = 0

    def add(self, recording: Recording, file: int) -> None:
        """Take in a recording of that file; of too many, each may stay alike (Vitter's algorithm R)."""
        self._unfinished += not recording.finished
        self._seen += 1
        take = self._take(recording)
        self._think_s.extend(turn.think_s for turn in take.turns if turn.think_s is not None)
        group = self._groups.setdefault(recording.group or f"\0{self._seen}", len(self._groups))
        facts = _Facts(_span(recording, file), group, self._items.item_of(recording))
        if len(self._takes) < MOST_TAKES:
            self._takes.append(take)
            self._facts.append(facts)
        elif (place := self._rng.randrange(self._seen)) < MOST_TAKES:
            self._takes.replace(place, take)
            self._facts[place] = facts

    def _take(self, recording: Recording) -> Take:
        turns: list[TakenTurn] = []
        carried: float | None = 0.0
        for turn in recording.turns:
            calls = tuple(self._calls(turn.calls))
            think_s = None if turn.think_s is None or carried is None else turn.think_s + carried
            if calls or turn is recording.turns[-1]:
                turns.append(TakenTurn(think_s, calls))
                carried = 0.0
            else:
                carried = think_s  # of a turn whose calls reach nobody only the thinking is left
        seconds = None
        if recording.started is not None and recording.ended is not None:
            seconds = recording.ended - recording.started
        return Take(recording.trace_id, tuple(turns), recording.answer, recording.score, seconds)

    def _calls(self, calls: Iterable[RecordedCall]) -> Iterator[TakenCall]:
        """Yield what endpoints are to be sent, by the job's names, and count those that it does not have."""
        tools = self._scenario.file.tool_names
        for call in (one for recorded in calls for one in unwrapped(recorded)):
            name = self._settings.tools.get(call.name, call.name)
            if name == NO_LIMIT:
                continue
            if name not in tools:
                self._unknown[call.name] += 1
            yield TakenCall(name, call.arguments, _then(call))

    def replay(self, traces: Traces) -> Replay:
        """Return what there is to replay; InputError where there is nothing, or what the job cannot serve."""
        where = ", ".join(map(printable, self._settings.traces))
        if self._unknown:
            raise self._unknown_tools(where)
        settings, numbers = self._settings, _Distinct(self._takes)
        of_item: dict[tuple[Split, int], list[int]] = {}
        for number, facts in enumerate(self._facts):
            for item in self._items.alike(facts.item):
                of_item.setdefault((item.split, item.index), []).append(number)
        order = _order(self._facts)
        return Replay(
            takes=self._takes,
            casting=Casting(
                {item: numbers.among(of) for item, of in of_item.items()},
                numbers.among(range(len(self._takes))),
                order,
                self._scenario.seed,
            ),
            thinking=Thinking(
                parse_distribution(settings.tokens),
                self._think_s or (0.0,),
                settings.think_cap_s,
            ),
            recorded=self._as_recorded(order),
            pass_s=_pass_s(self._spans()),
            formats=dict(traces.formats),
            notes=tuple(self._notes(traces)),
        )

    def _unknown_tools(self, where: str) -> InputError:
        called = self._unknown.most_common(_TOOLS_LISTED)
        names = ", ".join(f"{printable(name)} ({count:,}x)" for name, count in called)
        more = len(self._unknown) - len(called)
        message = f"the recordings call tools that the job does not have: {names}"
        first = printable(called[0][0])
        remedy = (
            f'name them in the policy\'s table, `tools = {{"{first}" = "..."}}`, "{NO_LIMIT}" leaving its'
            f" calls out; the job has: {listed(self._scenario.file.tool_names)}"
        )
        return ScenarioError(message + (f" and {more} more" if more else ""), where=where, remedy=remedy)

    def _as_recorded(self, order: Sequence[int]) -> Recorded:
        rows = [*self._scenario.train, *self._scenario.valid]
        items, groups, known = [], [], dict[int, int]()
        for place, number in enumerate(order):
            facts = self._facts[number]
            items.append(facts.item or rows[place % len(rows)])
            groups.append(known.setdefault(facts.group, len(known)))
        return Recorded(items, groups, max_in_flight(self._spans()) or None)

    def _spans(self) -> list[_Span]:
        return [facts.span for facts in self._facts if facts.span is not None]

    def _notes(self, traces: Traces) -> Iterator[str]:
        formats = ", ".join(f"{name} {count:,}" for name, count in traces.formats.items())
        yield f"what was recorded is replayed, think times too: {len(self._takes):,} rollouts ({formats})"
        if self._seen > len(self._takes):
            yield f"of {self._seen:,} recorded rollouts {len(self._takes):,} were drawn at random"
        if self._unfinished:
            yield f"recorded rollouts without an answer, replayed until they end: {self._unfinished:,}"
        if traces.broken:
            yield f"broken records, left out: {traces.broken:,}, the first: {traces.examples[0]}"
        if unmatched := sum(facts.item is None for facts in self._facts):
            yield f"recorded rollouts that are of no row of the job's, and go with any: {unmatched:,}"
        cap_s = self._settings.think_cap_s
        if capped := sum(think_s > cap_s for think_s in self._think_s):
            yield f"recorded think times that are over {cap_s:g} s, and are cut to it: {capped:,}"
        if not self._think_s:
            yield f"the recordings have no think times: {self._settings.tokens} tokens per turn"


class _Facts(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a recording besides its take; `item` is the job's row that it is of, if any is."""

    span: _Span | None
    group: int
    item: Item | None


class _Items:
    """Finds the job's row that a recording is of: by its place, by its conversation, or by that one's end.

    The end alone will do where it is no other row's: a system prompt may have changed since.
    """

    def __init__(self, scenario: Scenario) -> None:
        items = [item for _, _, items in scenario.splits for item in items]
        self._by_place = {(item.split, item.index): item for item in items}
        self._by_key: dict[str, list[Item]] = {}
        for item in items:
            self._by_key.setdefault(key_of(item.row["messages"]), []).append(item)
        ends = Counter(map(last_said, self._by_key))
        self._by_end = {
            end: same[0] for key, same in self._by_key.items() if (end := last_said(key)) and ends[end] == 1
        }

    def item_of(self, recording: Recording) -> Item | None:
        """Return the row; None where the job has none, or the recording does not say enough."""
        if recording.split is not None and recording.index is not None:
            return self._by_place.get((recording.split, recording.index))
        same = self._by_key.get(recording.key)
        return same[0] if same else self._by_end.get(last_said(recording.key))

    def alike(self, item: Item | None) -> Sequence[Item]:
        """Return all rows with the conversation of one, which may stand in both datasets."""
        return () if item is None else self._by_key[key_of(item.row["messages"])]


class _Distinct:
    """Leaves one of all takes that are replayed alike."""

    def __init__(self, takes: Takes) -> None:
        self._contents = [takes.content(number) for number in range(len(takes))]

    def among(self, numbers: Iterable[int]) -> list[int]:
        """Return the first of each kind."""
        return list({self._contents[number]: number for number in reversed(list(numbers))}.values())[::-1]


def _span(recording: Recording, file: int) -> _Span | None:
    """Return when a recording was; files that count from a moment of their own do not overlap."""
    if recording.started is None or recording.ended is None:
        return None
    shift = file * EPOCH_FROM if recording.started < EPOCH_FROM else 0.0
    return _Span(recording.started + shift, recording.ended + shift)


def _then(call: RecordedCall) -> Then:
    if call.output is None:
        return Then(call.seconds, None, None, call.failed)
    failed = call.failed or SOFT_ERROR.match(call.output) is not None
    digest = digest_of(call.output, len(call.output))
    return Then(call.seconds, call.output[:SHOWN_CHARS], digest, failed)


def _order(facts: Sequence[_Facts]) -> list[int]:
    """Return the recordings in the order they began; those that do not tell, in that of the file."""

    def when(number: int) -> float:
        span = facts[number].span
        return float(number) if span is None else span.started_s

    return sorted(range(len(facts)), key=when)


def _pass_s(spans: Iterable[_Span]) -> float | None:
    """Return for how many seconds any rollout was in flight: pauses between recordings are not replayed."""
    busy_s, until = 0.0, -math.inf
    for span in sorted(spans, key=lambda span: span.started_s):
        busy_s += max(0.0, span.ended_s - max(span.started_s, until))
        until = max(until, span.ended_s)
    return busy_s if until > -math.inf else None
