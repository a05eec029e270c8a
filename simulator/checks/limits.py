"""Ten seconds at the recommended rate: how many calls a second are answered, and what fails on the way.

It goes over the run's own fast transport, which adds next to nothing of its own to what it measures.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import msgspec
import trio

from simulator.checks.answers import Sample
from simulator.checks.caller import Caller
from simulator.checks.prober import Request, origin_of
from simulator.checks.response import TOO_MANY_REQUESTS
from simulator.checks.specimen import Ordinary
from simulator.faults import Fault
from simulator.findings import found
from simulator.model import Endpoint, Finding, Reply, Severity
from simulator.plan.call import read_reply

RATE_PER_S = 50.0
"""What the endpoints are recommended to serve. Source: AZ, the agentic RFT preview's README."""
MOST_PER_S = 200.0
"""To one origin, whatever the number of its endpoints: a step's burst is not a multiple of it."""
LASTING_S = 10.0
STRAGGLERS_S = 5.0
KEEPS_UP = 0.9
FEW = 0.01
"""Of the calls: if fewer fail it is a warning, as a run's usual gate lets it pass."""
LONG_QUEUE_S = 60.0
"""Not to keep up is an error where one call of each of a step's rollouts would take longer."""
MOST_NAMED = 4
MOST_LATE_S = 0.25
"""Our own lateness, above which nothing is said about the endpoint."""

Body = Callable[[], bytes]


class Target(msgspec.Struct, frozen=True):
    """A URL to send to: the endpoints that share it, and what makes bodies."""

    endpoints: tuple[Endpoint, ...]
    bodies: tuple[Body, ...]
    rate_per_s: float

    @property
    def endpoint(self) -> Endpoint:
        """The first of them, by whose name it goes."""
        return self.endpoints[0]

    @property
    def names(self) -> str:
        """The names of a few of them, and how many more there are."""
        shown = ", ".join(endpoint.name for endpoint in self.endpoints[:MOST_NAMED])
        more = len(self.endpoints) - MOST_NAMED
        return f"{shown} and {more} more" if more > 0 else shown


class Paced(msgspec.Struct):
    """What came of a target's calls, sent for `lasting_s`; times are seconds since the first one was due.

    `tells` is False where nothing can be said of the endpoint's rate.
    """

    target: Target
    lasting_s: float
    sent: int = 0
    late_s: float = 0.0
    answered_at: list[float] = []
    tells: bool = True
    throttled: int = 0
    retry_after: str = ""
    faults: Counter[Fault] = msgspec.field(default_factory=Counter)

    @property
    def reached_per_s(self) -> float:
        """The rate of answers, for as long after the first one as calls were sent."""
        first = min(self.answered_at, default=0.0)
        within = [at for at in self.answered_at if at <= first + self.lasting_s]
        if len(within) < 2:
            return len(within) / self.lasting_s
        return (len(within) - 1) / max(max(within) - first, 1e-9)

    @property
    def keeps_up(self) -> bool:
        """Tell whether nearly as many calls were answered as were sent."""
        return self.reached_per_s >= KEEPS_UP * self.target.rate_per_s


def targets(caller: Caller, ordinary: Mapping[str, Ordinary], sample: Sample | None) -> list[Target]:
    """Return what is to be sent where: each URL once, whatever number of tools share it."""
    by_url: dict[str, list[tuple[Endpoint, Body]]] = {}
    for name, one in ordinary.items():
        tool = caller.tools[name]
        by_url.setdefault(tool.url, []).append((tool, partial(_tool_body, caller, one)))
    if sample is not None and caller.grader is not None:
        by_url.setdefault(caller.grader.url, []).append(
            (caller.grader, partial(_grader_body, caller, sample))
        )
    urls = Counter(origin_of(pairs[0][0]) for pairs in by_url.values())
    return [
        Target(
            tuple(endpoint for endpoint, _ in pairs),
            tuple(body for _, body in pairs),
            min(
                RATE_PER_S,
                round(MOST_PER_S / urls[origin_of(pairs[0][0])], 1),
                *(e.rate_limit for e, _ in pairs if e.rate_limit),
            ),
        )
        for pairs in by_url.values()
    ]


async def send_at_rate(caller: Caller, paced: Sequence[Paced], lasting_s: float) -> None:
    """Send to all targets at the same time, each at its rate; what comes of it is noted in `paced`."""
    async with caller.crowd() as crowd, trio.open_nursery() as nursery:
        began = trio.current_time()
        under_way, all_back = [0], trio.Event()

        def send(one: Paced, due: float) -> None:
            one.late_s = max(one.late_s, trio.current_time() - due)
            body = one.target.bodies[one.sent % len(one.target.bodies)]()
            one.sent += 1
            under_way[0] += 1
            crowd.transport.send(crowd.index[one.target.endpoint.name], body, partial(answered, one))

        def answered(one: Paced, reply: Reply) -> None:
            under_way[0] -= 1
            if not under_way[0] and trio.current_time() >= began + lasting_s:
                all_back.set()
            _note(caller, one, reply, began)
            if one.throttled == 1 and reply.status == TOO_MANY_REQUESTS:
                nursery.start_soon(_ask_for_how_long, caller, one)

        for one in paced:
            for number in range(int(one.target.rate_per_s * lasting_s)):
                due = began + number / one.target.rate_per_s
                crowd.timers.call_at(due, partial(send, one, due))
        await trio.sleep_until(began + lasting_s)
        if under_way[0]:
            with trio.move_on_after(STRAGGLERS_S):
                await all_back.wait()
        nursery.cancel_scope.cancel()


