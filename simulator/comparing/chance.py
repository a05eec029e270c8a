"""Two runs beside each other, drawn again and again: how far chance alone may move each line apart."""

from collections.abc import Sequence

import msgspec
import numpy as np

from simulator.comparing.columns import Columns, Floats
from simulator.comparing.drawing import REPLICATES, Sample, drawn, draws, draws_of_blocks
from simulator.comparing.lines import Line, counted_by, counted_by_time

PERIODS, BLOCK = 20, 4

_SEED = 20_260


class Chance(msgspec.Struct, frozen=True):
    """The lines' statistics in both runs: a row for the data, then one for each replicate.

    `units` is how many were drawn from.
    """

    base: Floats
    now: Floats
    units: int


def by_rollout(base: Columns, now: Columns, lines: Sequence[Line], *, paired: bool) -> Chance:
    """Draw whole rollouts; where `paired`, those of one number together in both runs.

    Where not, what differs from item to item is drawn by whole groups.
    """
    if paired:
        numbers, unit = np.unique(np.concatenate([base.rollout, now.rollout]), return_inverse=True)
        units = unit[: len(base.rollout)], unit[len(base.rollout) :]
        runs = zip((base, now), units, strict=True)
        samples = [counted_by(run, lines, of, len(numbers)) for run, of in runs]
        values = [_replicates(sample, _SEED) for sample in samples]
        return Chance(values[0], values[1], len(numbers))
    samples = [counted_by(run, lines, np.arange(len(run.rollout)), len(run.rollout)) for run in (base, now)]
    values = [_replicates(sample, _own_seed(run)) for sample, run in zip(samples, (base, now), strict=True)]
    for run, drawn_apart in zip((base, now), values, strict=True):
        _draw_groups(run, lines, drawn_apart)
    return Chance(values[0], values[1], min(sample.units for sample in samples))


def by_time(base: Columns, now: Columns, lines: Sequence[Line]) -> tuple[Chance, ...]:
    """Draw periods of the runs, the same in both, and then blocks of neighbours."""
    samples = [counted_by_time(run, lines, PERIODS) for run in (base, now)]
    chances = []
    for length in (1, BLOCK):
        values = [
            drawn(sample, draws_of_blocks(PERIODS, length, _SEED, 2 * REPLICATES)) for sample in samples
        ]
        chances.append(Chance(values[0], values[1], PERIODS))
    return tuple(chances)


def _replicates(sample: Sample, seed: int) -> Floats:
    return drawn(sample, draws(sample.units, seed, REPLICATES))


def _draw_groups(run: Columns, lines: Sequence[Line], values: Floats) -> None:
    """Put the replicates by whole groups in the place of those by rollouts, where a line wants it."""
    labels, unit = np.unique(run.group, return_inverse=True)
    only = [number for number, line in enumerate(lines) if line.per_group]
    sample = counted_by(run, [lines[number] for number in only], unit, len(labels))
    values[1:, only] = _replicates(sample, _own_seed(run))[1:]


def _own_seed(run: Columns) -> int:
    """Return a seed that depends on the run alone, so that to swap the runs swaps what is told of them."""
    return int(np.frombuffer(run.ended_s.tobytes(), np.uint32).sum() % 2**32)
