"""One endpoint: a call from its arrival, through queue and dice, to what is put on the wire."""

import random
from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec
import trio

from endpoints_mock.behaviour import ColdStart, Dice, Workers
from endpoints_mock.bias import Bias
from endpoints_mock.connection import Connection
from endpoints_mock.domain import Domain, Grader, Tool
from endpoints_mock.http import Answer, Request, error
from endpoints_mock.loop import Agenda
from endpoints_mock.record import Log, LogEntry, Record
from endpoints_mock.settings import Behaviour, is_biased
from endpoints_mock.wire_faults import FAULTS, FaultKind, Right
from simulator.dialects.openai import OpenAI

_DIALECT = OpenAI()
_NO_FAULT = FaultKind("none")
_decode = msgspec.json.Decoder().decode


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A call that could be read. `work` makes the right answer; ValueError from it is the caller's fault.

    It is given what is to be added to a score.
    """

    trace_id: str
    call_id: str
    name: str
    arguments: str
    work: Callable[[float], Right]


Read = Callable[[bytes], Incoming]
"""Reads a request's body; ValueError when it is not what the contract says."""


def tool_reader(name: str, tool: Tool) -> Read:
    """Return the reader for calls of a tool."""

    def find(called: str) -> Tool:
        if called != name:
            raise ValueError(f"this is the endpoint of `{name}`, not of `{called[:100]}`")
        return tool

    return _reader(find)


def tools_reader(domain: Domain) -> Read:
    """Return the reader for calls of any tool of a domain."""

    def find(called: str) -> Tool:
        if called in domain.tools:
            return domain.tools[called]
        if domain.any_tool is None:
            raise ValueError(f"there is no tool `{called[:100]}`; known: {', '.join(domain.tools)}")
        return partial(domain.any_tool, called)

    return _reader(find)


def _reader(find: Callable[[str], Tool]) -> Read:
    """Return the reader for calls of the tools that `find` gives by name; ValueError for those it refuses."""

    def read(body: bytes) -> Incoming:
        request = _DIALECT.read_tool_request(body)
        tool = find(request.call.name)

        def work(_shift: float) -> Right:
            arguments = _object(request.call.arguments or "{}")  # a model may leave out what a tool needs not
            output = (
                "Error: the arguments are not a JSON object"
                if arguments is None
                else tool(arguments, request.trace_id)
            )
            return Right(request.ids, _DIALECT.tool_answer(request.ids, output))

        return Incoming(
            request.trace_id, request.ids.call_id, request.call.name, request.call.arguments, work
        )

    return read


def grader_reader(name: str, grader: Grader) -> Read:
    """Return the reader for calls of a grader; in the log its answer stands in the place of arguments."""

    def read(body: bytes) -> Incoming:
        request = _DIALECT.read_grader_request(body)

        def work(shift: float) -> Right:
            item = _object(request.item)
            if item is None:
                raise ValueError("the item is not a JSON object")
            return Right(None, _DIALECT.grader_answer(grader(request.answer, item, request.trace_id) + shift))

        return Incoming(request.trace_id, "", name, request.answer, work)

    return read


class Endpoint:
    """Serves the calls of one tool or grader as its behaviour says, and keeps account of them."""

    def __init__(
        self, name: str, read: Read, behaviour: Behaviour, seed: int, log: Log | None, agenda: Agenda
    ) -> None:
        self.name, self.record, self.agenda = name, Record(), agenda
        self.log, self.slow_body_s = log, behaviour.slow_body_s
        self.cold_start = ColdStart(behaviour.cold_start_s)
        self.workers = Workers(behaviour.workers, behaviour.order, random.Random(f"{seed}/{name}"), agenda)
        self.dice = Dice(behaviour, seed, name)
        self.bias = Bias(behaviour, seed, name) if is_biased(behaviour) else None
        self._read = read

    def serve(self, request: Request, connection: Connection) -> None:
        """Answer one request, rightly or wrongly."""
        try:
            incoming = self._read(request.body)
        except ValueError as problem:
            self.record.unreadable += 1
            connection.play((error(400, str(problem)).encode(),))
        else:
            _Call(self, incoming, request.arrived, connection).arrive()


class _Call:
    """A call on its way through an endpoint; each step leads to the next, at once or later.

    The worker stays occupied until all is written: a hanging or slow answer costs capacity.
    """

    __slots__ = ("_answer", "_arrived", "_connection", "_due", "_endpoint", "_incoming", "_kind", "_left")

    def __init__(
        self, endpoint: Endpoint, incoming: Incoming, arrived: float, connection: Connection
    ) -> None:
        self._endpoint, self._incoming = endpoint, incoming
        self._arrived, self._connection = arrived, connection

    def arrive(self) -> None:
        endpoint, arrived = self._endpoint, self._arrived
        endpoint.record.arrive()
        warm_at = endpoint.cold_start.warm_at(arrived)
        if warm_at > arrived:
            endpoint.agenda.call_at(warm_at, partial(endpoint.workers.enter, self._begin, warm_at))
        else:
            endpoint.workers.enter(self._begin, arrived)

    def _begin(self, now: float) -> None:
        endpoint, incoming = self._endpoint, self._incoming
        fate = endpoint.dice.throw(incoming.trace_id, incoming.call_id)
        self._kind = _NO_FAULT
        if fate.fault is not None:
            self._kind = FAULTS[fate.fault]
            endpoint.record.faults[fate.fault] += 1
        bias, in_flight = endpoint.bias, endpoint.record.in_flight
        shift = bias.shift(incoming.trace_id, in_flight, self._connection.number) if bias is not None else 0.0
        self._answer = _right_or_refused(incoming, self._kind, shift)
        self._due = now + fate.service_s
        if fate.service_s:
            endpoint.agenda.call_at(self._due, self._put)
        else:
            self._put()

    def _put(self) -> None:
        endpoint, kind, answer = self._endpoint, self._kind, self._answer
        self._left = trio.current_time()
        if endpoint.log is not None:
            endpoint.log.add(_log_entry(endpoint.name, self._incoming, 0 if kind.silent else answer.status))
        self._connection.play(kind.put(answer, endpoint.slow_body_s), self._done)

    def _done(self, delivered: bool) -> None:
        endpoint, now = self._endpoint, trio.current_time()
        if delivered and not self._kind.silent:
            endpoint.record.answered(now - self._arrived, self._left - self._due)
        endpoint.workers.leave(now)
        endpoint.record.in_flight -= 1


def _right_or_refused(incoming: Incoming, kind: FaultKind, shift: float) -> Answer:
    try:
        return kind.alter(incoming.work(shift))
    except ValueError as problem:
        return error(400, str(problem))


def _log_entry(endpoint: str, incoming: Incoming, status: int) -> LogEntry:
    return LogEntry(endpoint, incoming.trace_id, incoming.call_id, incoming.name, incoming.arguments, status)


def _object(json: str | bytes) -> dict[str, Any] | None:
    try:
        value = _decode(json)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
