"""What only the end of a run tells Prometheus: gauges, and quantiles under its type for them, `summary`."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import get_args

from reports.prometheus_families import Family, Labels, endpoint_labels, gauge, label, labelled, quantiles
from reports.results import Results
from simulator.gates import GateResult, Verdict
from simulator.measure.summary import Durations, EndpointSummary, StepSummary, Summary
from simulator.metrics import OF_THE_GRADER, Unit, Value
from simulator.model import Severity

VERDICTS = ("pass", "fail", "invalid")


def ended_families(results: Results) -> Iterator[Family]:
    """Yield what is known of a run that is over, besides its meters."""
    summary = results.summary
    yield from _of_endpoints([endpoint for endpoint in summary.endpoints if endpoint.attempts])
    if summary.tools is not None and summary.tools.attempts:
        about = "Quantiles of the service time of all tools together."
        yield quantiles("tools_service_time_quantile", about, [({}, _at(summary.tools.service_ms))])
    yield from _of_summary(summary)
    yield from _of_steps(summary.steps)
    yield from _of_verdict(results.verdict)
    found = Counter(finding.severity for finding in results.findings)
    by_severity: list[tuple[Labels, int]] = [({"severity": name}, found[name]) for name in get_args(Severity)]
    yield gauge("findings", "What was found besides, by how bad it is.", by_severity)


# -- endpoints -------------------------------------------------------------------------------------------

_QUANTILES = {
    "0.0": "min", "0.5": "p50", "0.9": "p90", "0.95": "p95", "0.99": "p99", "0.999": "p999", "1.0": "max"
}  # fmt: skip

_TIMES = {
    "service_time": ("service_ms", "the time from sending a request to the end of its answer"),
    "schedule_delay": ("schedule_delay_ms", "how late requests left, which is the generator's doing"),
    "read_delay": ("read_delay_ms", "the most that answers may have lain unread in the generator"),
}


def _of_endpoints(endpoints: Iterable[EndpointSummary]) -> Iterator[Family]:
    endpoints, of = list(endpoints), endpoint_labels(endpoints)
    for name, (field, what) in _TIMES.items():
        at = ((of[e.name], _at(getattr(e, field))) for e in endpoints)
        yield quantiles(f"{name}_quantile", f"Quantiles of {what}.", at)
    rates = ((of[e.name], e.error_rate) for e in endpoints)
    yield gauge("error_ratio", "Share of attempts that ended in a fault.", rates)
    plateaus = ((of[e.name], e.plateau_per_s) for e in endpoints)
    yield gauge("plateau_answers_per_second", "Rate of answers while calls were piling up.", plateaus)


def _at(durations: Durations) -> dict[str, float]:
    return {quantile: getattr(durations, field) for quantile, field in _QUANTILES.items()}


# -- rollouts, the grader, the generator -----------------------------------------------------------------

_GAUGES: dict[str, tuple[str, Callable[[Summary], Value]]] = {
    "rollouts_discarded_ratio": (
        "Discarded rollouts by those that ended.",
        lambda s: s.rollouts.discarded_rate,
    ),
    "rollouts_false_zero_ratio": (
        "False zeros by graded rollouts.",
        lambda s: s.rollouts.false_zero_rate,
    ),
    "groups": ("Groups of which a rollout was started.", lambda s: s.rollouts.groups),
    "groups_incomplete": ("Groups that miss rollouts.", lambda s: s.rollouts.groups_incomplete),
    "groups_flat_ratio": (
        "Share of groups whose scores are all equal, which teach nothing.",
        lambda s: OF_THE_GRADER["learnability"]["flat_groups"].read(s.grader),
    ),
    "tool_calls_per_rollout": (
        "Tool calls of a completed rollout, on average.",
        lambda s: s.rollouts.calls_per_rollout.mean,
    ),
    "tool_calls_per_rollout_highest": (
        "The most tool calls of a completed rollout.",
        lambda s: s.rollouts.calls_per_rollout.max,
    ),
    "tokens_per_rollout": (
        "Simulated tokens of a completed rollout, on average.",
        lambda s: s.rollouts.tokens_per_rollout,
    ),
    "score_mean": ("Mean score, the platform's mean reward.", lambda s: s.grader.scores.mean),
    "score_standard_deviation": ("Standard deviation of the scores.", lambda s: s.grader.scores.std),
    "generator_cpu_ratio": ("Share of one core that the generator used.", lambda s: s.generator.cpu),
    "generator_processes": ("Processes that sent calls.", lambda s: s.generator.processes),
    "generator_trustworthy": (
        "1 where the numbers are the endpoints' and not the generator's.",
        lambda s: s.generator.trustworthy,
    ),
    "run_interrupted": ("1 where the run was ended early.", lambda s: s.interrupted),
}


def _of_summary(summary: Summary) -> Iterator[Family]:
    for name, (about, read) in _GAUGES.items():
        yield gauge(name, about, [({}, read(summary))])
    lag = summary.generator.lag_ms
    at = {"0.5": lag.p50, "0.99": lag.p99, "1.0": lag.max}
    yield quantiles("generator_lag_quantile", "Quantiles of how late its own ticks came.", [({}, at)])
    ungraded = ((({"error": name}), times) for name, times in labelled(summary.grader.ungraded).items())
    yield gauge("ungraded", "Gradings without a score, by the platform's name for why.", ungraded)


# -- steps -----------------------------------------------------------------------------------------------

_STEPS: dict[str, tuple[str, Callable[[StepSummary], Value]]] = {
    "sampling_seconds": ("From its first rollout's start to its last one's end.", lambda s: s.sampling_s),
    "ideal_seconds": ("What sampling would take with instant endpoints.", lambda s: s.ideal_s),
    "inflation_ratio": ("Sampling time by that with instant endpoints.", lambda s: s.inflation),
    "in_flight_highest": ("The most rollouts that were in flight at once.", lambda s: s.in_flight_max),
    "calls_per_second_highest": ("The most calls that ended in a second.", lambda s: s.calls_per_s_max),
}


def _of_steps(steps: Iterable[StepSummary]) -> Iterator[Family]:
    for name, (about, read) in _STEPS.items():
        at = (({"step": str(step.step), "phase": label(step.kind)}, read(step)) for step in steps)
        yield gauge(f"step_{name}", about, at)


# -- the verdict -----------------------------------------------------------------------------------------

_UNITS: dict[Unit, str] = {"time": "seconds", "share": "ratio", "number": ""}


def _of_verdict(verdict: Verdict) -> Iterator[Family]:
    observed = (({**_gate(gate), "unit": _UNITS[gate.unit]}, gate.observed) for gate in verdict.gates)
    yield gauge("gate_observed", "What was measured of a gate's subject.", observed)
    yield gauge("gate_ok", "1 where a gate holds.", ((_gate(gate), gate.ok) for gate in verdict.gates))
    one_hot = (({"verdict": name}, name == verdict.verdict) for name in VERDICTS)
    yield gauge("verdict", "1 for the run's verdict, 0 for the others.", one_hot)


def _gate(gate: GateResult) -> Labels:
    return {"gate": label(gate.expr)}
