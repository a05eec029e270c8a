"""A run made by hand, rollout by rollout, and counted by the tally like any other."""

from collections.abc import Callable, Iterable, Sequence

import msgspec

from simulator.faults import Fault
from simulator.gates import Verdict, default_gates, judge, parse_gates
from simulator.measure.histogram import Histogram
from simulator.measure.lines import LineWriter, RolloutLine
from simulator.measure.summarise import RunFacts, summarise
from simulator.measure.summary import LoadSummary, Summary
from simulator.measure.tally import Tally
from simulator.measure.trust import GeneratorSample
from simulator.model import Attempt, Endpoint, Item, Outcome, RolloutSpec, ToolCall, Transcript

GROUP_SIZE = 8
THINK_S = 2.0
ITEM = Item(index=0, split="train", line=1, json=msgspec.Raw(b"{}"), row={})
ASSUMPTIONS = (
    "group_size 8: no source gives it",
    "think time: 70 tokens/s",
    "back-off between retries 1 s, times 2 each: no source gives it",
    "a call without a usable HTTP answer: retried like a 5xx; no source tells",
)


def endpoints(*tools: str, grader: bool = True) -> tuple[Endpoint, ...]:
    return (
        *(Endpoint(name, "tool", "http://127.0.0.1:1/") for name in tools),
        *((Endpoint("grader", "grader", "http://127.0.0.1:1/grade"),) if grader else ()),
    )


ENDPOINTS = endpoints("search", "list", "cat")
SEARCH, LIST, CAT, GRADER = range(4)


def copies(lines: Iterable[RolloutLine]) -> list[RolloutLine]:
    """Return the lines once more, to be changed."""
    return [msgspec.json.decode(msgspec.json.encode(line), type=RolloutLine) for line in lines]


class Played:
    """A run under construction: `play` adds a rollout, `judged` counts and judges what was added."""

    def __init__(self, targets: Sequence[Endpoint] = ENDPOINTS) -> None:
        self.targets, self.tally, self.index = targets, Tally(targets), 0
        self.lines: list[RolloutLine] = []
        self._writer = LineWriter(targets, 0.0, str)

    def play(
        self,
        turns: Iterable[Sequence[tuple[int, float, Fault | None]]],
        *,
        score: float | None,
        start: float = 0.0,
        kind: str = "training",
        step: int = 1,
        state: str = "graded",
        cut_short: bool = False,
        dress: Callable[[Outcome], Outcome] = lambda outcome: outcome,
    ) -> None:
        """Add a rollout; a call is an endpoint, its service time, and the fault of every attempt or None."""
        spec = RolloutSpec(self.index, step, kind, self.index // GROUP_SIZE, ITEM)
        self.index += 1
        self.tally.add_started(spec)
        now, ended = start, []
        for turn in turns:
            now += THINK_S
            outcomes = tuple(dress(self._call(now, *call)) for call in turn)
            now = max(outcome.done for outcome in outcomes)
            ended.append(outcomes)
        grade = None
        if state == "graded":
            grade = msgspec.structs.replace(self._call(now, GRADER, 0.12, None), score=score)
            now = grade.done
        transcript = Transcript(
            spec,
            f"trace_{spec.index:032x}",
            "discarded" if any(o.fatal for turn in ended for o in turn) else state,
            start,
            now,
            tuple(ended),
            grade,
            tokens=400 * (len(ended) + 1),
            think_s=THINK_S * len(ended),
            cut_short=cut_short,
        )
        self.tally.add_transcript(transcript)
        self.lines.append(msgspec.json.decode(self._writer.line(transcript), type=RolloutLine))

    def _call(self, due: float, endpoint: int, seconds: float, fault: Fault | None) -> Outcome:
        retried = fault in {Fault.HTTP_5XX, Fault.TIMEOUT, Fault.CONNECT_REFUSED}
        attempts = []
        for number in range(1, 5 if retried else 2):
            attempts.append(
                Attempt(
                    endpoint,
                    number,
                    due,
                    due + 0.0004,
                    due + 0.0004 + seconds,
                    status=200 if fault is None else 500,
                    fault=fault,
                    reused=True,
                )
            )
            self.tally.add_attempt(attempts[-1])
            due = attempts[-1].done + 1.0
        call = ToolCall(self.targets[endpoint].name, "{}")
        return Outcome(endpoint, call, tuple(attempts), attempts[-1].done, fault=fault, fatal=retried)

    def judged(
        self,
        *,
        planned: int | None = None,
        interrupted: bool = False,
        lag_s: float = 0.0012,
        grader_type: str = "endpoint",
        gates: Sequence[str] | None = None,
        **load: object,
    ) -> tuple[Summary, Verdict]:
        lag = Histogram()
        for _ in range(100):
            lag.record(lag_s)
        duration_s = max((record.ended_s for record in self.tally.rollouts), default=0.25)
        facts = RunFacts(
            scenario="finqa",
            seed=7,
            started_at="2026-01-01T12:00:00Z",
            duration_s=duration_s,
            interrupted=interrupted,
            load=msgspec.structs.replace(LOAD, **load),
            planned=self.index if planned is None else planned,
            grader_type=grader_type,
            failure="",
            generator=[GeneratorSample(0.31 * duration_s, duration_s, lag)],
        )
        summary = summarise(self.tally, self.targets, facts)
        tools = [e.name for e in self.targets if e.kind == "tool"]
        grader = next((e.name for e in self.targets if e.kind == "grader"), None)
        texts = default_gates(tools, grader) if gates is None else gates
        return summary, judge(parse_gates(texts, tools, grader), summary)


LOAD = LoadSummary(
    mode="training",
    steps=1,
    batch_size=4,
    group_size=GROUP_SIZE,
    compute_multiplier=1.0,
    rollouts_per_step=32,
    time_scale=1.0,
    policy="baseline",
    assumptions=ASSUMPTIONS,
)
