"""Tool calls and grader calls as probes make them, and what became of each."""

import re
import secrets
import statistics
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol
from urllib.parse import urlsplit

import msgspec
import trio

from simulator.checks.prober import Asks, Headers, Lane, Prober, Request, Seen, origin_of
from simulator.checks.response import CERTAIN, CONFIRMED, Answered, ResponseKind
from simulator.checks.ways import Crowd, Lanes, open_crowd
from simulator.dialects.base import CallIds, Dialect
from simulator.faults import MEANING
from simulator.findings import Evidence
from simulator.model import Endpoint, Item, Job, Reply, ToolCall, TrainerRules
from simulator.plan.call import read_reply
from simulator.plan.trainer import endpoints_of

FIRST_TIMES = 2.0
"""How much longer than others the first call of an endpoint is waited for, which may start cold."""

SLOWER_TIMES = 2.5
"""How much longer than the slowest ordinary call others are waited for, if that is more than usual."""

SLOW_S, AT_ONCE = 0.5, 8
"""Probes are made one by one, or so many at once where an ordinary call takes that long."""

THROTTLED_PAUSE_S = 1.0
"""Before a call that was refused for its frequency is made again; twice as long the second time."""

LONG_CHARS = 100_000
"""Of a text that is very long; an intrusive check goes up to the largest request that the trainer sends."""

_SHARE_OF_LIMIT, _FRAME_BYTES = 0.9, 1_000
_SHOWN = 240
_TRACE = re.compile(r'"trace_id":"([^"]*)"')
_IDS = re.compile(r'"id":"[^"]*","call_id":"[^"]*",')


class How(msgspec.Struct, frozen=True):
    """How a probe differs from the trainer's call; see `prober.Request`.

    `limit_s` is how many seconds the answer is waited for, None for as long as usual; `lane` is what it goes
    over, None for the usual one.
    """

    method: str = "POST"
    headers: Headers | None = None
    query: bool = True
    body: bytes | None = None
    limit_s: float | None = None
    lane: Asks | None = None


AS_THE_TRAINER = How()


Attempt = Callable[[], Awaitable[Answered]]
"""Makes one call, whichever it is."""


class Ask(Protocol):
    """Makes an ordinary call of one endpoint, always the same but for its ids, or a variation on it."""

    async def __call__(self, how: How = AS_THE_TRAINER) -> Answered:
        """Make the call."""


