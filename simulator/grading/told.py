"""What is found in a grader's summary, as sentences with codes."""

from collections.abc import Callable, Iterator

from simulator.findings import found
from simulator.measure.graded import ROUNDING, Agreement, Estimate, Misses
from simulator.measure.summary import GraderSummary
from simulator.model import Finding

ORDER_EXPECTED = 0.8
FORMAT_TOLERATED = 0.02
FLAT_TOLERATED = 0.3
NOISE_SHARE_TOLERATED = 0.25
FEW = 20
"""Of fewer scores it is not said that they are all 0 or 1."""

_REASONS_TOLD = 3


def findings_of(grader: GraderSummary, name: str) -> tuple[Finding, ...]:
    """Return what is wrong with the rewards of the grader of that name."""
    return tuple(finding for look in _LOOKS for finding in look(grader, name))


def _missing(grader: GraderSummary, name: str) -> Iterator[Finding]:
    if grader.ungraded:
        counted = ", ".join(f"{error} {count}" for error, count in sorted(grader.ungraded.items()))
        total = sum(grader.ungraded.values())
        example = f"; the first: {grader.ungraded_example}" if grader.ungraded_example else ""
        message = f"{total} grading{'s' if total > 1 else ''} gave no score: {counted}{example}"
        yield found("reward.missing", message, endpoint=name)


def _noisy(grader: GraderSummary, name: str) -> Iterator[Finding]:
    again = grader.repeatability
    if again and again.max_spread > ROUNDING and (again.sd.value or 0.0) > ROUNDING:
        message = (
            f"{_percent(again.changed.value)} of {again.samples} samples changed their score when graded "
            f"{again.repeats} times, by up to {again.max_spread:.3g}; one score has a standard deviation of "
            f"{_with_interval(again.sd)}"
        )
        yield found("reward.noisy", message, endpoint=name)


def _load(grader: GraderSummary, name: str) -> Iterator[Finding]:
    load = grader.load
    if load and load.found:
        message = f"with {load.in_flight} calls in flight the same samples score {_higher(load.shift)}"
        yield found("reward.load_shift", message, endpoint=name)
    if load and load.found_after:
        message = f"after the load the same samples score {_higher(load.after)} than before it"
        yield found("reward.after_load", message, endpoint=name)


def _workers(grader: GraderSummary, name: str) -> Iterator[Finding]:
    workers = grader.workers
    if workers and workers.found:
        message = (
            f"{workers.connections} connections are of {workers.kinds} kinds, whose scores of the same "
            f"samples differ by up to {_with_interval(workers.shift)}"
        )
        yield found("reward.worker_shift", message, endpoint=name)


def _order(grader: GraderSummary, name: str) -> Iterator[Finding]:
    for other, agreement in grader.agreement.items():
        order = agreement.order
        if order.value is not None and order.value < ORDER_EXPECTED:
            yield found("reward.order", _order_sentence(name, other, agreement), endpoint=name)


def _order_sentence(name: str, other: str, agreement: Agreement) -> str:
    """Return what became of the pairs of rollouts that either judge ranks."""
    pairs = agreement.order_pairs
    ranked = pairs.alike + pairs.reversed + pairs.tied_by_grader + pairs.tied_by_reference
    return (
        f"of {ranked:,} pairs of one group that {name} or {other} ranks, both rank "
        f"{_with_interval(agreement.order, _percent)} alike; {name} reverses {pairs.reversed:,} of "
        f"{other}'s, ties {pairs.tied_by_grader:,} that {other} ranks, and ranks "
        f"{pairs.tied_by_reference:,} that {other} ties"
    )


def _format(grader: GraderSummary, name: str) -> Iterator[Finding]:
    for other, agreement in grader.agreement.items():
        for judge, by, misses in (
            (name, other, agreement.grader_misses),
            (other, name, agreement.reference_misses),
        ):
            if misses.of and misses.for_format >= FORMAT_TOLERATED * misses.of:
                yield found("reward.format", _misses_sentence(judge, by, misses), endpoint=judge)


