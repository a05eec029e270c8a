"""One endpoint: a call from its arrival, through queue and dice, to what is put on the wire."""

import random
from collections.abc import Callable
from typing import Any

import msgspec
import trio

from endpoints_mock.behaviour import ColdStart, Dice, Workers
from endpoints_mock.domain import Grader, Tool
from endpoints_mock.http import Answer, Connection, Request, error
from endpoints_mock.record import Log, LogEntry, Record
from endpoints_mock.settings import Behaviour
from endpoints_mock.wire_faults import FAULTS, FaultKind, Right, put_plain
from simulator.dialects.openai import OpenAI

_DIALECT = OpenAI()
_NO_FAULT = FaultKind("none")
_decode = msgspec.json.Decoder().decode


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A call that could be read. `work` makes the right answer; ValueError from it is the caller's fault."""

    trace_id: str
    call_id: str
    name: str
    arguments: str
    work: Callable[[], Right]


Read = Callable[[bytes], Incoming]
"""Reads a request's body; ValueError when it is not what the contract says."""


def tool_reader(name: str, tool: Tool) -> Read:
    """Return the reader for calls of a tool."""

    def read(body: bytes) -> Incoming:
        request = _DIALECT.read_tool_request(body)
        if request.call.name != name:
            raise ValueError(f"this is the endpoint of `{name}`, not of `{request.call.name[:100]}`")

        def work() -> Right:
            arguments = _object(request.call.arguments)
            output = (
                "Error: the arguments are not a JSON object"
                if arguments is None
                else tool(arguments, request.trace_id)
            )
            return Right(request.ids, _DIALECT.tool_answer(request.ids, output))

        return Incoming(request.trace_id, request.ids.call_id, name, request.call.arguments, work)

    return read


def grader_reader(name: str, grader: Grader) -> Read:
    """Return the reader for calls of a grader; in the log its answer stands in the place of arguments."""

    def read(body: bytes) -> Incoming:
        request = _DIALECT.read_grader_request(body)

        def work() -> Right:
            item = _object(request.item)
            if item is None:
                raise ValueError("the item is not a JSON object")
            return Right(None, _DIALECT.grader_answer(grader(request.answer, item, request.trace_id)))

        return Incoming(request.trace_id, "", name, request.answer, work)

    return read


class Endpoint:
    """Serves the calls of one tool or grader as its behaviour says, and keeps account of them."""

    def __init__(self, name: str, read: Read, behaviour: Behaviour, seed: int, log: Log | None) -> None:
        self.name, self.record = name, Record()
        self._read, self._log = read, log
        self._slow_body_s = behaviour.slow_body_s
        self._cold_start = ColdStart(behaviour.cold_start_s)
        self._workers = Workers(behaviour.workers, behaviour.order, random.Random(f"{seed}/{name}"))
        self._dice = Dice(behaviour, seed, name)

    async def serve(self, request: Request, connection: Connection) -> None:
        """Answer one request, rightly or wrongly; OSError when the caller has gone."""
        try:
            incoming = self._read(request.body)
        except ValueError as problem:
            self.record.unreadable += 1
            await put_plain(connection, error(400, str(problem)), 0.0)
            return
        self.record.arrive()
        try:
            await self._cold_start.wait()
            await self._workers.enter()
            try:
                await self._work(incoming, request, connection)
            finally:
                self._workers.leave()
        finally:
            self.record.in_flight -= 1

    async def _work(self, incoming: Incoming, request: Request, connection: Connection) -> None:
        # The worker stays occupied until all is written: a hanging or slow answer costs capacity.
        due = trio.current_time()
        fate = self._dice.throw(incoming.trace_id, incoming.call_id)
        kind = _NO_FAULT
        if fate.fault is not None:
            kind = FAULTS[fate.fault]
            self.record.faults[fate.fault] += 1
        answer = _right_or_refused(incoming, kind)
        if fate.service_s:
            await trio.sleep_until(due + fate.service_s)
        if self._log is not None:
            self._log.add(_log_entry(self.name, incoming, 0 if kind.silent else answer.status))
        await kind.put(connection, answer, self._slow_body_s)
        if not kind.silent:
            self.record.answered(trio.current_time() - request.arrived)


def _right_or_refused(incoming: Incoming, kind: FaultKind) -> Answer:
    try:
        return kind.alter(incoming.work())
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
