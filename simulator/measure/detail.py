"""What a run's pictures are drawn from, gathered from the lines of `rollouts.jsonl` in one pass.

What it keeps does not grow with the rollouts: time is cut into at most MOST_BINS pieces, which double in
length whenever they do not suffice, and of single rollouts only a few are remembered.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable

from simulator.faults import NEVER_ANSWERED, Fault
from simulator.measure.histogram import HIGHEST_US, bucket_of
from simulator.measure.lines import CallLine, RolloutLine

MOST_BINS = 120
MOST_SHOWN = 12
"""Of the slowest rollouts, and of the discarded ones."""

MOST_SCORES = 10_000
"""Different scores that are told apart; what is more is rounded to two decimals."""

Bins = dict[int, Counter[int]]


class Detail:
    """What happened when: `add` a run's lines in any order; times are in seconds since the run began.

    `service` has, for each endpoint and each piece of time of `bin_s` seconds, how many answers that arrived
    in it took how long: counts by the index of `measure.histogram`'s buckets. `faults` counts by fault and
    piece of time. `calls` counts completed rollouts by their tool calls, `scores` graded ones by score.
    """

    def __init__(self) -> None:
        self.bin_s = 1
        self.rollouts = 0
        self.service: defaultdict[str, Bins] = defaultdict(lambda: defaultdict(Counter))
        self.faults: defaultdict[str, Counter[int]] = defaultdict(Counter)
        self.calls: Counter[int] = Counter()
        self.scores: Counter[float] = Counter()
        self._longest: list[tuple[float, int, RolloutLine]] = []
        self._discarded: list[tuple[float, int, RolloutLine]] = []

    @property
    def slowest(self) -> list[RolloutLine]:
        """Return the completed rollouts that took longest, the longest first."""
        return [line for _, _, line in sorted(self._longest, key=lambda kept: kept[:2], reverse=True)]

    @property
    def discarded(self) -> list[RolloutLine]:
        """Return the first rollouts that were discarded, in the order they ended."""
        return [line for _, _, line in sorted(self._discarded, key=lambda kept: kept[:2], reverse=True)]

    def add(self, line: RolloutLine) -> None:
        """Add a rollout."""
        self.rollouts += 1
        for turn in line.turns:
            for call in turn:
                self._add_call(call)
        if line.grade is not None:
            self._add_call(line.grade)
        if line.state in {"graded", "ungraded"}:
            self.calls[sum(map(len, line.turns))] += 1
            _keep(self._longest, line.ended_ms - line.started_ms, self.rollouts, line)
        elif line.state == "discarded":
            _keep(self._discarded, -line.ended_ms, self.rollouts, line)
        if line.score is not None and line.state == "graded":
            score = line.score if len(self.scores) < MOST_SCORES else round(line.score, 2)
            self.scores[score] += 1

    def _add_call(self, call: CallLine) -> None:
        bins, bin_s = self.service[call.endpoint], self.bin_s
        for attempt in call.attempts:
            piece = int(attempt.done_ms / 1000 / bin_s)
            if piece >= MOST_BINS:
                self._coarsen(piece)
                bins, bin_s = self.service[call.endpoint], self.bin_s
                piece = int(attempt.done_ms / 1000 / bin_s)
            fault = attempt.fault
            if fault is not None:
                if fault != Fault.UNFINISHED:
                    self.faults[fault][piece] += 1
                if fault in NEVER_ANSWERED:
                    continue
            microseconds = round((attempt.done_ms - attempt.sent_ms) * 1000)
            bins[piece][bucket_of(min(max(microseconds, 0), HIGHEST_US))] += 1

    def _coarsen(self, piece: int) -> None:
        """Double the pieces of time until the given one is within what there may be."""
        factor = 1
        while piece // factor >= MOST_BINS:
            factor *= 2
        self.bin_s *= factor
        for endpoint, bins in self.service.items():
            merged: Bins = defaultdict(Counter)
            for number, counts in bins.items():
                merged[number // factor].update(counts)
            self.service[endpoint] = merged
        for fault, per_piece in self.faults.items():
            coarser: Counter[int] = Counter()
            for number, count in per_piece.items():
                coarser[number // factor] += count
            self.faults[fault] = coarser


def _keep(heap: list[tuple[float, int, RolloutLine]], key: float, number: int, line: RolloutLine) -> None:
    if len(heap) < MOST_SHOWN:
        heapq.heappush(heap, (key, -number, line))
    elif key > heap[0][0]:
        heapq.heapreplace(heap, (key, -number, line))


def detail_of(lines: Iterable[RolloutLine]) -> Detail:
    """Return the detail of one run."""
    detail = Detail()
    for line in lines:
        detail.add(line)
    return detail
