"""What stands out in recordings, as sentences with codes."""

from collections.abc import Callable, Iterator, Mapping
from itertools import accumulate

from simulator.findings import found
from simulator.job.traces.recording import PARALLEL
from simulator.measure.recorded import Queue, Recorded, RecordedPass
from simulator.model import Finding

SOFT_ERRORS_TOLERATED = 0.05
UNANSWERED_TOLERATED = 0.05
REPEATED_TOLERATED = 0.1

_SLOWER, _SLOW_S, _CALLS_NEEDED = 5.0, 1.0, 10
_CAPPED, _CAPPED_SHARE = 3, 0.05
_NAMED = 4


def findings_of(recorded: Recorded) -> tuple[Finding, ...]:
    """Return what stands out."""
    return tuple(finding for look in _LOOKS for finding in look(recorded))


# -- in passes -------------------------------------------------------------------------------------------


def _serial(recorded: Recorded) -> Iterator[Finding]:
    yield from _of_largest(recorded, "recorded.serial", _queued)


def _queued(one: RecordedPass) -> str:
    queue, latency = one.queue, one.latency_s
    if queue is None or latency is None:
        return ""
    servers = "one at a time" if queue.at_a_time == 1 else f"about {queue.at_a_time:,} at a time"
    return (
        f"tool calls took {_seconds(latency.p50)} at the median while {queue.per_s:.3g} finished per second, "
        f"however many were waiting: something served them {servers}, for {_seconds(queue.service_s)} each"
        + _better(queue, one.duration_s)
    )


def _better(queue: Queue, recorded_s: float) -> str:
    if not queue.what_if:
        return ""
    best = queue.what_if[-1]
    return (
        f"; with {best.at_a_time:,} at a time the pass would have taken about {_seconds(best.duration_s)} "
        f"instead of {_seconds(recorded_s)}"
    )


def _cold_start(recorded: Recorded) -> Iterator[Finding]:
    yield from _of_largest(recorded, "recorded.cold_start", _cold)


def _cold(one: RecordedPass) -> str:
    if one.cold is None:
        return ""
    gap = "" if one.gap_s is None else f"; the median gap between two is {_seconds(one.gap_s)}"
    then = f", then {one.cold.at_once:,} calls within half a second" if one.cold.at_once > 1 else ""
    return f"nothing finished in the first {_seconds(one.cold.seconds)}{then}{gap}"


def _polled(recorded: Recorded) -> Iterator[Finding]:
    yield from _of_largest(recorded, "recorded.polled", _polls)


def _polls(one: RecordedPass) -> str:
    polled = one.polled
    if polled is None:
        return ""
    return (
        f"{_percent(polled.share)} of the {polled.calls:,} calls of more than a second took whole seconds "
        f"and {polled.fraction:.2f} s, give or take 0.1 s: as if something looked for their end once a second"
    )


def _of_largest(recorded: Recorded, code: str, sentence: Callable[[RecordedPass], str]) -> Iterator[Finding]:
    """Yield one finding, about the largest pass that has it, for all passes that do."""
    having = sorted(filter(sentence, recorded.passes), key=lambda one: -one.calls)
    if having:
        largest, others = having[0], len(having) - 1
        when = (
            f" (in the pass from {largest.began_at})" if len(recorded.passes) > 1 and largest.began_at else ""
        )
        more = f"; likewise in {others:,} more pass{'es' if others > 1 else ''}" if others else ""
        yield found(code, sentence(largest) + when + more)


# -- in calls --------------------------------------------------------------------------------------------


def _slow_tool(recorded: Recorded) -> Iterator[Finding]:
    """Yield the slowest tool, where the others' medians, weighted by their calls, have a far lower one."""
    timed = [(one.latency_s.p50, one) for one in recorded.tools if one.latency_s is not None]
    slowest, tool = max(timed, key=lambda pair: pair[0], default=(0.0, None))
    others = sorted((median, one.calls) for median, one in timed if one is not tool)
    if tool is None or not others or tool.calls < _CALLS_NEEDED or slowest < _SLOW_S:
        return
    half = sum(calls for _, calls in others) / 2
    up_to = accumulate(calls for _, calls in others)
    usual = next(median for (median, _), calls in zip(others, up_to, strict=True) if calls >= half)
    if slowest >= _SLOWER * usual:
        message = (
            f"takes {_seconds(slowest)} at the median of {tool.calls:,} calls, where other tools take "
            f"{_seconds(usual)}"
        )
        yield found("recorded.slow_tool", message, endpoint=tool.name)


