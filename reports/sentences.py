"""The verdict and the reasons for it, in the customer's terms; every number in them is the summary's.

A reason is a function of the summary and the verdict that yields sentences, or none where it has nothing to
tell. REASONS lists them, what weighs most first.
"""

import itertools
from collections.abc import Callable, Iterator

from reports.text import count, counted, duration, duration_ms, enumerated, observed, plain, share
from simulator.faults import MEANING
from simulator.gates import GateResult, Verdict
from simulator.measure.summary import EndpointSummary, Summary

MOST_REASONS = 6

_LONGER = 1.2  # how much longer than its ideal a step samples before that is worth a sentence
_SOFT_ERRORS = 0.05  # models do ask for what does not exist: below this share, that is all it is
_ENDPOINTS_NAMED = 2
_DELAY_MS, _DELAY_SHARE = 5.0, 0.1  # a schedule delay below both is nobody's concern
_TOLD_WITHOUT_ITS_GATE = ("rollouts.discarded", "rollouts.false_zero", "rollouts.groups_incomplete")

_MEANING: dict[str, str] = {str(fault): meaning for fault, meaning in MEANING.items()}


def headline(summary: Summary, verdict: Verdict) -> str:
    """Return the verdict in one sentence, which always says how many rollouts would have been discarded."""
    if not _ended(summary):
        planned = counted(summary.rollouts.planned, "planned rollout")
        return f"nothing was measured: 0 of {planned} ended, 0 discarded (0.0%)"
    if summary.interrupted:
        return _stopped_early(summary, verdict)
    return _HEADLINES[verdict.verdict](summary, verdict)


def reasons(summary: Summary, verdict: Verdict) -> list[str]:
    """Return at most MOST_REASONS sentences for the verdict, the most important first."""
    sentences = itertools.chain.from_iterable(reason(summary, verdict) for reason in REASONS)
    return list(itertools.islice(sentences, MOST_REASONS))


def failed_gates(verdict: Verdict) -> list[GateResult]:
    """Return the gates that do not hold."""
    return [gate for gate in verdict.gates if not gate.ok]


def endpoint_notes(endpoint: EndpointSummary) -> str:
    """Return what a table of endpoints has no column for, "" where there is nothing."""
    delay = endpoint.schedule_delay_ms.p99
    late = delay > max(_DELAY_MS, _DELAY_SHARE * endpoint.service_ms.p99)
    given_up = f", {count(endpoint.given_up)} given up on" if endpoint.given_up else ""
    notes = (
        enumerated(endpoint.faults),
        f"{count(endpoint.retries)} retried{given_up}" if endpoint.retries or given_up else "",
        counted(endpoint.soft_errors, "soft error") if endpoint.soft_errors else "",
        f"{count(endpoint.unfinished)} unfinished" if endpoint.unfinished else "",
        f"{count(endpoint.resent)} sent again on a fresh connection" if endpoint.resent else "",
        f"left {duration_ms(delay)} late at p99, our doing" if late else "",
    )
    return "; ".join(filter(None, notes))


# -- headlines -------------------------------------------------------------------------------------------


def _ended(summary: Summary) -> int:
    return summary.rollouts.completed + summary.rollouts.discarded


def _lost(summary: Summary, verb: str = "would have been discarded") -> str:
    rollouts = summary.rollouts
    per_step = " per step" if [step.kind for step in summary.steps] == ["training"] else ""
    return (
        f"{count(rollouts.discarded)} of {counted(_ended(summary), 'rollout')}{per_step} {verb}"
        f" ({share(rollouts.discarded_rate)})"
    )


def _passed(summary: Summary, verdict: Verdict) -> str:
    if not verdict.gates:
        return f"{_lost(summary)}; no gate was set"
    if summary.rollouts.discarded:
        return f"{_lost(summary)}, which the gates allow"
    return f"{_lost(summary, 'discarded')}; the endpoints held up"


def _failed(summary: Summary, verdict: Verdict) -> str:
    if summary.rollouts.discarded:
        return _lost(summary)
    but = _gates_failed(verdict) if failed_gates(verdict) else "the rewards cannot be used"
    return f"{_lost(summary, 'discarded')}, but {but}"


