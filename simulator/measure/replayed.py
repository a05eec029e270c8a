"""What was recorded beside what a replay of it came to, as reports and gates may see it.

The field names are those of `report.json`. Times are compared call by call: of a recording that was replayed
more than once, each time counts. `ratio` is the mean now by the mean then; `ratio_at_scale` takes the run's
time scale into account, so that endpoints scaled alike have 1.
"""

import msgspec

from simulator.measure.recorded import Spread


class Compared(msgspec.Struct, frozen=True):
    """Durations then and now, in ms, of calls or rollouts that have both; None without any."""

    then_ms: Spread | None = None
    now_ms: Spread | None = None
    ratio: float | None = None
    ratio_at_scale: float | None = None


class Outputs(msgspec.Struct, frozen=True):
    """Calls by what came back beside what was recorded; `unknown` where that was not recorded to its end.

    An error is a fault, or an output that says it is one: `error_now` where there was none then, `error_then`
    where there is none now; two errors are `equal` or `changed`.
    """

    equal: int
    changed: int
    error_now: int
    error_then: int
    unknown: int


class ReplayedTool(msgspec.Struct, frozen=True):
    """One tool, or all of them."""

    name: str
    calls: int
    times: Compared
    outputs: Outputs


class ChangedOutput(msgspec.Struct, frozen=True):
    """An output that is not what was recorded; `then` and `now` are cut short, and without secrets.

    `recording` is the trace id of the recorded rollout, if it has one.
    """

    endpoint: str
    recording: str
    arguments: str
    then: str
    now: str
    is_error: bool


class ReplaySummary(msgspec.Struct, frozen=True):
    """The whole comparison, but for that of scores, which is the grader's `agreement` with `recorded`.

    `recordings` were there, `rollouts` replayed one. `pass_then_s` and `pass_now_s` say how long the whole
    took, in seconds, None for a load that is not the recording's own; `pass_ratio` takes the time scale into
    account. `rollout` compares the rollouts' durations, up to their answers.
    """

    formats: dict[str, int]
    recordings: int
    rollouts: int
    pass_then_s: float | None
    pass_now_s: float | None
    pass_ratio: float | None
    rollout: Compared
    tools: ReplayedTool
    by_tool: tuple[ReplayedTool, ...]
    examples: tuple[ChangedOutput, ...]
