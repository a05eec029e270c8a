"""What recordings of rollouts hold, as reports may see it; the names are those of `traces.json`.

Shares are from 0 to 1, times in seconds. Percentiles are nearest-rank, on the exact values. A call is what a
recording counts as one; several in one are one, whose parts are `sent`. What needs times is None where the
recordings have none.
"""

import msgspec


class Spread(msgspec.Struct, frozen=True):
    """How long `count` of something took."""

    count: int
    p50: float
    p90: float
    p99: float
    max: float
    mean: float


class Part(msgspec.Struct, frozen=True):
    """A stretch of sorted values: how many, the lowest, their mean, the highest."""

    count: int
    low: float
    mean: float
    high: float


class RecordedTool(msgspec.Struct, frozen=True):
    """The calls of a tool; `share` is of all calls. Soft errors are outputs that begin as error texts do."""

    name: str
    calls: int
    share: float
    failed: int
    soft_errors: int
    latency_s: Spread | None = None


class RecordedScores(msgspec.Struct, frozen=True):
    """The scores of `count` rollouts; `zero` and `one` are how many are exactly 0 and 1."""

    count: int
    missing: int
    zero: int
    one: int
    mean: float | None = None
    std: float | None = None


class WhatIf(msgspec.Struct, frozen=True):
    """How long a pass would have taken if so many calls had been served at a time."""

    at_a_time: int
    duration_s: float


class Queue(msgspec.Struct, frozen=True):
    """What served calls `at_a_time`, each for `service_s`, so that `per_s` of them finished.

    `what_if` replays the pass against such servers, first as many as were found, then more; it is empty
    where the first of them does not take about as long as was recorded, or where there are too many calls.
    """

    per_s: float
    at_a_time: int
    service_s: float
    what_if: tuple[WhatIf, ...] = ()


class Cold(msgspec.Struct, frozen=True):
    """Nothing finished for `seconds` after the first call's start, and then `at_once` within half a one."""

    seconds: float
    at_once: int


class Polled(msgspec.Struct, frozen=True):
    """So many calls of more than a second took whole seconds and nearly `fraction` of one.

    `share` is of those that lie within a tenth of a second of it.
    """

    calls: int
    fraction: float
    share: float


class CallSeries(msgspec.Struct, frozen=True):
    """Calls in flight on average, and calls finished, in each `point_s` from the pass's beginning on."""

    point_s: int
    in_flight: tuple[float, ...]
    finished: tuple[int, ...]


class RecordedPass(msgspec.Struct, frozen=True):
    """A stretch of time with rollouts in flight, before and after which there is a pause.

    `began_at` is None where times do not count from the epoch. `first_finished_s` is from the first call's
    start, `first_finished` how many calls finished within half a second from then on. `finished_per_s` is
    the mean from the first to the last that finished, `gap_s` the median between one and the next.
    """

    rollouts: int
    calls: int
    began_at: str | None
    duration_s: float
    in_flight_max: int
    calls_in_flight_max: int
    first_finished_s: float | None = None
    first_finished: int = 0
    finished_per_s: float | None = None
    gap_s: float | None = None
    latency_s: Spread | None = None
    queue: Queue | None = None
    cold: Cold | None = None
    polled: Polled | None = None
    series: CallSeries | None = None


class Oddities(msgspec.Struct, frozen=True):
    """What is odd about calls and rollouts, whenever they took place.

    `bad_arguments` are no JSON object. `undeclared` counts calls by tools that the rollout's row, which
    declares others, does not. `unreadable` are calls of several at once that reached nobody. `repeated` are
    rollouts that made the same call twice, `unanswered` those without an answer, `capped` those of them that
    made as many calls as any made; `longest` are all that did.
    """

    bad_arguments: int = 0
    undeclared: dict[str, int] = {}
    unreadable: int = 0
    repeated: int = 0
    unanswered: int = 0
    capped: int = 0
    longest: int = 0


class Reading(msgspec.Struct, frozen=True):
    """What was read: files, rollouts by format, and broken records, with the places of the first ones."""

    files: int
    formats: dict[str, int]
    records: int
    broken: int = 0
    examples: tuple[str, ...] = ()


class Recorded(msgspec.Struct, frozen=True):
    """What recordings hold.

    `by_calls[n]` is how many rollouts made n calls, `by_sent[n]` how many sent n; `at_once[n]` is how many
    turns sent n calls, those without any left out. `think_parts` are up to twenty parts, alike in size, of
    the sorted think times of turns. `passes` are the largest, in time order, of `passes_in_all`.
    """

    reading: Reading
    rollouts: int
    items: int
    groups: int
    calls: int
    sent: int
    calls_per_rollout: float
    calls_max: int
    turns: int
    turns_at_once: int
    at_once_max: int
    by_calls: tuple[int, ...]
    by_sent: tuple[int, ...]
    at_once: tuple[int, ...]
    sent_by_tool: dict[str, int]
    tools: tuple[RecordedTool, ...]
    scores: RecordedScores
    oddities: Oddities
    latency_s: Spread | None = None
    think_s: Spread | None = None
    think_parts: tuple[Part, ...] = ()
    rollout_s: Spread | None = None
    passes_in_all: int = 0
    passes: tuple[RecordedPass, ...] = ()