_UNTRUSTED = "the generator itself, and not only the endpoints, made these numbers"


def _invalid(summary: Summary, _: Verdict) -> str:
    return f"{_UNTRUSTED}; {_lost(summary, 'discarded')}"


def _stopped_early(summary: Summary, verdict: Verdict) -> str:
    rollouts, ended = summary.rollouts, _ended(summary)
    gates = _gates_failed(verdict) if failed_gates(verdict) else "every gate holds"
    so_far = f"{gates} so far" if summary.generator.trustworthy else _UNTRUSTED
    return (
        f"stopped after {count(ended)} of {counted(rollouts.planned, 'rollout')}; of those that ended,"
        f" {count(rollouts.discarded)} would have been discarded ({share(rollouts.discarded_rate)});"
        f" {so_far}"
    )


def _gates_failed(verdict: Verdict) -> str:
    failed = len(failed_gates(verdict))
    return f"{failed} of {counted(len(verdict.gates), 'gate')} {'does' if failed == 1 else 'do'} not hold"


_HEADLINES: dict[str, Callable[[Summary, Verdict], str]] = {
    "pass": _passed,
    "fail": _failed,
    "invalid": _invalid,
}


# -- reasons ---------------------------------------------------------------------------------------------


def _generator(summary: Summary, _: Verdict) -> Iterator[str]:
    yield from map(plain, summary.generator.reasons)


def _failure(summary: Summary, _: Verdict) -> Iterator[str]:
    if summary.failure:
        yield f"the run gave up by itself: {plain(summary.failure)}"


def _unfinished(summary: Summary, _: Verdict) -> Iterator[str]:
    for endpoint in summary.endpoints:
        if endpoint.unfinished:
            yield (
                f"{counted(endpoint.unfinished, 'call')} to {plain(endpoint.name)} had no answer yet when the"
                f" run was stopped, one of them for {duration_ms(endpoint.unfinished_max_ms)}"
            )


def _groups(summary: Summary, _: Verdict) -> Iterator[str]:
    rollouts = summary.rollouts
    # Stopping early leaves groups incomplete too, and nothing tells those from the endpoints' doing.
    if rollouts.groups_incomplete and not rollouts.interrupted:
        groups = counted(rollouts.groups, "group")
        yield f"{count(rollouts.groups_incomplete)} of {groups} would have been incomplete"


def _longer(summary: Summary, _: Verdict) -> Iterator[str]:
    measured = [(step.inflation, step) for step in summary.steps if step.inflation is not None]
    inflation, worst = max(measured, key=lambda pair: pair[0], default=(0.0, None))
    if worst is None or worst.ideal_s is None or inflation < _LONGER or not summary.generator.trustworthy:
        return
    what = {"evaluation": "an evaluation pass", "recorded": "the replay"}.get(worst.kind, "a step")
    scale = summary.load.time_scale
    yield (
        f"{what} samples for {duration(worst.sampling_s)} instead of {duration(worst.ideal_s)}"
        f" ({inflation:.1f} times as long)"
        + (f", with think time compressed to {scale:g} of real time" if scale != 1 else "")
    )


def _false_zeros(summary: Summary, _: Verdict) -> Iterator[str]:
    rollouts = summary.rollouts
    if rollouts.false_zero:
        yield (
            f"{count(rollouts.false_zero)} of {counted(rollouts.graded, 'graded rollout')} are false zeros"
            f" ({share(rollouts.false_zero_rate)}): graded zero after an endpoint had failed"
        )


def _bottleneck(summary: Summary, _: Verdict) -> Iterator[str]:
    level = [e for e in summary.endpoints if e.plateau_per_s is not None]
    if not level or not summary.generator.trustworthy:
        return
    # The one at which calls spent the most time in all; others may only be waiting in its shadow.
    slowest = max(level, key=lambda e: e.service_ms.mean * e.attempts)
    rate = slowest.plateau_per_s or 0.0
    about = f"{rate:.1f}" if rate < 10 else count(round(rate))
    yield (
        f"{plain(slowest.name)} answers about {about} calls per second, however many are sent:"
        " it is the bottleneck"
    )


