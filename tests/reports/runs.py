"""The runs that the tests report on."""

import functools
from collections.abc import Callable

import msgspec

from reports.results import Results
from simulator.faults import Fault, Violation
from simulator.gates import Verdict
from simulator.measure.detail import detail_of
from simulator.measure.recorded import Spread
from simulator.measure.replayed import ChangedOutput, Compared, Outputs, ReplayedTool, ReplaySummary
from simulator.measure.summary import Summary
from simulator.model import Endpoint, Finding, Outcome
from tests.reports.played import ASSUMPTIONS, CAT, LIST, SEARCH, Played, endpoints

FINDINGS = (
    Finding("slow-start", "warning", "search", "the first call took 4.1 s", "warm it up before the job"),
    Finding("no-auth", "error", "cat", "answers without a token", "check the bearer token"),
)

_SCORES = (0.0, 0.5, 1.0, 1.0)


def _usual(run: Played, rollouts: int) -> None:
    for n in range(rollouts):
        slow = 0.012 + 0.002 * (n % 7)
        calls = [
            [(SEARCH, 0.2 + slow, None), (SEARCH, 0.25, None)],
            [(LIST, slow, None)],
            [(CAT, 0.02, None)],
        ]
        run.play(calls[: 2 + n % 2], score=_SCORES[n % 4], start=0.01 * (n % 3))


@functools.cache
def passing() -> tuple[Summary, Verdict]:
    run = Played()
    _usual(run, 32)
    return run.judged()


@functools.cache
def played_failing() -> Played:
    """Play a step whose search serves one call every 20 ms, and now and then answers 500, and so on."""
    run = Played()

    def dress(outcome: Outcome) -> Outcome:
        wrong = (Violation.MISSING_TYPE,) if outcome.endpoint == CAT else ()
        return msgspec.structs.replace(outcome, violations=wrong, soft_error=outcome.endpoint == CAT)

    for n in range(480):
        fault = Fault.HTTP_5XX if n % 37 == 3 else Fault.HTTP_4XX if n % 41 == 5 else None
        calls = [[(SEARCH, 0.02 * (n + 1), fault)], [(CAT, 0.018, None)]]
        score = 0.0 if fault else _SCORES[n % 4]
        run.play(
            calls if fault is not Fault.HTTP_5XX else calls[:1],
            score=score,
            state="discarded" if fault is Fault.HTTP_5XX else "graded",
            cut_short=n % 60 == 7,
            dress=dress,
        )
    return run


@functools.cache
def failing() -> tuple[Summary, Verdict]:
    return played_failing().judged(batch_size=60, rollouts_per_step=480)


@functools.cache
def failing_in_detail() -> Results:
    """Return the same, with what its rollouts.jsonl would hold."""
    return Results(*failing(), FINDINGS, detail_of(played_failing().lines))


@functools.cache
def invalid() -> tuple[Summary, Verdict]:
    run = Played()
    _usual(run, 32)
    return run.judged(lag_s=0.43)


@functools.cache
def interrupted() -> tuple[Summary, Verdict]:
    run = Played()
    _usual(run, 12)
    for _ in range(4):
        run.play([[(SEARCH, 0.3, None)]], score=None, state="interrupted")
    return run.judged(planned=32, interrupted=True)


@functools.cache
def ungraded() -> tuple[Summary, Verdict]:
    run = Played(endpoints("search", "list", "cat", grader=False))
    for n in range(32):
        run.play([[(SEARCH, 0.2, None)], [(n % 3, 0.04, None)]], score=None, state="ungraded")
    return run.judged(
        grader_type="string_check",
        assumptions=(
            *ASSUMPTIONS,
            "the string_check grader is run by the platform: rollouts are not graded here",
        ),
    )


@functools.cache
def unmeasured() -> tuple[Summary, Verdict]:
    return Played().judged(planned=32, interrupted=True)


@functools.cache
def toolless() -> tuple[Summary, Verdict]:
    run = Played((Endpoint("grader", "grader", "http://127.0.0.1:1/grade"),))
    run.play([], score=None, state="ungraded")
    return run.judged()


@functools.cache
def crowded() -> tuple[Summary, Verdict]:
    """Play 17 tools with long names, some of which nobody runs, over many steps."""
    names = [f"mcp__retail_backoffice_{'x' * n}__find_order_by_customer_{n}" for n in range(17)]
    run = Played((*endpoints(*names, grader=False),))
    for step in range(1, 13):
        for n in range(17):
            fault = Fault.CONNECT_REFUSED if n % 5 == 2 else None
            run.play(
                [[(n, 140.0 + step, fault)]], score=None, state="ungraded", step=step, start=700.0 * step
            )
    return run.judged(
        grader_type="score_model",
        steps=12,
        time_scale=0.1,
        gates=[f"{names[16]}.p99 < 2s", "steps.inflation < 1.5"],
    )


def _compared(count: int, then_ms: float, now_ms: float) -> Compared:
    def spread(ms: float) -> Spread:
        return Spread(count, ms, 1.5 * ms, 2.25 * ms, 3 * ms, 1.1 * ms)

    ratio = now_ms / then_ms
    return Compared(spread(then_ms), spread(now_ms), ratio, ratio / 0.5)


EXAMPLES = (
    ChangedOutput("cat", "trace_1", '{"path":"10-K.txt"}', "Sales: 12.4", "Sales: 12.5", is_error=False),
    ChangedOutput("search", "", '{"query":"' + "sales " * 30 + '"}', "10-K.txt", "", is_error=True),
)


@functools.cache
def replayed() -> tuple[Summary, Verdict]:
    """Replay a recording at half its pace; one tool has got faster, and one output in 27 has changed."""
    run = Played()
    _usual(run, 32)
    summary, verdict = run.judged(mode="recorded", time_scale=0.5, policy="recorded")
    search, cat = _compared(52, 1830.0, 240.0), _compared(28, 18.0, 20.0)
    tools = (
        ReplayedTool("cat", 28, cat, Outputs(25, 1, 0, 0, 2)),
        ReplayedTool("list", 2, Compared(), Outputs(2, 0, 0, 0, 0)),
        ReplayedTool("search", 52, search, Outputs(49, 0, 2, 1, 0)),
    )
    everything = ReplayedTool("tools", 82, _compared(80, 1200.0, 170.0), Outputs(76, 1, 2, 1, 2))
    replay = ReplaySummary(
        {"evaluation export": 30, "chat completions": 2}, 32, 32, 95.2, 16.4, 0.345,
        _compared(32, 41_000.0, 9_000.0), everything, tools, EXAMPLES,
    )  # fmt: skip
    return msgspec.structs.replace(summary, replay=replay), verdict


CASES: dict[str, Callable[[], tuple[Summary, Verdict]]] = {
    case.__name__: case
    for case in (passing, failing, invalid, interrupted, ungraded, unmeasured, toolless, crowded, replayed)
}
