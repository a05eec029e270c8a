"""What leads calls to endpoints: over one connection, or over many at the same time."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import trio

from simulator.checks.prober import Asks, Lane, Prober, Request, Seen, origin_of
from simulator.model import Endpoint, TrainerRules
from simulator.timers import Timers
from simulator.transport.base import Transport, exchange, routes_of
from simulator.transport.choice import choose


class Ways(Protocol):
    """What leads to endpoints: `Lanes`, or a `Crowd`."""

    def to(self, endpoint: Endpoint) -> Asks:
        """Return what the next call to the endpoint goes over."""


class Lanes:
    """The lanes of one rollout, one to each origin: its calls to one server share a connection, and a worker.

    Use it in `async with`, which closes them at its end.
    """

    def __init__(self, prober: Prober) -> None:
        self._prober = prober
        self._by_origin: dict[str, Lane] = {}

    def to(self, endpoint: Endpoint) -> Asks:
        """Return the lane for calls to the endpoint."""
        origin = origin_of(endpoint)
        if origin not in self._by_origin:
            self._by_origin[origin] = self._prober.lane(endpoint)
        return self._by_origin[origin]

    async def __aenter__(self) -> "Lanes":
        return self

    async def __aexit__(self, *_: object) -> None:
        for lane in self._by_origin.values():
            await lane.aclose()


class Crowd:
    """Makes calls over the run's own transport: as many connections as there are calls at the same time.

    That is how a burst reaches all workers of a server. One connection after another would not: while all are
    idle, the same one takes them again and again. Of a request only the body is sent.
    """

    def __init__(self, endpoints: Sequence[Endpoint], transport: Transport, timers: Timers) -> None:
        self.transport, self.timers = transport, timers
        self.index = {endpoint.name: index for index, endpoint in enumerate(endpoints)}

    def to(self, _endpoint: Endpoint) -> "Crowd":
        """Return what asks the endpoint: it is one for all of them."""
        return self

    async def ask(self, request: Request, _limit_s: float) -> Seen:
        """Send a request and return what came of it, after the limit of all the crowd at the latest."""
        reply = await exchange(self.transport, self.index[request.endpoint.name], request.body)
        return Seen(request, reply.done - reply.sent, reply.status, reply.body, reply.fault)


@asynccontextmanager
async def open_crowd(
    endpoints: Sequence[Endpoint], rules: TrainerRules, environ: Mapping[str, str]
) -> AsyncIterator[Crowd]:
    """Open the transport that `environ` calls for, under the trainer's rules, and close it again."""
    timers, routes = Timers(), routes_of(endpoints, rules)
    transport = choose("auto", routes, environ).make(routes, timers)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(timers.serve)
        await nursery.start(transport.serve)
        yield Crowd(endpoints, transport, timers)
        nursery.cancel_scope.cancel()
