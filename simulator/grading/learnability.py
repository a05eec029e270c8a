"""Whether there is anything to learn from scores: by how much they differ, and where that comes from."""

import msgspec
import numpy as np
from scipy import special

from simulator.grading import ranks
from simulator.grading.ordering import SAME
from simulator.grading.reliability import ratio
from simulator.grading.resampling import STRICT, Floats, Grouped, Ints, Resampling, grouped, is_off
from simulator.measure.graded import Estimate, Failures, ItemScores, Learnability, PassAtK, VarianceParts


class Rewards(msgspec.Struct, frozen=True):
    """Rollouts and their scores, NaN without one; all arrays are as long.

    `item` and `group` label the item and the group; `calls` counts tool calls, `failed` tells of endpoints.
    `splits` is the dataset of each label of an item.
    """

    score: Floats
    item: Ints
    group: Ints
    calls: Floats
    failed: np.ndarray
    splits: dict[int, tuple[str, int]]


def learnability(
    rewards: Rewards, threshold: float, seed: int, noise_variance: float | None = None
) -> Learnability | None:
    """Return what there is to learn; None without a score.

    A score passes that reaches `threshold`. `noise_variance` is the grader's own, if it is known.
    """
    scored = np.isfinite(rewards.score)
    if not scored.any():
        return None
    score, groups, items = (
        rewards.score[scored],
        grouped(rewards.group[scored]),
        grouped(rewards.item[scored]),
    )
    resampling = Resampling(groups.count, seed)
    several, flat, zeros, ones = _flat(score, groups)
    n, sums = resampling.totals(groups.sums(np.ones_like(score), score)).T
    comparable = resampling.totals(np.stack([several, flat * several], axis=1).astype(float)).T
    return Learnability(
        rollouts=len(score),
        items=items.count,
        groups=int(several.sum()),
        mean=resampling.estimate(sums / n),
        std=float(score.std()),
        zero=float((score == 0).mean()),
        one=float((score == 1).mean()),
        flat_groups=resampling.estimate(ratio(comparable[1], comparable[0])),
        all_zero_groups=_share(flat & zeros, several),
        all_one_groups=_share(flat & ones, several),
        threshold=threshold,
        pass_at=_pass_at(score >= threshold - SAME, items),
        variance=_variance(score, items, noise_variance),
        calls_correlation=_with_calls(score, rewards.calls[scored], groups, resampling, seed),
        failures=_failures(score, rewards.failed[scored], groups, resampling),
        per_item=_per_item(score, items, np.unique(rewards.item[scored]), rewards.splits),
    )


def _flat(score: Floats, groups: Grouped) -> tuple[np.ndarray, ...]:
    """Return of each group whether it has several rollouts, has no variance, and begins with 0, or with 1."""
    low, high = groups.extremes(score)
    several = np.bincount(groups.of, minlength=groups.count) > 1
    return several, high - low < SAME, np.abs(low) < SAME, np.abs(low - 1) < SAME


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    return float((part & whole).sum() / whole.sum()) if whole.any() else 0.0


def pass_at_k(n: Ints, passed: Ints, k: int) -> Floats:
    """Return the chance that at least one of `k` passes, drawn from `n` of which so many passed; k <= n.

    1 - C(n - passed, k) / C(n, k): Chen et al., "Evaluating Large Language Models Trained on Code" (2021).
    """
    failed = n - passed
    chance: Floats = 1 - np.where(failed >= k, special.binom(failed, k) / special.binom(n, k), 0.0)
    return chance


def _pass_at(passes: np.ndarray, items: Grouped) -> tuple[PassAtK, ...]:
    """Return the chance for 1, 2, 4, ... rollouts, and for as many as every item has."""
    n = np.bincount(items.of, minlength=items.count)
    passed = np.bincount(items.of[passes], minlength=items.count)
    most = int(n.min())
    ks = sorted({*(2**power for power in range(most.bit_length())), most})
    return tuple(PassAtK(k, float(pass_at_k(n, passed, k).mean())) for k in ks)


def _variance(score: Floats, items: Grouped, noise: float | None) -> VarianceParts:
    """Split the variance by a one-way analysis, the items being drawn at random and of any sizes.

    Searle, Casella and McCulloch, "Variance Components" (1992), section 3.6.
    """
    n, sizes = len(score), np.bincount(items.of, minlength=items.count)
    inside = float(((score - items.means(score)) ** 2).sum())
    around = float(((score - score.mean()) ** 2).sum()) - inside
    if n <= items.count or items.count < 2:
        return VarianceParts(None, None, None)
    within = inside / (n - items.count)
    usual_size = float(n - (sizes**2).sum() / n) / (items.count - 1)
    between = max(0.0, (around / (items.count - 1) - within) / usual_size)
    total = between + within
    if total < SAME**2:
        return VarianceParts(None, None, None)
    grader = None if noise is None else min(noise, within)
    return VarianceParts(
        items=between / total,
        rollouts=(within - (grader or 0.0)) / total,
        noise=None if grader is None else grader / total,
    )


def _with_calls(score: Floats, calls: Floats, groups: Grouped, resampling: Resampling, seed: int) -> Estimate:
    if calls.max() - calls.min() < 1 or score.max() - score.min() < SAME:
        return Estimate()
    ranked, some, drawn = ranks.sampled(groups, resampling, seed)
    return drawn.estimate(ranks.spearman(score[ranked], calls[ranked], some, drawn))


def _failures(score: Floats, failed: np.ndarray, groups: Grouped, resampling: Resampling) -> Failures:
    fine = ~failed
    n, total, others, their_sum = resampling.totals(
        groups.sums(np.ones_like(score), score, fine.astype(float), score * fine)
    ).T
    difference = total / n - ratio(their_sum, others)
    shift = resampling.estimate(difference) if failed.any() else Estimate()
    means = [float(score[some].mean()) if some.any() else None for some in (failed, fine)]
    found = failed.any() and is_off(resampling.estimate(difference, STRICT))
    return Failures(int(failed.sum()), means[0], means[1], shift, bool(found))


def _per_item(
    score: Floats, items: Grouped, labels: Ints, splits: dict[int, tuple[str, int]]
) -> tuple[ItemScores, ...]:
    order = np.argsort(items.of, kind="stable")
    parts = np.split(score[order], np.cumsum(np.bincount(items.of, minlength=items.count))[:-1])
    found = []
    for label, scores in zip(labels, parts, strict=True):
        split, item = splits.get(int(label), ("", int(label)))
        figures = float(scores.mean()), float(scores.std()), float(scores.max())
        found.append(ItemScores(item, split, len(scores), *figures))
    return tuple(found)
