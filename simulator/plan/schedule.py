"""When rollouts start: a list of phases, computed before the first one does.

Every mode is the same thing seen by the engine: an order of rollouts with the moment each becomes due, a
limit on how many may be in flight, and an end.

    training     all due at once, no limit; then the update's pause; evaluation passes in between
    recorded     all due at once, in the recorded order, limited as was recorded; ends with the last
    steady       the first due one after another, then limited to `in_flight`; ends by time or count
    rate         due one after another, no limit; ends by time or count
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from simulator.errors import InputError
from simulator.model import Hyperparameters, Item, Job, Load, PhaseKind, RolloutSpec

DEFAULT_BATCH_SIZE = 16
DEFAULT_EVAL_SAMPLES = 5
DEFAULT_IN_FLIGHT = 32
"""Of rollouts that were recorded without times: what evaluation passes of a real job had in flight."""
MOST_ROLLOUTS = 1_000_000
"""In the training steps of a run; they are laid out beforehand."""
RAMP_SHARE, MOST_RAMP_S, RAMP_PER_S = 0.1, 10.0, 2000
"""Unless it says otherwise, a steady load comes up over a tenth of its time, at most ten seconds, and by no
more rollouts a second than that; bursts are what the mode `training` is for."""
_ROUNDING = 1e-9  # 50 s at 1.1/s are 55 rollouts, although 50 * 1.1 > 55 in floating point


class Phase(msgspec.Struct, frozen=True):
    """A stretch of the run. `rollouts` may be endless when `duration_s` is not None.

    `planned` counts the rollouts, None where only time ends the phase. `in_flight_limit` None is no limit.
    `pause_s` follows the phase, already scaled.
    """

    kind: PhaseKind
    step: int
    rollouts: Iterable[RolloutSpec]
    planned: int | None
    in_flight_limit: int | None = None
    duration_s: float | None = None
    pause_s: float = 0.0


class Arrivals(msgspec.Struct, frozen=True):
    """The load with everything that it left to the job filled in; what the report prints."""

    batch_size: int
    compute_multiplier: float
    rollouts_per_group: int
    eval_interval: int | None
    eval_samples: int
    assumptions: tuple[str, ...]

    @property
    def rollouts_per_step(self) -> int:
        """Return batch_size x round(group_size x compute_multiplier)."""
        return self.batch_size * self.rollouts_per_group


def arrivals(load: Load, hyper: Hyperparameters) -> Arrivals:
    """Fill in what the load leaves to the job, and note what had to be assumed.

    The formula for the rollouts of a step has no source; it fits 510 samples in a published step.
    """
    assumptions = [f"group_size {load.group_size}: no source gives it"]
    batch_size = load.batch_size or hyper.batch_size
    if batch_size is None:
        batch_size = DEFAULT_BATCH_SIZE
        assumptions.append(f"batch_size {batch_size}: the job leaves it to the platform")
    multiplier = load.compute_multiplier or hyper.compute_multiplier
    if multiplier is None:
        multiplier = 1.0
        assumptions.append("compute_multiplier 1: the job leaves it to the platform")
    eval_samples = load.eval_samples or hyper.eval_samples
    if eval_samples is None:
        eval_samples = DEFAULT_EVAL_SAMPLES
        if load.mode == "training" and load.evaluation:
            assumptions.append(f"eval_samples {eval_samples}: the job leaves it to the platform")
    return Arrivals(
        batch_size=batch_size,
        compute_multiplier=multiplier,
        rollouts_per_group=max(1, round(load.group_size * multiplier)),
        eval_interval=load.eval_interval or hyper.eval_interval,
        eval_samples=eval_samples,
        assumptions=() if load.mode == "recorded" else tuple(assumptions),  # it knows how many there were
    )


class Recorded(msgspec.Struct, frozen=True):
    """Of the recorded rollouts, in their order, the items and the groups.

    `in_flight` is how many were in flight at most, None where nobody knows.
    """

    items: Sequence[Item]
    groups: Sequence[int]
    in_flight: int | None


def schedule(
    job: Job, load: Load, train: Sequence[Item], valid: Sequence[Item], recorded: Recorded | None = None
) -> tuple[Phase, ...]:
    """Lay out the run; InputError when it asks for more rollouts than can be planned.

    What the load's mode needs, `in_flight` or `rollouts_per_s` or what was `recorded`, must be there.
    """
    filled = arrivals(load, job.hyperparameters)
    if load.mode == "training":
        planned = load.steps * filled.rollouts_per_step
        if planned > MOST_ROLLOUTS:
            message = f"asks for {planned:,} rollouts, and {MOST_ROLLOUTS:,} are the most that can be planned"
            raise InputError(message, where="load", remedy="lower steps, batch_size or the multiplier")
        return tuple(_training(load, filled, train, valid))
    if load.mode == "recorded":
        assert recorded is not None  # noqa: S101 the caller has seen to it
        return (_as_recorded(load, recorded),)
    if load.mode == "steady":
        return (_continuous("steady", load, filled, train, offset_s=_ramp(load), limit=load.in_flight),)
    return (_continuous("rate", load, filled, train, offset_s=_rate(load), limit=None),)


def items_played(
    load: Load, filled: Arrivals, train: Sequence[Item], valid: Sequence[Item]
) -> tuple[Item, ...]:
    """Return the items whose rollouts the schedule may start, each once."""
    if load.mode != "training":
        return tuple(train)
    return (*train[: load.steps * filled.batch_size], *(valid if load.evaluation else ()))


def _training(load: Load, filled: Arrivals, train: Sequence[Item], valid: Sequence[Item]) -> Iterator[Phase]:
    indices, groups = itertools.count(), itertools.count()
    rows = itertools.cycle(train)
    for step in range(1, load.steps + 1):
        items = list(itertools.islice(rows, filled.batch_size))
        yield Phase(
            kind="training",
            step=step,
            rollouts=_grouped("training", step, items, filled.rollouts_per_group, indices, groups),
            planned=filled.rollouts_per_step,
            in_flight_limit=load.in_flight_limit,
            pause_s=load.update_s * load.time_scale if step < load.steps else 0.0,
        )
        due = step == load.steps or (filled.eval_interval and step % filled.eval_interval == 0)
        if load.evaluation and valid and due:
            yield Phase(
                kind="evaluation",
                step=step,
                rollouts=_grouped("evaluation", step, valid, filled.eval_samples, indices, groups),
                planned=len(valid) * filled.eval_samples,
                in_flight_limit=load.eval_in_flight_limit,
            )


def _grouped(
    kind: PhaseKind,
    step: int,
    items: Iterable[Item],
    size: int,
    indices: Iterator[int],
    groups: Iterator[int],
) -> tuple[RolloutSpec, ...]:
    return tuple(
        RolloutSpec(next(indices), step, kind, group, item, place=place)
        for item, group in zip(items, groups, strict=False)
        for place in range(size)
    )


def _as_recorded(load: Load, recorded: Recorded) -> Phase:
    return Phase(
        kind="recorded",
        step=1,
        rollouts=tuple(
            RolloutSpec(index, 1, "recorded", group, item)
            for index, (item, group) in enumerate(zip(recorded.items, recorded.groups, strict=True))
        ),
        planned=len(recorded.items),
        in_flight_limit=load.in_flight or recorded.in_flight or DEFAULT_IN_FLIGHT,
    )


def _ramp(load: Load) -> Callable[[int], float]:
    """Return when a steady load's rollouts are due at the earliest, in seconds after its beginning."""
    ramp_s = load.ramp_s
    if ramp_s is None:
        duration_s, gently_s = load.duration_s or 0.0, (load.in_flight or 0) / RAMP_PER_S
        ramp_s = min(max(min(MOST_RAMP_S, RAMP_SHARE * duration_s), gently_s), duration_s / 2)
    gap_s = ramp_s / (load.in_flight or 1)
    return lambda index: min(index * gap_s, ramp_s)


def _rate(load: Load) -> Callable[[int], float]:
    per_s = load.rollouts_per_s or math.inf
    return lambda index: index / per_s


def _continuous(
    kind: PhaseKind,
    load: Load,
    filled: Arrivals,
    train: Sequence[Item],
    *,
    offset_s: Callable[[int], float],
    limit: int | None,
) -> Phase:
    size = filled.rollouts_per_group
    planned = load.rollouts
    if planned is None and kind == "rate" and load.rollouts_per_s and load.duration_s is not None:
        planned = math.ceil(load.duration_s * load.rollouts_per_s - _ROUNDING)
    return Phase(
        kind=kind,
        step=1,
        rollouts=(
            RolloutSpec(
                index,
                1,
                kind,
                index // size,
                train[index // size % len(train)],
                offset_s(index),
                index % size,
            )
            for index in (itertools.count() if planned is None else range(planned))
        ),
        planned=planned,
        in_flight_limit=limit,
        duration_s=load.duration_s,
    )
