"""What changed between two runs: all that reports may see of a comparison.

Times are in seconds. The field names are those of `comparison.json`, where times are in ms and named so.
"""

from typing import Any, Literal

import msgspec

from simulator.metrics import Unit

LineVerdict = Literal["better", "worse", "changed", "same", "unclear"]


class ComparedRun(msgspec.Struct, frozen=True):
    """One of the two runs; `verdict` is its own, `untrusted` says why its numbers cannot be used, if so."""

    folder: str
    scenario: str
    started_at: str
    seed: int
    rollouts: int
    verdict: str
    untrusted: tuple[str, ...] = ()


class ComparedLine(msgspec.Struct, frozen=True):
    """One statistic of both runs; `subject` is an endpoint's name, `rollouts`, `scores` or `learnability`.

    `change`, and `low` and `high`, the ends of its interval, are of BASE where `relative` (0.21 is 21% more),
    else differences in the line's own unit. What cannot be told is None. `worse` is 1 where more is worse, -1
    where less is, and 0 where neither is: such a line may have changed, but is never worse. `note` says why
    nothing more could be said.
    """

    subject: str
    metric: str
    unit: Unit
    worse: int
    relative: bool
    base: float | None
    now: float | None
    change: float | None
    low: float | None
    high: float | None
    verdict: LineVerdict
    note: str = ""

    @property
    def name(self) -> str:
        """Return the subject with the metric, as gates have it."""
        return f"{self.subject}.{self.metric}"


class ComparedGate(msgspec.Struct, frozen=True):
    """What a gate found; `bound` is what NOW was held to, all None where nothing was measured."""

    expr: str
    unit: Unit
    base: float | None
    bound: float | None
    observed: float | None
    ok: bool


class Difference(msgspec.Struct, frozen=True):
    """Something that the runs were played with, and that is not the same in both."""

    name: str
    base: Any
    now: Any


class Comparison(msgspec.Struct, frozen=True):
    """Two runs beside each other; `sampling_s` is that of the longest step of each, None without any.

    `verdict` is `fail` where a gate does not hold or, without gates, where a line is worse; `invalid` where
    one of the runs cannot be trusted or was stopped. `paired` tells that both runs played the same rollouts.
    `tolerance` is the relative change of a time below which it is no news; all intervals hold together with
    `confidence`.
    """

    verdict: Literal["pass", "fail", "invalid"]
    base: ComparedRun
    now: ComparedRun
    lines: tuple[ComparedLine, ...]
    gates: tuple[ComparedGate, ...]
    differences: tuple[Difference, ...]
    only_in_base: tuple[str, ...]
    only_in_now: tuple[str, ...]
    sampling_s: tuple[float | None, float | None]
    paired: bool
    tolerance: float
    confidence: float

    def having(self, verdict: LineVerdict) -> list[ComparedLine]:
        """Return the lines of that verdict."""
        return [line for line in self.lines if line.verdict == verdict]
