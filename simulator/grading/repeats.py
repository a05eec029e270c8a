"""What a grader's own doing adds to scores: noise, what load does to it, and which worker answers.

A sample's score is taken apart as    score = the sample's own + its connection's + noise
Connections stand for the workers at their ends. The two parts are fitted by least squares, since not every
sample was graded over every connection.
"""

import msgspec
import numpy as np
from scipy import special

from simulator.grading.camps import ALIKE, camps
from simulator.grading.reliability import Table, iccs, ratio
from simulator.grading.resampling import STRICT, TOGETHER, Floats, Grouped, Ints, Resampling, is_off
from simulator.measure.graded import ROUNDING, LoadShift, Repeatability, WorkerShift

_SIGNIFICANT = 1 - STRICT
_MARKS_PER_CONNECTION, _ENOUGH_PER_CONNECTION = 4, 16
_SWEEPS, _CONVERGED = 200, 1e-13


class Marks(msgspec.Struct, frozen=True):
    """Scores, with the sample and the connection of each, numbered from 0; -1 is a connection unknown."""

    sample: Ints
    score: Floats
    connection: Ints

    def __len__(self) -> int:
        return len(self.score)

    def means(self, samples: int) -> Floats:
        """Return each sample's mean, NaN for one without a score."""
        count = np.bincount(self.sample, minlength=samples).astype(float)
        return ratio(np.bincount(self.sample, self.score, samples).astype(float), count)


_NO_MARKS = Marks(np.zeros(0, dtype=np.intp), np.zeros(0), np.zeros(0, dtype=np.intp))


class Fit(msgspec.Struct, frozen=True):
    """Marks taken apart. `residual` of each mark; `free` are the degrees of freedom that are left.

    `effects` and `sizes` are those of the connections; both are empty where connections are not told apart.
    """

    residual: Floats
    free: int
    effects: Floats
    sizes: Ints

    @property
    def variance(self) -> float:
        """The noise's variance; 0 where nothing is left to tell it from."""
        return float(self.residual @ self.residual) / self.free if self.free > 0 else 0.0


def taken_apart(rows: Ints, marks: Marks, *, with_connections: bool) -> Fit:
    """Fit each row's own score and, if wanted and possible, each connection's; `rows` are numbered from 0."""
    count = np.bincount(rows)
    residual = marks.score - (np.bincount(rows, marks.score) / np.maximum(count, 1))[rows]
    free = int(len(marks) - (count > 0).sum())
    known, connection = np.unique(marks.connection, return_inverse=True)
    told_apart = with_connections and 1 < len(known) <= len(marks) / _MARKS_PER_CONNECTION and known[0] >= 0
    if not told_apart:
        return Fit(residual, free, np.zeros(0), np.zeros(0, dtype=np.intp))
    sizes, effects = np.bincount(connection), np.zeros(len(known))
    for _ in range(_SWEEPS):
        step = np.bincount(connection, residual) / sizes
        residual = residual - step[connection]
        residual = residual - (np.bincount(rows, residual) / np.maximum(count, 1))[rows]
        effects = effects + step
        if np.abs(step).max() < _CONVERGED:
            break
    return Fit(residual, free - len(known) + 1, effects - effects @ sizes / sizes.sum(), sizes)


# -- noise


def repeatability(marks: Marks, groups: Grouped, seed: int) -> Repeatability | None:
    """Return what becomes of samples that are graded again; None where none was.

    `groups` are those of the samples.
    """
    samples = len(groups.of)
    times = np.bincount(marks.sample, minlength=samples)
    again = times > 1
    if not again.any():
        return None
    resampling, fit = Resampling(groups.count, seed), taken_apart(marks.sample, marks, with_connections=True)
    squares = np.bincount(marks.sample, fit.residual**2, samples)
    free = (times - again) * again * (fit.free / max(1, (times[again] - 1).sum()))
    totals = resampling.totals(groups.sums(squares * again, free)).T
    low, high = Grouped(marks.sample, samples).extremes(marks.score)
    spread = np.where(again, high - np.where(again, low, 0.0), 0.0)
    counted, changed = resampling.totals(groups.sums(again.astype(float), (spread > ROUNDING) * 1.0)).T
    return Repeatability(
        samples=int(again.sum()),
        repeats=int(times.max()),
        sd=resampling.of_spread(np.sqrt(np.maximum(ratio(*totals), 0.0)), TOGETHER),
        max_spread=float(spread.max()),
        changed=resampling.estimate(ratio(changed, counted)),
        icc1=resampling.estimate(_icc1(marks, times, groups, resampling)),
    )