class Caller:
    """Makes the calls of a check, each of which waits for `answer_limit_s` seconds unless told otherwise.

    By the endpoint's name, `times` holds the seconds of ordinary calls that were answered, `versions`
    the version of HTTP they were answered in, `flaky` calls that failed and then succeeded, and `throttled`
    those that a limit of the endpoint's own refused.
    """

    def __init__(
        self,
        job: Job,
        rules: TrainerRules,
        dialect: Dialect,
        prober: Prober,
        redact: Callable[[str], str],
        *,
        answer_limit_s: float,
        intrusive: bool,
    ) -> None:
        self.job, self.rules, self.dialect, self.prober = job, rules, dialect, prober
        self.answer_limit_s, self.intrusive = answer_limit_s, intrusive
        self._redact = redact
        self._as_json = job.response_format is not None
        self._lanes: dict[str, Lane] = {}
        self.tools = {tool.name: tool for tool in job.tools}
        self.grader = job.grader.endpoint
        self._sent = 0
        self.times: dict[str, list[float]] = {}
        self.versions: dict[str, str] = {}
        self.flaky: dict[str, list[Answered]] = {}
        self.throttled: dict[str, list[Answered]] = {}

    def long_chars(self, item: Item) -> int:
        """Return how long the longest texts are to be that probes send in calls of an item."""
        most = int(self.rules.max_request_bytes * _SHARE_OF_LIMIT) - len(bytes(item.json)) - _FRAME_BYTES
        return max(0, most if self.intrusive else min(most, LONG_CHARS))

    # -- ids

    def new_trace(self) -> str:
        """Return a rollout's id that no run and no other probe has, and that tells where it comes from."""
        return self.dialect.trace_id(f"preflight_{secrets.token_hex(11)}")

    def new_ids(self) -> CallIds:
        """Return ids of a call that no other call has."""
        return self.dialect.call_ids(secrets.token_hex(16), 0)

    # -- calls

    async def tool(
        self,
        call: ToolCall,
        trace_id: str,
        item: Item,
        *,
        to: Endpoint | None = None,
        how: How = AS_THE_TRAINER,
    ) -> Answered:
        """Make a tool call until it is not in doubt, to the tool of its name if not `to` another endpoint."""
        return await self._until_certain(lambda: self.tool_once(call, trace_id, item, to=to, how=how))

    async def grade(
        self,
        answer: str,
        calls: list[tuple[CallIds, ToolCall]],
        trace_id: str,
        item: Item,
        *,
        how: How = AS_THE_TRAINER,
    ) -> Answered:
        """Make a grader call until it is not in doubt; the job has an endpoint grader."""
        return await self._until_certain(lambda: self.grade_once(answer, calls, trace_id, item, how=how))

    async def _until_certain(self, attempt: Attempt) -> Answered:
        """Make a call again that failed: what fails now and then is another finding than what always does."""
        first = answered = await attempt()
        for number in range(1, CONFIRMED[answered.kind]):
            if answered.kind is ResponseKind.THROTTLED:
                await trio.sleep(number * THROTTLED_PAUSE_S)
            answered = await attempt()
            if answered.kind in CERTAIN:
                self.note_failure(first)
                break
        return answered

    def note_failure(self, answered: Answered) -> None:
        """Take note of a call that failed where the same one does succeed."""
        name = answered.seen.request.endpoint.name
        kept = self.throttled if answered.kind is ResponseKind.THROTTLED else self.flaky
        kept.setdefault(name, []).append(answered)

    async def several(self, endpoint: Endpoint, attempts: Mapping[str, Attempt]) -> dict[str, Answered]:
        """Make calls of an endpoint, one by one unless it is slow, and return what came of each, in order.

        After one that hung none is begun: the others might be waited for as long, and for no fault of theirs.
        """
        slow = statistics.median(self.times.get(endpoint.name) or [0.0]) > SLOW_S
        limiter, answers = trio.CapacityLimiter(AT_ONCE if slow else 1), dict[str, Answered]()

        async def one(name: str, attempt: Attempt) -> None:
            async with limiter:
                if not any(answered.kind is ResponseKind.HUNG for answered in answers.values()):
                    answers[name] = await attempt()

        async with trio.open_nursery() as nursery:
            for name, attempt in attempts.items():
                nursery.start_soon(one, name, attempt)
                await trio.lowlevel.checkpoint()  # so that they come in order
        return {name: answers[name] for name in attempts if name in answers}

    async def tool_once(
        self,
        call: ToolCall,
        trace_id: str,
        item: Item,
        *,
        to: Endpoint | None = None,
        ids: CallIds | None = None,
        how: How = AS_THE_TRAINER,
    ) -> Answered:
        """Make a tool call, with new ids unless some are given."""
        endpoint, ids = to or self.tools[call.name], ids or self.new_ids()
        body = self.dialect.tool_request(ids, call, trace_id, item) if how.body is None else how.body
        seen = await self._ask(endpoint, body, how)
        return Answered(seen, read_reply(self.dialect, ids, _reply(seen)), ids)

    async def grade_once(
        self,
        answer: str,
        calls: list[tuple[CallIds, ToolCall]],
        trace_id: str,
        item: Item,
        *,
        how: How = AS_THE_TRAINER,
    ) -> Answered:
        """Make a grader call; the job has an endpoint grader."""
        assert self.grader is not None  # noqa: S101 the caller's half of the bargain
        body = how.body
        if body is None:
            body = self.dialect.grader_request(answer, calls, trace_id, item, as_json=self._as_json)
        seen = await self._ask(self.grader, body, how)
        return Answered(seen, read_reply(self.dialect, None, _reply(seen)))

    async def _ask(self, endpoint: Endpoint, body: bytes, how: How) -> Seen:
        self._sent += 1
        request = Request(endpoint, body, how.method, how.headers, how.query)
        slowest_s = max(self.times.get(endpoint.name, ()), default=0.0)
        limit_s = how.limit_s or max(self.answer_limit_s, SLOWER_TIMES * slowest_s)
        return await (how.lane or self._usual_lane(endpoint)).ask(request, limit_s)

    @property
    def requests(self) -> int:
        """How many requests were sent, those too that went out twice."""
        return self._sent + self.prober.resent

    def _usual_lane(self, endpoint: Endpoint) -> Lane:
        """Return the lane to the endpoint's origin: tools and grader may share state in a worker."""
        origin = origin_of(endpoint)
        if origin not in self._lanes:
            self._lanes[origin] = self.prober.lane(endpoint, AT_ONCE)
        return self._lanes[origin]

    def lanes(self) -> Lanes:
        """Return lanes of their own for a rollout."""
        return Lanes(self.prober)

    def crowd(self, limit_s: float | None = None) -> AbstractAsyncContextManager[Crowd]:
        """Open a way to all endpoints for calls at the same time; their limit is the trainer's if None."""
        rules = self.rules
        if limit_s is not None:
            rules = msgspec.structs.replace(rules, tool_time_limit_s=limit_s, grader_time_limit_s=limit_s)
        return open_crowd(endpoints_of(self.job), rules, self.prober.environ)

    # -- what ordinary calls tell on the way

    @property
    def patiently(self) -> How:
        """How the first call of an endpoint is made: waiting longer."""
        return How(limit_s=FIRST_TIMES * self.answer_limit_s)

    def note_ordinary(self, answered: Answered) -> None:
        """Take note of the time of an ordinary call, if it was answered."""
        seen, name = answered.seen, answered.seen.request.endpoint.name
        if seen.status:
            self.times.setdefault(name, []).append(seen.seconds)
            self.versions[name] = seen.http_version

    # -- evidence

    def evidence(self, answered: Answered) -> Evidence:
        """Return request and answer on a line each, cut, without secrets.

        The rollout's id comes first, by which logs can be searched; the call's own ids are left out.
        """
        seen = answered.seen
        path, body = urlsplit(seen.request.endpoint.url).path or "/", _text(seen.request.body)
        trace = _TRACE.search(body)
        ids = f" ({trace[1]})" if trace else ""
        request = f"{seen.request.method} {path}{ids} {_IDS.sub('', body, count=1)}"
        if seen.status and seen.fault is None:
            answer = f"{seen.status} {_text(seen.body)}"
        else:
            status = f"{seen.status}, then " if seen.status else ""
            took = f"{seen.seconds:.1f} s" if seen.seconds >= 1 else f"{seen.seconds * 1000:.0f} ms"
            answer = f"{status}{MEANING[seen.fault] if seen.fault else 'nothing'} ({took})"
        return Evidence(self.shown(request), self.shown(answer))

    def shown(self, text: str) -> str:
        """Return a text on one line, cut, without secrets."""
        text = " ".join(self._redact(text).split())
        return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _reply(seen: Seen) -> Reply:
    return Reply(0.0, seen.seconds, seen.status, seen.body, fault=seen.fault)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")
