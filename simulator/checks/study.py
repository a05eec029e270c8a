"""The whole check of a job's endpoints: which probes, in which order, within which time.

    the way to each origin ─▶ ordinary calls ─▶ each endpoint's contract ─▶ state ─▶ the grader ─▶ the rate

Each step needs what the one before it found: nothing is sent where nothing listens, and only variations on
calls that work are worth sending. The endpoints of a step are probed side by side, each with one request at a
time.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Literal

import msgspec
import trio

from simulator.checks import arguments, contract, grader, limits, marked, specimen, state, wire
from simulator.checks.caller import AS_THE_TRAINER, Answered, Ask, Caller, How
from simulator.checks.grader import Sample
from simulator.checks.prober import Prober, origin_of
from simulator.checks.specimen import Ordinary, Specimens
from simulator.dialects.base import Dialect
from simulator.errors import InputError, PolicyError
from simulator.findings import found
from simulator.job.policies import policy_factory, tool_choices
from simulator.job.scenario import Scenario
from simulator.measure.checked import CheckSummary, EndpointFacts
from simulator.model import Endpoint, Finding, Item
from simulator.plan.schedule import arrivals
from simulator.plan.trainer import endpoints_of

Depth = Literal["files", "standard", "intrusive"]

TIME_LIMIT_S = 45.0
"""For all probes but that of the rate, which takes ten seconds more, and five for stragglers."""

Watch = Callable[[str], None]
"""Is told what is being looked at."""


class Orders(msgspec.Struct, frozen=True):
    """What a check is to do; times are in seconds.

    Endpoints are sent calls at the recommended rate for `rate_s`, not at all if it is 0. `answer_limit_s` is
    how long a probe waits for an answer, `time_limit_s` how long all probes but that of the rate may take.
    """

    depth: Depth = "standard"
    rate_s: float = limits.LASTING_S
    answer_limit_s: float = 10.0
    time_limit_s: float = TIME_LIMIT_S


class Study:
    """A check under way: what was found, and what is known of each endpoint."""

    def __init__(self, scenario: Scenario, caller: Caller, watch: Watch) -> None:
        self.scenario, self.caller, self.watch = scenario, caller, watch
        self.findings: list[Finding] = []
        self.left_out: list[str] = []
        excluded = set(scenario.check.exclude)
        self.endpoints = [e for e in endpoints_of(scenario.job) if e.name not in excluded]
        self.ways: dict[str, wire.Way] = {}
        self.kept: dict[str, wire.Kept] = {}
        self.bad_arguments: dict[str, dict[str, str]] = {e.name: {} for e in self.endpoints}
        self.bad_answers: dict[str, dict[str, str]] = {e.name: {} for e in self.endpoints}
        self.specimens = Specimens((), {})
        self.sample: Sample | None = None
        self.usable: dict[str, Ask] = {}
        self.scoring: set[str] = set()
        self.paced: list[limits.Paced] = []
        self.rate_duration_s = 0.0

    async def take(self, findings: AsyncIterator[Finding]) -> None:
        """Take in findings as they are made."""
        async for finding in findings:
            self.findings.append(finding)

    # -- the steps

    async def look_at_the_ways(self) -> None:
        """Go the way to each origin; what cannot be reached is left alone from then on."""
        self.watch("the way to each host")
        first_of = {origin_of(endpoint): endpoint for endpoint in reversed(self.endpoints)}
        prober, limit_s = self.caller.prober, self.scenario.rules.connect_time_limit_s
        direct = [e for e in first_of.values() if not prober.goes_through_proxy(e)]

        async def look(endpoint: Endpoint) -> None:
            self.ways[origin_of(endpoint)] = await wire.look(endpoint, prober, limit_s)

        async with trio.open_nursery() as nursery:
            for endpoint in direct:
                nursery.start_soon(look, endpoint)
        for endpoint in direct:
            self.findings.extend(wire.judge_way(endpoint, self.ways[origin_of(endpoint)]))
        if len(direct) < len(first_of):
            self.left_out.append("the way to hosts behind a proxy: the proxy goes it")

    def reached(self, endpoint: Endpoint) -> bool:
        """Tell whether nothing is known to stand in the way to an endpoint."""
        way = self.ways.get(origin_of(endpoint))
        return way is None or way.fault is None

    async def make_ordinary_calls(self) -> None:
        """Play a few rollouts one by one, and grade what they answered."""
        self.watch("ordinary calls")
        alive = {e.name for e in self.endpoints if self.reached(e)}
        dead = {tool.name for tool in self.scenario.job.tools} - alive
        items = _items(self.scenario)
        if not items:
            self.left_out.append("all endpoints: the datasets have no usable row to call them with")
            return
        try:
            choices = partial(tool_choices, self.scenario, items)
            policy = policy_factory(self.scenario, items)
            self.specimens = await specimen.play(self.caller, policy, items, choices, dead)
        except (InputError, PolicyError) as error:
            self.findings.append(found("scenario.unusable", f"the policy cannot be played: {error}"))
            return
        for name in sorted(alive - self.specimens.ordinary.keys()):
            if name in self.caller.tools:
                self.left_out.append(f"{name}: neither the policy nor a row's schema says how to call it")
        for name, ordinary in self.specimens.ordinary.items():
            self._judge(self.caller.tools[name], ordinary.answered, _ask_tool(self.caller, ordinary))
        judge = self.caller.grader
        if judge is not None and judge.name in alive:
            self.sample = sample = _sample(self.scenario, self.specimens, items, self.caller)
            answered = await _ask_grader(self.caller, sample)(limit_s=self.caller.first_limit_s)
            self.caller.note_ordinary(answered)
            self._judge(judge, answered, _ask_grader(self.caller, sample))

    def _judge(self, endpoint: Endpoint, answered: Answered, ask: Ask) -> None:
        self.findings.extend(contract.judge_ordinary(self.caller, endpoint, answered))
        if contract.is_usable(answered):
            self.usable[endpoint.name] = ask
        if answered.reading.score is not None:
            self.scoring.add(endpoint.name)

    async def try_each_contract(self) -> None:
        """Send each endpoint what must be refused, and what must not be crashed on."""
        async with trio.open_nursery() as nursery:
            for endpoint in self.endpoints:
                if endpoint.name in self.usable:
                    nursery.start_soon(self._try_contract, endpoint)

    async def _try_contract(self, endpoint: Endpoint) -> None:
        self.watch(f"the contract of {endpoint.name}")
        caller, ask = self.caller, self.usable[endpoint.name]
        kept = self.kept[endpoint.name] = await wire.try_keeping(caller, endpoint, ask)
        self.findings.extend(wire.judge_connection(caller, endpoint, kept))
        ordinary = self.specimens.ordinary.get(endpoint.name)
        if ordinary is not None:
            await self.take(arguments.check_arguments(caller, ordinary, self.bad_arguments[endpoint.name]))
            await self.take(arguments.check_name(caller, ordinary))
        right = ordinary.answered if ordinary is not None else await ask()
        await self.take(contract.check_refusals(caller, endpoint, ask, right))

    async def look_for_state(self) -> None:
        """Compare what rollouts are answered under different circumstances."""
        self.watch("state under the rollout's id")
        config, tools = self.scenario.check.state, self.usable
        if config is not None and {config.write.tool, config.read.tool} <= tools.keys():
            item = self.specimens.ordinary[config.read.tool].item
            await self.take(marked.check_marked(self.caller, config, item, self.left_out))
        judge = self.caller.grader
        graded = judge is not None and judge.name in self.scoring
        tunes = [
            tune
            for one in self.specimens.played
            if (tune := state.tune_of(one, tools, graded=graded)) is not None
        ]
        if tunes:
            await self.take(state.check_state(self.caller, tunes))
        elif self.specimens.ordinary:
            self.left_out.append("state under the rollout's id: no rollout came to a call that was answered")

    async def try_the_grader(self) -> None:
        """Have the grader judge what models answer, and tricks."""
        judge = self.caller.grader
        if judge is None or self.sample is None or judge.name not in self.scoring:
            return
        self.watch("the grader")
        if self.sample.reference is None:
            self.left_out.append(
                "answers that need the right one: no field of the rows is known to hold it; name it in the "
                "scenario, as [check] reference"
            )
        await self.take(grader.check_grader(self.caller, self.sample, self.bad_answers[judge.name]))

    async def try_the_rate(self, lasting_s: float) -> None:
        """Send calls at the recommended rate to whatever answered one by one."""
        ordinary = {n: o for n, o in self.specimens.ordinary.items() if n in self.usable}
        for name in [] if self.caller.intrusive else sorted(filter(limits.says_it_acts, ordinary)):
            del ordinary[name]
            self.left_out.append(
                f"the rate of {name}: by its name it changes something; see --probe intrusive"
            )
        judge = self.caller.grader
        sample = self.sample if judge is not None and judge.name in self.usable else None
        aimed = limits.targets(self.caller, ordinary, sample)
        if not aimed:
            return
        self.watch(f"{lasting_s:g} s at the recommended rate")
        began = trio.current_time()
        self.paced = await limits.send_at_rate(self.caller, aimed, lasting_s)
        self.rate_duration_s = trio.current_time() - began
        scenario = self.scenario
        rollouts = arrivals(scenario.load, scenario.job.hyperparameters).rollouts_per_step
        for one in self.paced:
            name = one.target.endpoint.name
            if one.late_s > limits.MOST_LATE_S:
                self.left_out.append(
                    f"the rate of {name}: this program itself was {one.late_s * 1000:.0f} ms late"
                )
                continue
            kind = one.target.endpoint.kind
            rules = scenario.rules
            limit_s = rules.tool_time_limit_s if kind == "tool" else rules.grader_time_limit_s
            self.findings.extend(limits.judge_rate(one, rollouts, limit_s))

    # -- what is known at the end

    def facts(self, endpoint: Endpoint) -> EndpointFacts:
        """Return what is known of an endpoint."""
        name, times = endpoint.name, self.caller.times.get(endpoint.name, [])
        way = self.ways.get(origin_of(endpoint), wire.Way())
        kept = self.kept.get(name)
        paced = next((one for one in self.paced if one.target.endpoint.url == endpoint.url), None)
        return EndpointFacts(
            name=name,
            kind=endpoint.kind,
            url=endpoint.url.partition("?")[0],
            http_version=self.caller.versions.get(name, ""),
            tls=way.tls,
            certificate_days=way.days,
            connect_ms=_ms(way.connect_s),
            first_answer_ms=_ms(times[0] if times else None),
            warm_answer_ms=_ms(wire.warm_s(times)),
            keep_alive=kept.keep_alive if kept else None,
            bad_arguments=self.bad_arguments.get(name, {}),
            bad_answers=self.bad_answers.get(name, {}),
            rate_per_s=paced.reached_per_s if paced else None,
            rate_asked_per_s=paced.target.rate_per_s if paced else None,
        )


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
    study = Study(scenario, caller, watch)
    study.left_out.extend(f"{name}: the scenario excludes it" for name in scenario.check.exclude)
    steps = (
        study.look_at_the_ways,
        study.make_ordinary_calls,
        study.try_each_contract,
        study.look_for_state,
        study.try_the_grader,
    )
    try:
        async with _until(stop):
            with trio.move_on_after(orders.time_limit_s) as limit:
                for step in steps:
                    await step()
            if limit.cancelled_caught:
                message = f"not all probes came to their end within {orders.time_limit_s:g} s"
                study.findings.append(found("check.unfinished", message))
            elif orders.rate_s:
                await study.try_the_rate(orders.rate_s)
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
        endpoints=tuple(map(study.facts, study.endpoints)),
        left_out=tuple(study.left_out),
    )
    return summary, study.findings


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


_MOST_ITEMS = 3


def _items(scenario: Scenario) -> tuple[Item, ...]:
    """Return a few rows that declare as many of the job's tools as possible, the first ones preferred."""
    rows = scenario.train or scenario.valid
    chosen: list[Item] = list(rows[:1])
    declared = {tool.name for item in chosen for tool in item.tools}
    for item in rows[1:]:
        names = {tool.name for tool in item.tools}
        if len(chosen) < _MOST_ITEMS and (names - declared or not names):
            chosen.append(item)
            declared |= names
    for item in rows[1:]:
        if len(chosen) < _MOST_ITEMS and item not in chosen:
            chosen.append(item)
    return tuple(chosen)


