"""The steps of a check, and what they leave to each other.

Each step needs what the one before it found: nothing is sent where nothing listens, and only variations on
calls that work are worth sending. The endpoints of a step are probed side by side, each with one request at a
time.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial

import msgspec
import trio

from simulator.checks import arguments, contract, grader, limits, marked, specimen, state, wire
from simulator.checks.acting import says_it_acts
from simulator.checks.answers import Sample, sample_of
from simulator.checks.caller import Ask, Caller
from simulator.checks.prober import origin_of
from simulator.checks.response import CERTAIN, Answered, ResponseKind
from simulator.checks.specimen import Specimens
from simulator.errors import InputError, PolicyError
from simulator.findings import found
from simulator.job.policies import policy_factory, tool_choices
from simulator.job.scenario import Scenario
from simulator.model import Endpoint, Finding, Item
from simulator.plan.schedule import arrivals
from simulator.plan.trainer import endpoints_of

Watch = Callable[[str], None]
"""Is told what is being looked at."""


class Study:
    """A check under way: what was found, and what is known of each endpoint."""

    def __init__(self, scenario: Scenario, caller: Caller, watch: Watch, rate_s: float) -> None:
        self.scenario, self.caller, self.watch, self.rate_s = scenario, caller, watch, rate_s
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
        self.scoring: dict[str, Answered] = {}
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
            origin = origin_of(endpoint)
            others = [e.name for e in self.endpoints if origin_of(e) == origin and e is not endpoint]
            self.findings.extend(wire.judge_way(endpoint, self.ways[origin], others))
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
        tools = alive & self.caller.tools.keys()
        items = specimen.items_of(self.scenario)
        if not items:
            self.left_out.append("all endpoints: the datasets have no usable row to call them with")
            return
        # A library generates arguments from the schemas, in a process that is waited for in a thread.
        choices = partial(tool_choices, self.scenario, items, self._note_schema)
        make = partial(policy_factory, self.scenario, items, self._note_schema)
        try:
            policy = await trio.to_thread.run_sync(make, abandon_on_cancel=True)
            self.specimens = await specimen.play(self.caller, policy, items, choices, tools)
        except (InputError, PolicyError) as error:
            self.findings.append(found("scenario.unusable", f"the policy cannot be played: {error}"))
            return
        for name in sorted(tools - self.specimens.ordinary.keys()):
            self.left_out.append(f"{name}: neither the policy nor a row's schema says how to call it")
        for name, ordinary in self.specimens.ordinary.items():
            self._judge(self.caller.tools[name], ordinary.answered, specimen.ask_tool(self.caller, ordinary))
        if self.caller.grader is not None and self.caller.grader.name in alive:
            await self._grade_ordinary(self.caller.grader, items)

    def _note_schema(self, error: InputError) -> None:
        """Leave out what no arguments could be generated for: that may well be for our generator's lack."""
        sentence = f"{error.message} at {error.where}"
        if sentence not in self.left_out:
            self.left_out.append(sentence)

    async def _grade_ordinary(self, judge: Endpoint, items: Sequence[Item]) -> None:
        """Have an ordinary answer graded: the policy's, or the right one if the grader fails at that."""
        self.sample = sample = sample_of(self.scenario, self.specimens, items, self.caller)
        answered = await grader.ask_grader(self.caller, sample)(self.caller.patiently)
        self.caller.note_ordinary(answered)
        if answered.kind in {ResponseKind.CRASHED, ResponseKind.MALFORMED} and sample.reference is not None:
            right = msgspec.structs.replace(sample, answer=sample.reference)
            second = await grader.ask_grader(self.caller, right)()
            if second.reading.score is not None:
                self.findings.append(grader.crash_on_ordinary(self.caller, answered))
                self.sample, answered = right, second
        self._judge(judge, answered, grader.ask_grader(self.caller, self.sample))

    def _judge(self, endpoint: Endpoint, answered: Answered, ask: Ask) -> None:
        self.findings.extend(contract.judge_ordinary(self.caller, endpoint, answered))
        if contract.is_usable(answered):
            self.usable[endpoint.name] = ask
        if answered.reading.score is not None:
            self.scoring[endpoint.name] = answered

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
        said, ordinary = self.bad_answers[judge.name], self.scoring[judge.name]
        await self.take(grader.check_grader(self.caller, self.sample, ordinary, said))

    async def try_the_rate(self) -> None:
        """Send calls at the recommended rate to whatever answered one by one, if that is wanted."""
        lasting_s = self.rate_s
        if not lasting_s:
            return
        ordinary = {n: o for n, o in self.specimens.ordinary.items() if n in self.usable}
        for name in [] if self.caller.intrusive else sorted(filter(says_it_acts, ordinary)):
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
        self.paced = [limits.Paced(target, lasting_s) for target in aimed]
        try:
            await limits.send_at_rate(self.caller, self.paced, lasting_s)
        finally:
            self.rate_duration_s = trio.current_time() - began
        scenario = self.scenario
        rollouts = arrivals(scenario.load, scenario.job.hyperparameters).rollouts_per_step
        for one in limits.by_share(self.paced):
            name = one.target.endpoint.name
            warm_s = wire.warm_s(self.caller.times.get(name, []))
            if not one.answered_at and not one.faults and warm_s is not None and warm_s > lasting_s:
                self._tell_no_rate(one, f"no answer can come within {lasting_s:g} s")
            elif one.late_s > limits.MOST_LATE_S:
                self._tell_no_rate(one, f"this program itself was {one.late_s * 1000:.0f} ms late")
            else:
                rules = scenario.rules
                kind = one.target.endpoint.kind
                limit_s = rules.tool_time_limit_s if kind == "tool" else rules.grader_time_limit_s
                self.findings.extend(limits.judge_rate(one, rollouts, limit_s))

    def _tell_no_rate(self, judged: limits.Paced, why: str) -> None:
        self.left_out.append(f"the rate of {judged.target.names}: {why}")
        for one in self.paced:
            if set(one.target.endpoints) <= set(judged.target.endpoints):
                one.tells = False

    async def look_for_state(self) -> None:
        """Compare what rollouts are answered under different circumstances."""
        behind = [one.target.endpoint.name for one in limits.by_share(self.paced) if not one.keeps_up]
        if behind:
            self.left_out.append(
                f"state under the rollout's id: {behind[0]} does not keep up, so that rollouts at "
                "the same time would tell more of its queue than of its state"
            )
            return
        self.watch("state under the rollout's id")
        config, tools = self.scenario.check.state, self.usable
        if config is not None and {config.write.tool, config.read.tool} <= tools.keys():
            item = self.specimens.ordinary[config.read.tool].item
            await self.take(marked.check_marked(self.caller, config, item, self.left_out))
        judge = self.caller.grader
        graded = judge is not None and judge.name in self.scoring
        rate = judge.rate_limit if judge is not None else None
        graded = graded and (rate is None or rate >= state.SCATTERED)  # or the trainer would not send so many
        ordinary = {name: one for name, one in self.specimens.ordinary.items() if name in tools}
        calls = [one.call for one in ordinary.values() if one.answered.kind in CERTAIN]
        tunes = [
            tune
            for one in self.specimens.played
            if (tune := state.tune_of(one, calls, graded=graded)) is not None
        ]
        if tunes:
            await self.take(state.check_state(self.caller, tunes, self.left_out))
        elif self.specimens.ordinary:
            self.left_out.append("state under the rollout's id: no rollout came to a call that was answered")