def _failed(recorded: Recorded) -> Iterator[Finding]:
    failed = {one.name: one.failed for one in recorded.tools if one.failed}
    if failed:
        of = f"{sum(failed.values()):,} of {recorded.calls:,} calls"
        yield found("recorded.failed", f"{of} are recorded as errors: {_counts(failed)}")


def _soft_errors(recorded: Recorded) -> Iterator[Finding]:
    many = {
        f"{one.name} {one.soft_errors:,} of {one.calls:,}": one.soft_errors
        for one in recorded.tools
        if one.soft_errors and one.soft_errors >= SOFT_ERRORS_TOLERATED * one.calls
    }
    if many:
        ranked = sorted(many, key=lambda name: -many[name])
        rest = f", and {len(ranked) - _NAMED:,} more tools" if len(ranked) > _NAMED else ""
        message = f"calls were answered with an error text: {', '.join(ranked[:_NAMED])}{rest}"
        yield found("recorded.soft_errors", message)


def _unreadable(recorded: Recorded) -> Iterator[Finding]:
    unreadable = recorded.oddities.unreadable
    if unreadable:
        of = sum(one.calls for one in recorded.tools if one.name == PARALLEL)
        message = f"{unreadable:,} of {of:,} calls of {PARALLEL} reached nobody"
        yield found("recorded.unreadable_parallel", message)


def _undeclared(recorded: Recorded) -> Iterator[Finding]:
    undeclared = recorded.oddities.undeclared
    if undeclared:
        message = f"calls of tools that the rollout's row does not declare: {_counts(undeclared)}"
        yield found("recorded.undeclared_tool", message)


def _bad_arguments(recorded: Recorded) -> Iterator[Finding]:
    bad = recorded.oddities.bad_arguments
    if bad:
        message = f"the arguments of {bad:,} of {recorded.calls:,} calls are no JSON object"
        yield found("recorded.bad_arguments", message)


# -- in rollouts -----------------------------------------------------------------------------------------


def _no_answer(recorded: Recorded) -> Iterator[Finding]:
    unanswered = recorded.oddities.unanswered
    if unanswered and unanswered >= UNANSWERED_TOLERATED * recorded.rollouts:
        doubt = "; perhaps the recording leaves answers out" if unanswered == recorded.rollouts else ""
        yield found("recorded.no_answer", f"{_of_all(unanswered, recorded)} ended without an answer{doubt}")


def _capped(recorded: Recorded) -> Iterator[Finding]:
    odd = recorded.oddities
    enough = max(_CAPPED, _CAPPED_SHARE * recorded.rollouts, odd.longest / 2)
    if recorded.calls_max and odd.capped >= enough and odd.unanswered < recorded.rollouts:
        message = (
            f"of {odd.longest:,} rollouts with {recorded.calls_max:,} calls, the most that any made, "
            f"{odd.capped:,} have no answer: as if a cap on steps had ended them"
        )
        yield found("recorded.capped", message)


def _repeated(recorded: Recorded) -> Iterator[Finding]:
    repeated = recorded.oddities.repeated
    if repeated and repeated >= REPEATED_TOLERATED * recorded.rollouts:
        message = f"{_of_all(repeated, recorded)} made a call twice with the same arguments"
        yield found("recorded.repeated_call", message)


_LOOKS: tuple[Callable[[Recorded], Iterator[Finding]], ...] = (
    _serial, _cold_start, _polled, _slow_tool, _failed, _soft_errors, _unreadable, _undeclared,
    _bad_arguments, _no_answer, _capped, _repeated,
)  # fmt: skip


def _of_all(count: int, recorded: Recorded) -> str:
    return f"{count:,} of {recorded.rollouts:,} rollouts ({_percent(count / recorded.rollouts)})"


def _counts(counts: Mapping[str, int]) -> str:
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in ranked[_NAMED:])
    told = [f"{name} {count:,}" for name, count in ranked[:_NAMED]]
    return ", ".join([*told, f"others {rest:,}"] if rest else told)


def _seconds(value: float) -> str:
    """Return seconds to three digits, or to the last whole one."""
    return f"{value:,.0f} s" if value >= 100 else f"{value:.3g} s"


def _percent(share: float) -> str:
    return f"{share:.0%}" if share in {0.0, 1.0} or 0.1 <= share <= 0.99 else f"{share:.1%}"