def _faults(summary: Summary, _: Verdict) -> Iterator[str]:
    failing = sorted((e for e in summary.endpoints if e.faults), key=_harm, reverse=True)
    yield from map(_failing, failing[:_ENDPOINTS_NAMED])
    if others := failing[_ENDPOINTS_NAMED:]:
        failed = counted(sum(sum(e.faults.values()) for e in others), "attempt")
        yield f"{failed} failed at {counted(len(others), 'more endpoint')}"


def _harm(endpoint: EndpointSummary) -> tuple[int, int]:
    return endpoint.given_up, sum(endpoint.faults.values())


def _failing(endpoint: EndpointSummary) -> str:
    failed = sum(endpoint.faults.values())
    fault = max(endpoint.faults, key=lambda name: endpoint.faults[name])
    meaning = f": {_MEANING[fault]}" if fault in _MEANING else ""
    how_many = (
        f"all of {counted(failed, 'attempt')}"
        if failed == endpoint.attempts
        else f"{count(failed)} of {counted(endpoint.attempts, 'attempt')} ({share(endpoint.error_rate)})"
    )
    given_up = f"; {counted(endpoint.given_up, 'call')} given up on" if endpoint.given_up else ""
    return (
        f"{plain(endpoint.name)} failed in {how_many},"
        f" {'most often' if len(endpoint.faults) > 1 else 'always'} with {plain(fault)}{meaning}{given_up}"
    )


def _gates(summary: Summary, verdict: Verdict) -> Iterator[str]:
    if not summary.generator.trustworthy:
        return
    failed = failed_gates(verdict)
    for gate in failed:
        if gate.observed is not None and not gate.expr.startswith(_TOLD_WITHOUT_ITS_GATE):
            yield f"gate `{plain(gate.expr)}` does not hold: {observed(gate.observed, gate.unit)}"
    if blind := sum(gate.observed is None for gate in failed):
        yield f"{counted(blind, 'gate')} without anything to measure"


def _soft_errors(summary: Summary, _: Verdict) -> Iterator[str]:
    for endpoint in summary.endpoints:
        if endpoint.calls and endpoint.soft_errors >= _SOFT_ERRORS * endpoint.calls:
            yield (
                f"{counted(endpoint.soft_errors, 'soft error')} from {plain(endpoint.name)}"
                f" ({share(endpoint.soft_errors / endpoint.calls)} of its calls):"
                " answered 200 with an error text, so no HTTP metric shows them"
            )


def _violations(summary: Summary, _: Verdict) -> Iterator[str]:
    for endpoint in summary.endpoints:
        if endpoint.violations:
            said = {name.replace("_", " "): times for name, times in endpoint.violations.items()}
            yield f"{plain(endpoint.name)} answers usably, but not by the contract: {enumerated(said)}"


def _cut_short(summary: Summary, _: Verdict) -> Iterator[str]:
    if summary.rollouts.cut_short:
        rollouts = counted(summary.rollouts.cut_short, "rollout")
        yield f"{rollouts} cut short: more calls were wanted than max_episode_steps allows"


def _replayed(summary: Summary, _: Verdict) -> Iterator[str]:
    replay = summary.replay
    if replay is None or not summary.generator.trustworthy:
        return
    then_s, now_s, scale = replay.pass_then_s, replay.pass_now_s, summary.load.time_scale
    if then_s and now_s and replay.pass_ratio is not None:
        at_scale = "" if scale == 1 else f", {duration(now_s / scale)} at the recording's pace"
        yield (
            f"what took {duration(then_s)} when it was recorded took {duration(now_s)}{at_scale}:"
            f" {replay.pass_ratio:.2f} of it"
        )
    outputs = replay.tools.outputs
    if others := outputs.changed + outputs.error_now:
        said = {"changed": outputs.changed, "errors now": outputs.error_now}
        changed = enumerated({name: times for name, times in said.items() if times})
        yield f"{count(others)} of {counted(replay.tools.calls, 'output')} not what was recorded: {changed}"


REASONS: tuple[Callable[[Summary, Verdict], Iterator[str]], ...] = (
    _failure,
    _generator,
    _unfinished,
    _replayed,
    _groups,
    _longer,
    _false_zeros,
    _bottleneck,
    _faults,
    _gates,
    _soft_errors,
    _violations,
    _cut_short,
)