def _sample(scenario: Scenario, specimens: Specimens, items: Sequence[Item], caller: Caller) -> Sample:
    """Return what the grader is asked about: a rollout that came to an answer, or else the first row."""
    rows = scenario.train or scenario.valid
    known = grader.references(rows, grader.reference_field(rows, scenario.check.reference))
    done = next((one for one in specimens.played if one.answer is not None), None)
    item = done.item if done else items[0]
    reference = known.get(item.index)
    others = dict.fromkeys(text for text in known.values() if text != reference)
    return Sample(
        item=item,
        trace_id=done.trace_id if done else caller.new_trace(),
        asked=tuple(done.asked) if done else (),
        answer=(done.answer if done else None) or grader.DEFAULT_ANSWER,
        reference=reference,
        others=tuple(others)[:9],
        long_chars=caller.long_chars(item),
    )


def _ask_tool(caller: Caller, ordinary: Ordinary) -> Ask:
    async def ask(*, how: How = AS_THE_TRAINER, limit_s: float | None = None) -> Answered:
        trace_id = caller.new_trace()
        return await caller.tool(ordinary.call, trace_id, ordinary.item, how=how, limit_s=limit_s)

    return ask


def _ask_grader(caller: Caller, sample: Sample) -> Ask:
    return partial(caller.grade, sample.answer, list(sample.asked), sample.trace_id, sample.item)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
