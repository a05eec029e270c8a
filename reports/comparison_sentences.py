"""What changed between two runs, in the customer's terms; every number in it is the comparison's."""

from collections.abc import Iterator, Sequence

from reports.text import count, counted, duration, number, observed, plain, share, short
from simulator.measure.comparison import ComparedGate, ComparedLine, Comparison, Difference
from simulator.metrics import Unit

MOST_SENTENCES = 8

_LONGEST_VALUE = 40

_HAPPENED = {
    "error_rate": ("{} fails more often", "{} fails less often"),
    "soft_error_rate": (
        "{} answers more calls with an error text",
        "{} answers fewer calls with an error text",
    ),
    "discarded_rate": ("more {} are discarded", "fewer {} are discarded"),
    "false_zero_rate": ("more {} are false zeros", "fewer {} are false zeros"),
    "duration": ("{} take longer", "{} take less time"),
    "flat_groups": ("more groups would teach nothing", "fewer groups would teach nothing"),
    "calls_per_rollout": ("{} make more calls", "{} make fewer calls"),
    "mean": ("{} are higher", "{} are lower"),
}
"""What more of it means, and what less; braces stand for the subject."""

_SLOWER = ("has become slower", "has become faster")
_TIMES = ("p99", "p90", "p50", "middle")
"""Of an endpoint's times that changed, the one that is told is the first of these."""

METRICS = {"middle": "mean of the middle half"}
"""Names of metrics that need a word."""


def headline(comparison: Comparison) -> str:
    """Return the verdict in one sentence."""
    if comparison.verdict == "invalid":
        return "nothing can be told: one of the two runs cannot be trusted, or was stopped"
    worse = comparison.having("worse")
    if comparison.gates:
        failed = sum(not gate.ok for gate in comparison.gates)
        gates = counted(len(comparison.gates), "gate")
        said = (
            f"{failed} of {gates} {'does' if failed == 1 else 'do'} not hold"
            if failed
            else "every gate holds"
        )
        return f"{said}; {_became(worse)}"
    return _became(worse)


def _became(worse: Sequence[ComparedLine]) -> str:
    if not worse:
        return "nothing has become worse"
    subjects = list(dict.fromkeys(plain(line.subject) for line in worse))
    named = ", ".join(short(subject, _LONGEST_VALUE) for subject in subjects[:3])
    rest = f" and {counted(len(subjects) - 3, 'other')}" if len(subjects) > 3 else ""
    return f"{named}{rest} {'has' if len(subjects) == 1 else 'have'} become worse"


def reasons(comparison: Comparison) -> list[str]:
    """Return the sentences for the verdict: why it is none, gates, what is worse, changed and better."""
    said = [*_untrusted(comparison), *_failed_gates(comparison), *_changes(comparison), *_absent(comparison)]
    if len(said) > MOST_SENTENCES:
        return [*said[:MOST_SENTENCES], f"{count(len(said) - MOST_SENTENCES)} more in the table"]
    return said


def _untrusted(comparison: Comparison) -> Iterator[str]:
    for name, run in (("BASE", comparison.base), ("NOW", comparison.now)):
        for reason in run.untrusted:
            yield f"{name}, {plain(run.folder)}: {plain(reason)}"


def _failed_gates(comparison: Comparison) -> Iterator[str]:
    for gate in comparison.gates:
        if not gate.ok:
            yield f"gate `{plain(gate.expr)}` does not hold: {gate_observed(gate)}"


def gate_observed(gate: ComparedGate) -> str:
    """Return what a gate found, and what it was held to."""
    held = "BASE has not measured it" if gate.bound is None else f"held to {in_unit(gate.bound, gate.unit)}"
    return f"{observed(gate.observed, gate.unit)}, {held}"


def _changes(comparison: Comparison) -> Iterator[str]:
    for verdict in ("worse", "changed", "better"):
        lines = [line for line in comparison.lines if line.verdict == verdict]
        for subject in dict.fromkeys(line.subject for line in lines):
            yield from _of_subject([line for line in lines if line.subject == subject])