async def _ask_for_how_long(caller: Caller, one: Paced) -> None:
    """Send one more call while the endpoint refuses them, to see the header that the fast transport drops."""
    one.sent += 1
    request = Request(one.target.endpoint, one.target.bodies[0]())
    seen = await caller.prober.lane(one.target.endpoint).ask(request, STRAGGLERS_S)
    one.retry_after = caller.shown(seen.retry_after)


def _note(caller: Caller, one: Paced, reply: Reply, began: float) -> None:
    kind = one.target.endpoint.kind
    ids = caller.new_ids() if kind == "tool" else None  # whether the right ones come back is not asked here
    reading = read_reply(caller.dialect, ids, reply)
    if reply.status == TOO_MANY_REQUESTS:
        one.throttled += 1
    elif reading.fault is None or reading.fault in _NO_FAILURE:
        one.answered_at.append(reply.done - began)
    if reading.fault is not None:
        one.faults[reading.fault] += 1


_NO_FAILURE = {
    Fault.HTTP_4XX,
    Fault.HTTP_3XX,
    Fault.MALFORMED_ANSWER,
    Fault.TOO_LARGE,
    Fault.REQUEST_TOO_LARGE,
}
"""What an ordinary call may be answered one by one as well; the other probes tell of it."""


def by_share(paced: Sequence[Paced]) -> list[Paced]:
    """Return what is to be judged: URLs that had to share the most an origin is sent are judged as one."""
    alone = [one for one in paced if one.target.rate_per_s >= RATE_PER_S]
    shares: dict[str, list[Paced]] = {}
    for one in paced:
        if one not in alone:
            shares.setdefault(origin_of(one.target.endpoint), []).append(one)
    return [*alone, *map(_as_one, shares.values())]


def _as_one(paced: Sequence[Paced]) -> Paced:
    endpoints = tuple(endpoint for one in paced for endpoint in one.target.endpoints)
    rate_per_s = sum(one.target.rate_per_s for one in paced)
    return Paced(
        Target(endpoints, (), rate_per_s),
        paced[0].lasting_s,
        sent=sum(one.sent for one in paced),
        late_s=max(one.late_s for one in paced),
        answered_at=sorted(at for one in paced for at in one.answered_at),
        throttled=sum(one.throttled for one in paced),
        retry_after=next((one.retry_after for one in paced if one.retry_after), ""),
        faults=sum((one.faults for one in paced), Counter()),
    )


def judge_rate(one: Paced, rollouts_per_step: int, time_limit_s: float) -> Iterator[Finding]:
    """Yield what ten seconds tell of an endpoint."""
    name, target = one.target.endpoint.name, one.target
    failed = {fault: times for fault, times in one.faults.items() if fault not in _NO_FAILURE}
    whose = f" of {target.names}" if len(target.endpoints) > 1 else ""
    asked = f"{one.sent} calls{whose} at {target.rate_per_s:.3g} per second"
    if failed:
        listed = ", ".join(f"{fault} {times}" for fault, times in failed.items())
        few: Severity | None = "warning" if sum(failed.values()) < FEW * one.sent else None
        message = f"of {asked} {sum(failed.values())} failed: {listed}"
        yield found("limits.errors", message, endpoint=name, severity=few)
    if one.throttled:
        after = f"Retry-After: {one.retry_after}" if one.retry_after else "no Retry-After"
        message = f"of {asked} {one.throttled} were answered with 429, {after}"
        yield found("limits.throttled", message, endpoint=name)
    reached = one.reached_per_s
    if not one.keeps_up and not one.throttled:
        waits_s = rollouts_per_step / reached if reached else math.inf
        queue = f"one call of each of a step's {rollouts_per_step} rollouts would take {_minutes(waits_s)}"
        message = f"{asked} were answered at {reached:.3g} per second: {queue}"
        severity: Severity | None = "error" if waits_s > LONG_QUEUE_S else None
        yield found("limits.rate_not_reached", message, endpoint=name, severity=severity)
        if waits_s > time_limit_s:
            message = f"{queue}, and a call may take {_minutes(time_limit_s)}"
            yield found("limits.time_limit", message, endpoint=name)


def _minutes(seconds: float) -> str:
    if seconds == math.inf:
        return "for ever"
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"


def _tool_body(caller: Caller, one: Ordinary) -> bytes:
    return caller.dialect.tool_request(caller.new_ids(), one.call, caller.new_trace(), one.item)


def _grader_body(caller: Caller, sample: Sample) -> bytes:
    as_json = caller.job.response_format is not None
    return caller.dialect.grader_request(
        sample.answer, list(sample.asked), sample.trace_id, sample.item, as_json=as_json
    )