def _icc1(marks: Marks, times: Ints, groups: Grouped, resampling: Resampling) -> Floats:
    """Return the replicates of the reliability of one score, from the samples that were graded most often."""
    k = int(times.max())
    whole = np.flatnonzero(times == k)
    order = np.argsort(marks.sample, kind="stable")
    scores = marks.score[order][(times == k)[marks.sample[order]]].reshape(len(whole), k)
    scores = scores - scores.mean()
    columns = np.zeros((groups.count, k))
    np.add.at(columns, groups.of[whole], scores)
    sums = np.zeros((groups.count, 3))
    rows = np.stack([np.ones(len(whole)), (scores**2).sum(1), scores.sum(1) ** 2], axis=1)
    np.add.at(sums, groups.of[whole], rows)
    n, squares, row_squares = resampling.totals(sums).T
    return iccs(Table(n, k, squares, row_squares, resampling.totals(columns))).icc1


# -- load


def load_shift(
    before: Marks, load: Marks, after: Marks, groups: Grouped, seed: int, *, in_flight: int, failed: int
) -> LoadShift | None:
    """Return by how much scores differ under load and after it; None where no sample was graded in both.

    Only scores over the same connection are compared, where there are enough of them: otherwise a worker
    that answers more of the calls under load would pass for an effect of the load.
    """
    shift = _differences(before, load, len(groups.of))
    if not np.isfinite(shift).any():
        return None
    resampling = Resampling(groups.count, seed)
    replicates, later = (
        _mean(differences, groups, resampling)
        for differences in (shift, _differences(before, after, len(groups.of)))
    )
    return LoadShift(
        samples=int(np.isfinite(shift).sum()),
        in_flight=in_flight,
        shift=resampling.estimate(replicates, TOGETHER),
        after=resampling.estimate(later, TOGETHER),
        failed=failed,
        found=is_off(resampling.estimate(replicates, STRICT), ROUNDING),
        found_after=is_off(resampling.estimate(later, STRICT), ROUNDING),
    )


def _differences(before: Marks, later: Marks, samples: int) -> Floats:
    """Return each sample's mean score later less before, NaN for one that lacks either."""
    wide = 1 + max(before.connection.max(initial=0), later.connection.max(initial=0))
    keys = [marks.sample * wide + marks.connection for marks in (before, later)]
    shared = np.intersect1d(*keys)
    if min(before.connection.min(initial=0), later.connection.min(initial=0)) >= 0 and _enough(shared, keys):
        before, later = (
            Marks(m.sample[kept], m.score[kept], m.connection[kept])
            for m, kept in zip((before, later), (np.isin(key, shared) for key in keys), strict=True)
        )
    return later.means(samples) - before.means(samples)


def _enough(shared: Ints, keys: list[Ints]) -> bool:
    return 2 * len(shared) >= min(len(np.unique(key)) for key in keys) > 0


def _mean(values: Floats, groups: Grouped, resampling: Resampling) -> Floats:
    there = np.isfinite(values)
    return ratio(*resampling.totals(groups.sums(np.where(there, values, 0.0), there.astype(float))).T)


# -- workers


def worker_shift(before: Marks, load: Marks) -> WorkerShift | None:
    """Return whether scores depend on the connection; None where connections cannot be told apart.

    Marks under load are used only where others are few: a load that meets workers unequally would pass for
    a difference between them. An F test says whether they all are alike. How many kinds there are, and how
    far apart, a mixture of normal distributions says, fitted to the connections' effects.
    """
    before, load = _known(before), _known(load)
    if len(before) >= _ENOUGH_PER_CONNECTION * len(np.unique(before.connection)):
        load = _NO_MARKS
    marks = Marks(*(np.concatenate(parts) for parts in zip(_parts(before), _parts(load), strict=True)))
    samples = int(marks.sample.max(initial=-1)) + 1
    under_load = np.repeat([0, samples], [len(before), len(load)])
    rows = np.unique(marks.sample + under_load, return_inverse=True)[1]
    alike, fit = (taken_apart(rows, marks, with_connections=wanted) for wanted in (False, True))
    if not len(fit.effects) or fit.free <= 0:
        return None
    p_value = _p_value(alike, fit)
    own_scores = (rows.max() + 1) / len(marks)  # which rows' own scores took of what the marks can tell
    known_by = fit.sizes * (1 - own_scores)
    found = camps(fit.effects, np.sqrt(np.maximum(fit.variance, ROUNDING**2) / known_by))
    significant = p_value < _SIGNIFICANT and found.kinds > 1
    told = found if significant else ALIKE
    return WorkerShift(
        connections=len(fit.effects),
        kinds=told.kinds,
        shift=told.shift,
        p_value=p_value,
        found=significant and (told.shift.value or 0.0) > ROUNDING,
    )


def _known(marks: Marks) -> Marks:
    """Return the marks whose connection is known."""
    known = marks.connection >= 0
    return Marks(marks.sample[known], marks.score[known], marks.connection[known])


def _parts(marks: Marks) -> tuple[Ints, Floats, Ints]:
    return marks.sample, marks.score, marks.connection


def _p_value(alike: Fit, apart: Fit) -> float:
    explained = float(alike.residual @ alike.residual - apart.residual @ apart.residual)
    connections = len(apart.effects) - 1
    if explained / len(alike.residual) < ROUNDING**2:
        return 1.0
    noise = max(apart.variance, ROUNDING**2)
    return float(special.fdtrc(connections, apart.free, explained / connections / noise))