def _of_subject(lines: Sequence[ComparedLine]) -> Iterator[str]:
    times = sorted(
        (line for line in lines if line.metric in _TIMES), key=lambda line: _TIMES.index(line.metric)
    )
    if times:
        others = ", ".join(line.metric for line in times[1:])
        yield sentence(times[0]) + (f"; {others} as well" if others else "")
    for line in lines:
        if line.metric not in _TIMES:
            yield sentence(line)


def sentence(line: ComparedLine) -> str:
    """Return what has become of a line, with its interval."""
    less, subject = (line.change or 0.0) < 0, plain(line.subject)
    if line.metric in _TIMES:
        head = f"{subject} {_SLOWER[less]}: {METRICS.get(line.metric, line.metric)}"
    else:
        head = f"{_HAPPENED[line.metric][less].replace('{}', subject)}:"
    now, base = (observed(value, line.unit) for value in (line.now, line.base))
    return f"{head} {now} instead of {base} ({change(line, line.change)}, {between(line)})"


def between(line: ComparedLine) -> str:
    """Return the interval as `between +17% and +26%`."""
    if line.low is None or line.high is None:
        return "no interval"
    return f"between {change(line, line.low)} and {change(line, line.high)}"


def change(line: ComparedLine, value: float | None) -> str:
    """Return a change with its sign: in percent, in points of a percentage, or in the line's own unit."""
    if value is None:
        return "-"
    if line.relative:
        return _percent(value)
    if line.unit == "share":
        return f"{_signed(100 * value, '.2f' if abs(value) < 0.01 else '.1f')} points"
    return "0" if value == 0 else f"{'-' if value < 0 else '+'}{number(abs(value))}"


def _percent(value: float) -> str:
    if value >= 9.995:
        return f"x{value + 1:,.0f}"
    return f"{_signed(100 * value, '.1f' if abs(value) < 0.0995 else '.0f')}%"


def _signed(value: float, form: str) -> str:
    text = f"{value:+{form}}"
    return text.lstrip("+-") if not text.strip("+-0.") else text


def _absent(comparison: Comparison) -> Iterator[str]:
    for names, only, other in (
        (comparison.only_in_base, "BASE", "NOW"),
        (comparison.only_in_now, "NOW", "BASE"),
    ):
        if names:
            said = ", ".join(short(plain(name), _LONGEST_VALUE) for name in names[:4])
            rest = f" and {count(len(names) - 4)} more" if len(names) > 4 else ""
            yield f"called in {only} alone, and so not compared: {said}{rest} (no calls in {other})"


def in_unit(value: float, unit: Unit) -> str:
    """Return a bound in its unit; it may be less than nothing, which nothing that is observed can be."""
    text = {"time": duration, "share": share, "number": number}[unit](abs(value))
    return f"-{text}" if value < 0 else text


def difference(one: Difference) -> str:
    """Return a setting that is not the same in both runs."""
    base, now = (short(plain(str(value)), _LONGEST_VALUE) for value in (one.base, one.now))
    return f"{plain(one.name)}: {base} in BASE, {now} in NOW"


def how(comparison: Comparison) -> str:
    """Return how the intervals were made."""
    drawn = "the same rollouts in both runs" if comparison.paired else "each run's rollouts by themselves"
    return (
        f"{counted(len(comparison.lines), 'line')} compared by drawing {drawn} again; all intervals hold"
        f" together at {comparison.confidence:.0%}; times within {share(comparison.tolerance)} are no news"
    )


def sampling(comparison: Comparison) -> str:
    """Return how long the longest step of each run sampled, "" where one has none."""
    base, now = comparison.sampling_s
    if base is None or now is None:
        return ""
    return f"the longest step sampled for {duration(now)} instead of {duration(base)}: too few steps to judge"
