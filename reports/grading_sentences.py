"""What a grader's summary says, in lines that a run's report and a study's have in common."""

from collections.abc import Callable, Iterator

from reports.text import count, counted, enumerated, number, plain, share
from simulator.measure.graded import ROUNDING, Agreement, Estimate, Learnability, LoadShift, Misses
from simulator.measure.summary import GraderSummary

_REASONS = 4


def score(value: float | None) -> str:
    """Return a score, or a difference of scores."""
    if value is None:
        return "-"
    return f"{value:.3f}" if abs(value) < 100 else number(value)


def percent(value: float | None) -> str:
    """Return a share in percent."""
    return "-" if value is None else share(value)


def between(estimate: Estimate, shown: Callable[[float | None], str] = score) -> str:
    """Return an estimate with the ends of its 95% interval."""
    if estimate.low is None or estimate.high is None:
        return shown(estimate.value)
    return f"{shown(estimate.value)} ({shown(estimate.low)} to {shown(estimate.high)})"


def repeats_lines(grader: GraderSummary) -> Iterator[str]:
    """Yield what repeats, the load and the connections showed."""
    again, load, workers = grader.repeatability, grader.load, grader.workers
    if again:
        steady = again.max_spread <= ROUNDING
        told = (
            "always the same score"
            if steady
            else f"{percent(again.changed.value)} changed, by up to {score(again.max_spread)}; standard"
            f" deviation {between(again.sd)}; ICC(1) {between(again.icc1)}"
        )
        yield f"{counted(again.samples, 'sample')} graded {again.repeats} times: {told}"
    if load:
        failed = f"; {count(load.failed)} without a score" if load.failed else ""
        yield (
            f"with {load.in_flight} in flight {between(load.shift, signed)}{_afterwards(load)}"
            f" against idle{failed}"
        )
    if workers:
        told = (
            f"{workers.kinds} kinds, {between(workers.shift)} apart"
            if workers.found
            else f"no difference (p = {workers.p_value:.2g})"
        )
        yield f"{counted(workers.connections, 'connection')}: {told}"


def _afterwards(load: LoadShift) -> str:
    return "" if load.after.value is None else f", afterwards {between(load.after, signed)},"


def signed(value: float | None) -> str:
    """Return a difference with its sign."""
    return "-" if value is None else f"{0.0 if abs(value) < ROUNDING else value:+.3f}"


Row = tuple[str, str, str, str]
"""What is measured, its value, the 95% interval, and what there is to add."""


def agreement_rows(agreement: Agreement) -> Iterator[Row]:
    """Yield every measure of agreement, the ones that training uses first."""
    pairs, confusion = agreement.order_pairs, agreement.confusion
    ranked = (
        f"{count(pairs.alike)} alike, {count(pairs.reversed)} reversed,"
        f" {count(pairs.tied_by_grader + pairs.tied_by_reference)} tied"
    )
    limits = f"limits {signed(agreement.limits_low.value)} to {signed(agreement.limits_high.value)}"
    passing = (
        f"{count(confusion.both)} pass by both, {count(confusion.grader_only)} and"
        f" {count(confusion.reference_only)} by one"
    )
    yield _row("order in a group", agreement.order, percent, ranked)
    yield _row("side of its mean", agreement.sign, percent)
    yield _row("equal", agreement.exact, percent)
    yield _row(f"within {agreement.tolerance:g}", agreement.within, percent)
    yield _row("mean difference", agreement.mean_abs_difference)
    yield _row("bias", agreement.bias, signed, limits)
    for name, estimate in (
        ("Pearson", agreement.pearson),
        ("Spearman", agreement.spearman),
        ("Kendall tau-b", agreement.kendall),
        ("ICC(1)", agreement.icc1),
        ("ICC(2,1)", agreement.icc2),
        ("ICC(3,1)", agreement.icc3),
        ("alpha", agreement.alpha),
    ):
        yield _row(name, estimate)
    yield _row(f"kappa at {confusion.threshold:g}", agreement.kappa, score, passing)
    yield _row("weighted kappa", agreement.weighted_kappa)


def _row(name: str, estimate: Estimate, shown: Callable[[float | None], str] = score, note: str = "") -> Row:
    ends = "" if estimate.low is None else f"{shown(estimate.low)} to {shown(estimate.high)}"
    return name, shown(estimate.value), ends, note


def misses_line(judge: str, by: str, misses: Misses) -> str:
    """Return how many of the answers that one passes the other fails, and why."""
    if not misses.count:
        return f"{plain(judge)} passes all of the {counted(misses.of, 'answer')} that {plain(by)} passes"
    reasons = enumerated(misses.reasons, _REASONS)
    return (
        f"{plain(judge)} fails {count(misses.count)} of the {counted(misses.of, 'answer')} that {plain(by)}"
        f" passes ({share(misses.count / misses.of)}): {reasons}"
    )


def learning_lines(learning: Learnability) -> Iterator[str]:
    """Yield what there is to learn."""
    if learning.groups and not learning.flat_groups.value:
        yield f"rewards differ in each of {counted(learning.groups, 'group')}"
    elif learning.groups:
        yield (
            f"{between(learning.flat_groups, percent)} of {counted(learning.groups, 'group')} teach nothing,"
            f" all rewards of each being alike: {percent(learning.all_zero_groups)} all 0,"
            f" {percent(learning.all_one_groups)} all 1"
        )
    chances = ", ".join(f"pass@{one.k} {share(one.value)}" for one in learning.pass_at)
    yield f"{counted(learning.items, 'item')}, {counted(learning.rollouts, 'rollout')}: {chances}"
    parts = learning.variance
    if parts.items is not None and parts.rollouts is not None:
        noise = "" if parts.noise is None else f", {share(parts.noise)} the grader's noise"
        yield (
            f"variance: {share(parts.items)} between items, {share(parts.rollouts)} between rollouts of an"
            f" item{noise}"
        )
    if learning.calls_correlation.value is not None:
        yield f"score and number of tool calls: correlation {between(learning.calls_correlation)}"
    failures = learning.failures
    if failures.failed and failures.mean_failed is not None and failures.mean_others is not None:
        yield (
            f"{counted(failures.failed, 'rollout')} in which an endpoint failed:"
            f" {score(failures.mean_failed)} on average, the others {score(failures.mean_others)}"
        )
