"""A whole run on real sockets: plan, engine, transport and tally against a server of the test's own."""

import json
from collections.abc import Callable, Sequence

import trio

from simulator.dialects.openai import OpenAI
from simulator.engine.run import Hooks, Plan, Run
from simulator.measure.tally import EndpointTally, Tally
from simulator.model import Load, RolloutSpec, TrainerRules, Transcript
from simulator.plan.policy import Policy, guarded
from simulator.plan.schedule import Phase, schedule
from simulator.plan.trainer import Trainer
from simulator.testing import RawRequest, Script, ScriptServer, http, serving
from simulator.timers import Timers
from simulator.transport.base import routes_of
from simulator.transport.http11 import Http11
from tests.making import Turns, answer, ask, items, job


def good(request: RawRequest, *, output: str = "found", close: bool = False) -> bytes:
    """The answer of an endpoint that does all right."""
    headers = ["connection: close"] if close else []
    asked = request.json()
    if request.target == "/grade":
        return http(200, b'{"score":1.0}', *headers)
    ids = {"id": asked["id"], "call_id": asked["call_id"]}
    body = {"type": "function_call_output", **ids, "output": output}
    return http(200, json.dumps(body).encode(), *headers)


def always_good(request: RawRequest) -> Script:
    return [good(request)]


def one_call(_spec: RolloutSpec, _rng) -> Policy:
    return Turns(ask("search"), answer("done"))


class Played:
    """A run: before it is played to tell it what to do, and afterwards to look at."""

    def __init__(  # noqa: PLR0913 a test names the one or two that it is about
        self,
        respond: Callable[[RawRequest], Script] = always_good,
        *,
        load: Load | None = None,
        make_policy: Callable[..., Policy] = one_call,
        tools: Sequence[str] = ("search",),
        rate_limit: float | None = None,
        graded: bool = True,
        train: int = 4,
        valid: int = 0,
        seed: int = 1,
        read: str = "all",
        **rules,
    ) -> None:
        self.server = ScriptServer(respond, read=read)
        self.load = load or Load(batch_size=1, group_size=1)
        self.rules = TrainerRules(**rules)
        self._job = {"rate_limit": rate_limit, "graded": graded}
        self._tools, self._train, self._valid, self._seed = tools, items(train), items(valid, "valid"), seed
        self.policies: list[Policy] = []
        self._make_policy = make_policy
        self.phases: list[Phase] = []
        self.started: list[RolloutSpec] = []
        self.transcripts: list[Transcript] = []
        self.tally: Tally
        self.run: Run

    async def play(self, meanwhile: Callable[[Run], object] | None = None) -> "Played":
        """Play to the end; `meanwhile` runs beside it."""
        timers = Timers()
        async with serving(self.server), trio.open_nursery() as nursery:
            of = job(*self._tools, url=self.server.url, **self._job)
            phases = self._laid_out = schedule(of, self.load, self._train, self._valid)
            self.tally = Tally((*of.tools, *([of.grader.endpoint] if of.grader.endpoint else [])), 0.0)
            self.tally.origin = trio.current_time()
            trainer = Trainer(
                of,
                rules=self.rules,
                load=self.load,
                dialect=OpenAI(),
                run_key="a-run",
                record=self.tally.add_attempt,
            )
            transport = Http11(routes_of(trainer.endpoints, self.rules), timers)
            hooks = Hooks(begin=self._begin, started=self._start, ended=self._end)
            make_policy = guarded(self._policy, trainer.index_of_tool)
            self.run = Run(Plan(trainer, phases, make_policy, self._seed), transport, timers, hooks)
            await nursery.start(timers.serve)
            await nursery.start(transport.serve)
            if meanwhile is not None:
                nursery.start_soon(meanwhile, self.run)
            await self.run.play()
            nursery.cancel_scope.cancel()
        return self

    async def _begin(self) -> float:
        await trio.sleep(self.phases[-1].pause_s if self.phases else 0.0)
        self.phases.append(self._laid_out[len(self.phases)])
        return trio.current_time()

    def _policy(self, spec: RolloutSpec, rng) -> Policy:
        self.policies.append(self._make_policy(spec, rng))
        return self.policies[-1]

    def _start(self, spec: RolloutSpec) -> None:
        self.started.append(spec)
        self.tally.add_started(spec)

    def _end(self, transcript: Transcript) -> None:
        self.transcripts.append(transcript)
        self.tally.add_transcript(transcript)

    @property
    def states(self) -> list[str]:
        return [transcript.state for transcript in sorted(self.transcripts, key=lambda t: t.spec.index)]

    def endpoint(self, name: str = "search") -> EndpointTally:
        return self.tally.endpoints[name]
