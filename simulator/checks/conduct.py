"""The whole check of a job's endpoints: which steps, in which order, within which time.

the way to each origin ─▶ ordinary calls ─▶ each endpoint's contract ─▶ the grader ─▶ the rate ─▶ state
"""

import math
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Literal

import msgspec
import trio

from simulator.checks import contract, limits, wire
from simulator.checks.caller import Caller
from simulator.checks.prober import Prober, origin_of
from simulator.checks.study import Study, Watch
from simulator.dialects.base import Dialect
from simulator.findings import found
from simulator.job.scenario import Scenario
from simulator.measure.checked import CheckSummary, EndpointFacts
from simulator.model import Endpoint, Finding

Depth = Literal["files", "standard", "intrusive"]

TIME_LIMIT_S = 45.0
"""For all probes but that of the rate, which takes ten seconds more, and five for stragglers."""


class Orders(msgspec.Struct, frozen=True):
    """What a check is to do; times are in seconds.

    Endpoints are sent calls at the recommended rate for `rate_s`, not at all if it is 0. `answer_limit_s` is
    how long a probe waits for an answer, `time_limit_s` how long all probes but that of the rate may take.
    """

    depth: Depth = "standard"
    rate_s: float = limits.LASTING_S
    answer_limit_s: float = 10.0
    time_limit_s: float = TIME_LIMIT_S


async def check_endpoints(
    scenario: Scenario,
    dialect: Dialect,
    orders: Orders,
    environ: Mapping[str, str],
    redact: Callable[[str], str],
    watch: Watch,
    *,
    started_at: str,
    stop: trio.Event,
) -> tuple[CheckSummary, list[Finding]]:
    """Probe all endpoints of a job that may be probed, and return what was measured and found.

    Once `stop` is set it ends, with what it has.
    """
    began = trio.current_time()
    prober = Prober(environ, scenario.rules.max_answer_bytes)
    caller = Caller(
        scenario.job,
        scenario.rules,
        dialect,
        prober,
        redact,
        answer_limit_s=orders.answer_limit_s,
        intrusive=orders.depth == "intrusive",
    )
    study = Study(scenario, caller, watch, orders.rate_s)
    study.left_out.extend(f"{name}: the scenario excludes it" for name in scenario.check.exclude)
    try:
        async with _until(stop):
            for step, what, share in STEPS:
                ends = began + study.rate_duration_s + orders.time_limit_s
                own = trio.current_time() + share * orders.time_limit_s
                with trio.move_on_at(own if share == math.inf else min(own, ends)) as limit:
                    await step(study)
                if limit.cancelled_caught:
                    study.findings.append(found("check.unfinished", f"{what} took too long"))
        study.findings.extend(contract.judge_flaky(caller))
        if stop.is_set():
            study.findings.append(found("check.unfinished", "the check was stopped before its end"))
    finally:
        with trio.CancelScope(shield=True):
            await prober.aclose()
    summary = CheckSummary(
        scenario=scenario.name,
        started_at=started_at,
        probe=orders.depth,
        duration_s=trio.current_time() - began - study.rate_duration_s,
        rate_duration_s=study.rate_duration_s,
        requests=caller.requests,
        rate_requests=sum(one.sent for one in study.paced),
        endpoints=tuple(_facts(study, endpoint) for endpoint in study.endpoints),
        left_out=tuple(study.left_out),
    )
    return summary, study.findings


STEPS: tuple[tuple[Callable[[Study], Awaitable[None]], str, float], ...] = (
    (Study.look_at_the_ways, "the way to the hosts", 0.25),
    (Study.make_ordinary_calls, "ordinary calls", 1.0),
    (Study.try_each_contract, "the contract of the endpoints", 0.5),
    (Study.try_the_grader, "the grader's answers", 0.5),
    (Study.try_the_rate, "the calls at the recommended rate", math.inf),
    (Study.look_for_state, "the look for state under the rollout's id", 0.35),
)
"""The steps in order, and the share of the time limit that each may take at most; that of the rate is as long
as it is, and does not count."""


@asynccontextmanager
async def _until(stop: trio.Event) -> AsyncIterator[None]:
    """Cancel what is within once `stop` is set."""
    async with trio.open_nursery() as nursery:

        async def end() -> None:
            await stop.wait()
            nursery.cancel_scope.cancel()

        nursery.start_soon(end)
        yield
        nursery.cancel_scope.cancel()


def _facts(study: Study, endpoint: Endpoint) -> EndpointFacts:
    name, times = endpoint.name, study.caller.times.get(endpoint.name, [])
    way = study.ways.get(origin_of(endpoint), wire.Way())
    kept = study.kept.get(name)
    paced = next((one for one in study.paced if endpoint in one.target.endpoints), None)
    return EndpointFacts(
        name=name,
        kind=endpoint.kind,
        url=endpoint.url.partition("?")[0],
        http_version=study.caller.versions.get(name, ""),
        tls=way.tls,
        certificate_days=way.days,
        connect_ms=_ms(way.connect_s),
        first_answer_ms=_ms(times[0] if times else None),
        warm_answer_ms=_ms(wire.warm_s(times)),
        keep_alive=kept.keep_alive if kept else None,
        bad_arguments=study.bad_arguments.get(name, {}),
        bad_answers=study.bad_answers.get(name, {}),
        rate_per_s=paced.reached_per_s if paced and paced.tells else None,
        rate_asked_per_s=paced.target.rate_per_s if paced else None,
    )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
