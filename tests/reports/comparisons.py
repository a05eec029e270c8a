"""Comparisons, to be shown in every way there is."""

import msgspec

from simulator.measure.comparison import ComparedGate, ComparedLine, ComparedRun, Comparison, Difference

BASE = ComparedRun("out/before", "finqa", "2026-01-01T12:00:00Z", 7, 512, "pass")
NOW = ComparedRun("out/after", "finqa", "2026-01-02T12:00:00Z", 7, 509, "fail")
HOSTILE = "x|`</td>@octocat <img src=x> [a](http://b) **c** \x1b[31m" + "y" * 40


def line(subject, metric, unit, *figures, worse=1):
    """Return a line; `figures` are base, now, change, low, high, the verdict and maybe a note."""
    relative = unit == "time" or metric == "calls_per_rollout"
    return ComparedLine(subject, metric, unit, worse, relative, *figures)


def nothing(subject, metric, unit="share", value=0.0, worse=1):
    return line(subject, metric, unit, value, value, 0.0, 0.0, 0.0, "same", worse=worse)


LINES = (
    line("search", "p50", "time", 0.310, 0.372, 0.2, 0.17, 0.23, "worse"),
    line("search", "middle", "time", 0.320, 0.381, 0.19, 0.17, 0.22, "worse"),
    line("search", "p90", "time", 0.81, 0.97, 0.2, 0.12, 0.28, "worse"),
    line("search", "p99", "time", 1.5, 1.9, 0.21, 0.17, 0.26, "worse"),
    line("search", "error_rate", "share", 0.003, 0.021, 0.018, 0.011, 0.025, "worse"),
    nothing("search", "soft_error_rate", value=0.0861),
    line("cat", "p50", "time", 0.0151, 0.0121, -0.2, -0.23, -0.17, "better"),
    line("cat", "middle", "time", 0.0152, 0.0122, -0.197, -0.22, -0.17, "better"),
    line(
        "cat", "p90", "time", 0.022, 0.0221, 0.0045, -0.31, 2.1, "unclear", "seen in a part of the run alone"
    ),
    line("cat", "p99", "time", 0.031, 0.029, None, None, None, "unclear", "too few to tell anything"),
    nothing("cat", "error_rate"),
    line("rollouts", "duration", "time", 39.2, 44.1, 0.125, 0.08, 0.17, "worse"),
    line("rollouts", "discarded_rate", "share", 0.0, 0.0059, 0.0059, -0.001, 0.0128, "unclear"),
    line("rollouts", "calls_per_rollout", "number", 6.9, 7.4, 0.072, 0.06, 0.085, "changed", worse=0),
    line("scores", "mean", "number", 0.598, 0.552, -0.046, -0.07, -0.022, "worse", worse=-1),
    nothing("learnability", "flat_groups", value=0.0625),
)
DIFFERENCES = (
    Difference("load.compute_multiplier", 1.0, 1.5),
    Difference("versions.system", "Linux-6", "Linux-7"),
)


def comparison(lines=LINES, gates=(), **more):
    verdict = "fail" if any(line.verdict == "worse" for line in lines) else "pass"
    return msgspec.structs.replace(
        Comparison(
            verdict, BASE, NOW, tuple(lines), tuple(gates), (), (), (), (52.3, 61.0), True, 0.05, 0.95
        ),
        **more,
    )


def worse():
    return comparison(differences=DIFFERENCES)


def gated():
    gates = (
        ComparedGate("search.p99 < 1.1 * base", "time", 1.5, 1.65, 1.9, False),
        ComparedGate("rollouts.discarded_rate <= base", "share", 0.0, 0.0, 0.0059, False),
        ComparedGate("scores.mean >= base - 0.9", "number", 0.598, -0.302, 0.552, True),
        ComparedGate("steps.inflation < base", "number", None, None, None, True),
    )
    return comparison(gates=gates)


def same():
    lines = [nothing(line.subject, line.metric, line.unit, line.base, line.worse) for line in LINES]
    return comparison(lines, now=msgspec.structs.replace(BASE, folder="out/before"), sampling_s=(52.3, 52.3))


def untrusted():
    reasons = ("it was stopped before its end", "its loop came 1.2 s late at most")
    return comparison(
        verdict="invalid",
        now=msgspec.structs.replace(NOW, untrusted=reasons, verdict="invalid"),
        paired=False,
    )


def hostile():
    """Compare 60 endpoints whose names are up to something; two have gone, six are new."""
    lines = [msgspec.structs.replace(LINES[n % 5], subject=f"{HOSTILE}{n}") for n in range(60)]
    gate = ComparedGate(f"{HOSTILE}.p99 < base", "time", 1.0, 1.0, 2.0, False)
    return comparison(
        lines,
        (gate,),
        only_in_base=("gone", HOSTILE),
        only_in_now=tuple(f"new{n}" for n in range(6)),
        differences=tuple(Difference(f"{HOSTILE}{n}", HOSTILE, n) for n in range(12)),
        now=msgspec.structs.replace(NOW, folder=HOSTILE, scenario=HOSTILE, started_at="\x00"),
        sampling_s=(None, 1.0),
    )


CASES = {
    "compare-worse": worse,
    "compare-gated": gated,
    "compare-same": same,
    "compare-untrusted": untrusted,
    "compare-hostile": hostile,
}
