"""What a study of a grader found, as reports and gates may see it; the names are those of `report.json`.

Shares are from 0 to 1; scores and differences of scores are in the grader's own unit.
"""

import msgspec

ROUNDING = 1e-6
"""A smaller difference between scores of one sample is arithmetic's."""


class Estimate(msgspec.Struct, frozen=True):
    """A figure and the ends of its 95% interval, which resamples whole groups.

    The intervals of noise, load and workers are wider: together they hold at 95%.

    All are None where there is nothing to compute it from; the ends alone where there is a single group.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None


NOTHING = Estimate()


class Confusion(msgspec.Struct, frozen=True):
    """How many samples reach the threshold by the grader's score, and by what it is compared with."""

    threshold: float
    both: int
    grader_only: int
    reference_only: int
    neither: int


class OrderPairs(msgspec.Struct, frozen=True):
    """Pairs of rollouts of one group: ranked alike, the other way round, or tied by one or both."""

    alike: int
    reversed: int
    tied_by_grader: int
    tied_by_reference: int
    tied_by_both: int


class Misses(msgspec.Struct, frozen=True):
    """Samples that one of two judges passes and the other fails, by the reason that their texts show.

    `of` is how many the first passes. Reasons are such as `format: thousands separators`; those that begin
    with `format: ` are the reference in another form.
    """

    of: int
    reasons: dict[str, int]

    @property
    def count(self) -> int:
        """How many are missed."""
        return sum(self.reasons.values())

    @property
    def for_format(self) -> int:
        """How many are missed although they say the same in another form."""
        return sum(count for reason, count in self.reasons.items() if reason.startswith("format: "))


class ScorePair(msgspec.Struct, frozen=True, array_like=True):
    """How many samples have this score by the grader, and that one by what it is compared with."""

    grader: float
    reference: float
    count: int


class Agreement(msgspec.Struct, frozen=True):
    """How far two sets of scores of the same samples agree.

    Differences are the grader's score less the other. `rank_pairs` is how many of the `pairs` Spearman's and
    Kendall's coefficients are computed from. `order` is the share of pairs of rollouts of one group that both
    rank alike, of those that either ranks; `sign` the share of rollouts whose score lies on the same side of
    its group's mean, or on it, by both. `grader_misses` are samples that the other passes and the grader
    fails, `reference_misses` the opposite. `scores` are the pairs themselves, to be drawn: where there are
    too many different ones, those that lie close together are taken for one.
    """

    pairs: int
    groups: int
    rank_pairs: int
    tolerance: float
    exact: Estimate
    within: Estimate
    mean_abs_difference: Estimate
    bias: Estimate
    limits_low: Estimate
    limits_high: Estimate
    pearson: Estimate
    spearman: Estimate
    kendall: Estimate
    icc1: Estimate
    icc2: Estimate
    icc3: Estimate
    alpha: Estimate
    kappa: Estimate
    weighted_kappa: Estimate
    order: Estimate
    sign: Estimate
    confusion: Confusion
    order_pairs: OrderPairs
    grader_misses: Misses
    reference_misses: Misses
    scores: tuple[ScorePair, ...] = ()


class Repeatability(msgspec.Struct, frozen=True):
    """What becomes of a sample that is graded again while nothing else is going on.

    `sd` is the standard deviation of one score around its sample's mean, without what connections differ by;
    `max_spread` the largest highest-less-lowest of one sample; `changed` the share of samples whose scores
    are not all the same; `icc1` the reliability of one score.
    """

    samples: int
    repeats: int
    sd: Estimate
    max_spread: float
    changed: Estimate
    icc1: Estimate


class LoadShift(msgspec.Struct, frozen=True):
    """What becomes of the same samples' scores with so many calls in flight on average, and after that.

    Differences are less the score before the load. `found` tells whether 0 lies outside a 99.5% interval.
    """

    samples: int
    in_flight: int
    shift: Estimate
    after: Estimate
    failed: int
    found: bool
    found_after: bool


class WorkerShift(msgspec.Struct, frozen=True):
    """Whether scores depend on the connection, and so on the worker at its end.

    `kinds` is how many kinds of connections can be told apart, `shift` how far the extreme ones differ;
    `p_value` is of the hypothesis that they are all alike.
    """

    connections: int
    kinds: int
    shift: Estimate
    p_value: float
    found: bool


class PassAtK(msgspec.Struct, frozen=True):
    """The chance that at least one of `k` rollouts of an item passes, averaged over items."""

    k: int
    value: float


class VarianceParts(msgspec.Struct, frozen=True):
    """The shares of the scores' variance: between items, between an item's rollouts, the grader's own noise.

    `noise` is None where no sample was graded twice; then it is part of `rollouts`.
    """

    items: float | None
    rollouts: float | None
    noise: float | None


class ItemScores(msgspec.Struct, frozen=True):
    """The rollouts of one item."""

    item: int
    split: str
    rollouts: int
    mean: float
    std: float
    best: float


class Failures(msgspec.Struct, frozen=True):
    """The scores with and without the rollouts in which an endpoint failed; `shift` is with less without.

    `found` tells whether 0 lies outside a 99.5% interval of the shift.
    """

    failed: int
    mean_failed: float | None
    mean_others: float | None
    shift: Estimate
    found: bool


class Learnability(msgspec.Struct, frozen=True):
    """Whether there is anything to learn from the scores.

    `rollouts` are those with a score, `groups` those of them with at least two; the shares of groups with
    no variance are by those. `calls_correlation` is Spearman's, of score and number of tool calls. `zero` and
    `one` are the shares of scores of exactly 0 and 1.
    """

    rollouts: int
    items: int
    groups: int
    mean: Estimate
    std: float
    zero: float
    one: float
    flat_groups: Estimate
    all_zero_groups: float
    all_one_groups: float
    threshold: float
    pass_at: tuple[PassAtK, ...]
    variance: VarianceParts
    calls_correlation: Estimate
    failures: Failures
    per_item: tuple[ItemScores, ...]