def _misses_sentence(judge: str, by: str, misses: Misses) -> str:
    """Return how many of the answers that one judge passes another fails, and why."""
    share = _percent(misses.count / misses.of)
    rest = misses.count - misses.for_format
    format_ = "all for their format" if not rest else f"all but {rest} for their format"
    why = "" if not misses.for_format else f", {format_}"
    told = sorted(misses.reasons.items(), key=lambda item: -item[1])[:_REASONS_TOLD]
    reasons = "; ".join(f"{reason.removeprefix('format: ')} {count}" for reason, count in told)
    counts = f"{misses.count} of {misses.of}"
    return f"{judge} fails {share} of the answers that {by} passes ({counts}){why}: {reasons}"


def _flat(grader: GraderSummary, name: str) -> Iterator[Finding]:
    learning = grader.learnability
    if learning and learning.groups and (learning.flat_groups.value or 0.0) >= FLAT_TOLERATED:
        flat = learning.flat_groups.value or 0.0
        kinds = (("all 0", learning.all_zero_groups), ("all 1", learning.all_one_groups))
        parts = [f"{_percent(share)} are {kind}" for kind, share in kinds if share]
        detail = f" ({', '.join(parts)})" if parts else ""
        message = (
            f"{_percent(flat)} of the groups would teach nothing: all rewards of one are alike in "
            f"{round(flat * learning.groups)} of {learning.groups}{detail}"
        )
        yield found("reward.flat_groups", message, endpoint=name)


def _noise_share(grader: GraderSummary, name: str) -> Iterator[Finding]:
    parts = grader.learnability.variance if grader.learnability else None
    if parts and parts.noise is not None and parts.rollouts is not None:
        inside = parts.noise + parts.rollouts
        if inside > 0 and parts.noise >= NOISE_SHARE_TOLERATED * inside:
            message = (
                f"{_percent(parts.noise / inside)} of the variance between rollouts of one item is noise"
            )
            yield found("reward.noise_share", message, endpoint=name)


def _failures(grader: GraderSummary, name: str) -> Iterator[Finding]:
    failures = grader.learnability.failures if grader.learnability else None
    if failures and failures.found and failures.mean_failed is not None and failures.mean_others is not None:
        message = (
            f"the {failures.failed} rollouts in which an endpoint failed score {failures.mean_failed:.2f} on "
            f"average, the others {failures.mean_others:.2f}: the mean is {_higher(failures.shift)} for it"
        )
        yield found("reward.failures", message, endpoint=name)


def _binary(grader: GraderSummary, name: str) -> Iterator[Finding]:
    learning = grader.learnability
    if (
        learning
        and learning.rollouts >= FEW
        and learning.zero + learning.one > 1 - 1e-9
        and learning.zero < 1
    ):
        message = f"all {learning.rollouts} scores are exactly 0 ({_percent(learning.zero)}) or 1"
        yield found("grader.binary", message, endpoint=name)


_LOOKS: tuple[Callable[[GraderSummary, str], Iterator[Finding]], ...] = (
    _missing, _load, _workers, _noisy, _format, _order, _flat, _noise_share, _failures, _binary,
)  # fmt: skip


def _number(value: float | None) -> str:
    """Return a score, or a difference of scores."""
    if value is None:
        return "-"
    return f"{value:.3f}".rstrip("0").rstrip(".") if abs(value) < 100 else f"{value:.4g}"


def _percent(value: float | None) -> str:
    """Return a share, in percent."""
    if value is None:
        return "-"
    return f"{value:.0%}" if value in {0.0, 1.0} or 0.1 <= value <= 0.99 else f"{value:.1%}"


def _with_interval(estimate: Estimate, shown: Callable[[float | None], str] = _number) -> str:
    """Return an estimate with its 95% interval, where there is one."""
    if estimate.low is None or estimate.high is None:
        return shown(estimate.value)
    return f"{shown(estimate.value)} (95% interval {shown(estimate.low)} to {shown(estimate.high)})"


def _higher(shift: Estimate) -> str:
    """Return by how much scores are higher or lower, with the interval."""
    value = shift.value or 0.0
    if value >= 0 or shift.low is None or shift.high is None:
        return _with_interval(shift) + (" higher" if value >= 0 else " lower")
    turned = Estimate(-value, -shift.high, -shift.low)
    return f"{_number(turned.value)} lower (95% interval {_number(turned.low)} to {_number(turned.high)})"
