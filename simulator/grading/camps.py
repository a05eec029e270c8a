"""Telling kinds of connections apart by how their scores differ."""

import msgspec
import numpy as np
from scipy import special

from simulator.grading.resampling import TOGETHER, Floats
from simulator.measure.graded import Estimate

_MOST_KINDS = 6
_ROUNDS = 100
_WIDTH = float(special.ndtri((1 + TOGETHER) / 2))


class Camps(msgspec.Struct, frozen=True):
    """How many kinds there are, and how far the lowest and the highest lie apart."""

    kinds: int
    shift: Estimate


ALIKE = Camps(1, Estimate(0.0))
"""What cannot be told apart: how far apart it may be all the same, nothing says."""


class _Mixture(msgspec.Struct, frozen=True):
    means: Floats
    errors: Floats
    likelihood: float


def camps(effects: Floats, errors: Floats) -> Camps:
    """Return the kinds of effects, each of which is known with a standard error.

    They are components of a mixture; the Bayesian information criterion says how many (Schwarz, 1978).
    """
    fits = [_fit(effects, errors, kinds) for kinds in range(1, min(_MOST_KINDS, len(effects)) + 1)]
    price = np.log(len(effects))
    best = min(fits, key=lambda fit: (2 * len(fit.means) - 1) * price - 2 * fit.likelihood)
    low, high = int(best.means.argmin()), int(best.means.argmax())
    shift = float(best.means[high] - best.means[low])
    if low == high:
        return ALIKE
    wide = _WIDTH * float(np.hypot(best.errors[low], best.errors[high]))
    return Camps(len(best.means), Estimate(shift, shift - wide, shift + wide))


def _fit(effects: Floats, errors: Floats, kinds: int) -> _Mixture:
    """Fit so many components by expectation and maximisation, beginning at the widest gaps."""
    order = np.argsort(effects)
    gaps = np.sort(np.argsort(np.diff(effects[order]))[::-1][: kinds - 1]) + 1
    means = np.array([part.mean() for part in np.split(effects[order], gaps)])
    shares, precision = np.full(kinds, 1 / kinds), 1 / errors**2
    for _ in range(_ROUNDS):
        density = np.log(shares) - 0.5 * (effects[:, None] - means) ** 2 * precision[:, None]
        top = density.max(1, keepdims=True)
        belongs = np.exp(density - top)
        total = belongs.sum(1, keepdims=True)
        belongs /= total
        weights = belongs * precision[:, None]
        sums = np.maximum(weights.sum(0), 1e-300)
        means = (weights * effects[:, None]).sum(0) / sums
        shares = np.maximum(belongs.mean(0), 1e-300)
    likelihood = float((top + np.log(total)).sum() - np.log(errors).sum())
    return _Mixture(means, 1 / np.sqrt(sums), likelihood)
