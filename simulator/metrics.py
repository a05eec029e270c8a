"""What a gate can be about: how to read each metric off the summary of a run, or of a study of a grader."""

from collections.abc import Callable
from typing import Literal

import msgspec

from simulator.faults import NEVER_ANSWERED, Fault
from simulator.measure.graded import Estimate
from simulator.measure.replayed import ReplaySummary
from simulator.measure.summary import EndpointSummary, GraderSummary, Summary

Unit = Literal["time", "share", "number"]
Value = float | None


class Metric(msgspec.Struct, frozen=True):
    """How to read one metric off its subject; times come out in seconds, None where nothing was measured.

    A gate on what was not measured does not hold, unless the metric need not exist: then there is nothing
    that it could be true of.
    """

    unit: Unit
    read: Callable[..., Value]
    needed: bool = True


def _time(name: str) -> Metric:
    return Metric("time", lambda e: getattr(e.service_ms, name) / 1000 if _answered(e) else None)


def _answered(endpoint: EndpointSummary) -> int:
    return endpoint.attempts - sum(n for name, n in endpoint.faults.items() if Fault(name) in NEVER_ANSWERED)


def _endpoint(unit: Unit, read: Callable[[EndpointSummary], float]) -> Metric:
    return Metric(unit, lambda e: read(e) if e.attempts else None)


ENDPOINT_METRICS: dict[str, Metric] = {
    **{name: _time(name) for name in ("p50", "p90", "p95", "p99", "p999", "max", "mean")},
    "error_rate": _endpoint("share", lambda e: e.error_rate),
    "soft_error_rate": _endpoint("share", lambda e: e.soft_errors / e.calls if e.calls else 0.0),
    "given_up_rate": _endpoint("share", lambda e: e.given_up / e.calls if e.calls else 0.0),
    **{
        name: Metric("number", lambda e, name=name: getattr(e, name))
        for name in ("calls", "attempts", "retries", "given_up", "soft_errors")
    },
    "faults": Metric("number", lambda e: sum(e.faults.values())),
    "violations": Metric("number", lambda e: sum(e.violations.values())),
}

ROLLOUT_METRICS: dict[str, Metric] = {
    "discarded_rate": Metric("share", lambda s: s.rollouts.discarded_rate),
    "false_zero_rate": Metric("share", lambda s: s.rollouts.false_zero_rate),
    **{
        name: Metric("number", lambda s, name=name: getattr(s.rollouts, name))
        for name in ("planned", "completed", "graded", "discarded", "interrupted", "false_zero", "cut_short",
                     "groups", "groups_incomplete")
    },
    "calls_per_rollout": Metric("number", lambda s: s.rollouts.calls_per_rollout.mean),
}  # fmt: skip


def _worst_step(read: Callable[..., Value]) -> Callable[[Summary], Value]:
    return lambda s: max((v for v in map(read, s.steps) if v is not None), default=None)


STEP_METRICS: dict[str, Metric] = {
    "inflation": Metric("number", _worst_step(lambda step: step.inflation), needed=False),
    "sampling": Metric("time", _worst_step(lambda step: step.sampling_s)),
    "in_flight_max": Metric("number", _worst_step(lambda step: step.in_flight_max)),
}

SCORE_METRICS: dict[str, Metric] = {
    "mean": Metric("number", lambda grader: grader.scores.mean),
    "std": Metric("number", lambda grader: grader.scores.std),
}


def _estimate(part: str, name: str) -> Callable[[GraderSummary], Value]:
    """Read an estimate of a part of the grader's summary, None where that was not measured."""

    def read(grader: GraderSummary) -> Value:
        found = getattr(getattr(grader, part), name, None)
        return found.value if isinstance(found, Estimate) else found

    return read


def _worst_agreement(name: str) -> Callable[[GraderSummary], Value]:
    """Read the least agreement with any of those that the grader is compared with."""

    def read(grader: GraderSummary) -> Value:
        values = [getattr(one, name).value for one in grader.agreement.values()]
        return None if not values or None in values else min(values)

    return read


def _worst_difference(name: str) -> Callable[[GraderSummary], Value]:
    """Read the largest difference from any of those, whatever its sign."""

    def read(grader: GraderSummary) -> Value:
        values = [getattr(one, name).value for one in grader.agreement.values()]
        return None if not values or None in values else max(map(abs, values))

    return read


AGREEMENT_METRICS: dict[str, Metric] = {
    **{
        name: Metric("share", _worst_agreement(name)) for name in ("exact", "within", "order", "sign")
    },
    **{
        name: Metric("number", _worst_agreement(name))
        for name in ("pearson", "spearman", "kendall", "icc1", "icc2", "icc3", "alpha", "kappa",
                     "weighted_kappa")
    },
    **{name: Metric("number", _worst_difference(name)) for name in ("bias", "mean_abs_difference")},
}  # fmt: skip

REPEATABILITY_METRICS: dict[str, Metric] = {
    **{name: Metric("number", _estimate("repeatability", name)) for name in ("max_spread", "sd", "icc1")},
    "changed": Metric("share", _estimate("repeatability", "changed")),
}

LOAD_METRICS: dict[str, Metric] = {
    name: Metric("number", _estimate("load", name)) for name in ("shift", "after", "failed")
}

WORKER_METRICS: dict[str, Metric] = {
    name: Metric("number", _estimate("workers", name)) for name in ("shift", "kinds")
}

LEARNABILITY_METRICS: dict[str, Metric] = {
    **{
        name: Metric("share", _estimate("learnability", name))
        for name in ("flat_groups", "all_zero_groups", "all_one_groups", "zero", "one")
    },
    **{
        name: Metric("number", _estimate("learnability", name))
        for name in ("mean", "std", "calls_correlation", "rollouts", "groups")
    },
}

OF_THE_GRADER = {
    "scores": SCORE_METRICS,
    "grader.agreement": AGREEMENT_METRICS,
    "grader.repeatability": REPEATABILITY_METRICS,
    "grader.load": LOAD_METRICS,
    "grader.workers": WORKER_METRICS,
    "learnability": LEARNABILITY_METRICS,
}
"""What is read off the grader's summary, of a run or of a study of the grader alone."""


def _replay(read: Callable[[ReplaySummary], Value]) -> Callable[[Summary], Value]:
    return lambda summary: None if summary.replay is None else read(summary.replay)


def _share_of_outputs(name: str) -> Callable[[ReplaySummary], Value]:
    return lambda r: getattr(r.tools.outputs, name) / r.tools.calls if r.tools.calls else None


REPLAY_METRICS: dict[str, Metric] = {
    "pass_ratio": Metric("number", _replay(lambda r: r.pass_ratio)),
    "tools_ratio": Metric("number", _replay(lambda r: r.tools.times.ratio_at_scale)),
    "rollout_ratio": Metric("number", _replay(lambda r: r.rollout.ratio_at_scale)),
    "changed_rate": Metric("share", _replay(_share_of_outputs("changed"))),
    "error_now_rate": Metric("share", _replay(_share_of_outputs("error_now"))),
}

OF_THE_RUN = {"rollouts": ROLLOUT_METRICS, "steps": STEP_METRICS, "replay": REPLAY_METRICS}
