"""What a dialect must be able to say and to read.

The first half is the trainer's side, used by the rollout core; the second half is the endpoint's side, used
by `endpoints_mock`. A dialect is stateless, so one instance serves all rollouts.
"""

from typing import Protocol

import msgspec

from simulator.faults import Fault
from simulator.model import Item, Reading, ToolCall


class CallIds(msgspec.Struct, frozen=True, gc=False):
    """The two ids of one tool call."""

    id: str
    call_id: str


class ToolRequest(msgspec.Struct, frozen=True):
    """A tool call as an endpoint receives it; `item` is still encoded."""

    ids: CallIds
    call: ToolCall
    trace_id: str
    item: bytes


class GraderRequest(msgspec.Struct, frozen=True):
    """A grader call as an endpoint receives it; `item` is still encoded."""

    answer: str
    calls: tuple[ToolCall, ...]
    trace_id: str
    item: bytes


class Dialect(Protocol):
    """One trainer's wire format."""

    name: str

    # -- the trainer's side

    def trace_id(self, key: str) -> str:
        """Return the rollout's id; `key` is 32 hexadecimal digits, unique to the rollout."""

    def call_ids(self, key: str, number: int) -> CallIds:
        """Return the ids of the rollout's `number`-th tool call, counted from 0."""

    def tool_request(self, ids: CallIds, call: ToolCall, trace_id: str, item: Item) -> bytes:
        """Encode the body of a tool call."""

    def grader_request(
        self, answer: str, calls: list[tuple[CallIds, ToolCall]], trace_id: str, item: Item, *, as_json: bool
    ) -> bytes:
        """Encode the body of a grader call; `as_json` when the job has a response format."""

    def read_tool_answer(self, ids: CallIds, status: int, body: bytes) -> Reading:
        """Read the answer to a tool call; never raises, whatever the bytes."""

    def read_grader_answer(self, status: int, body: bytes) -> Reading:
        """Read the answer to a grader call; never raises, whatever the bytes."""

    def error_shown(self, fault: Fault, status: int) -> str:
        """Return what the model is shown in place of an output; `status` is 0 where no answer came."""

    # -- the endpoint's side

    def read_tool_request(self, body: bytes) -> ToolRequest:
        """Decode a tool call; ValueError when it is not one."""

    def tool_answer(self, ids: CallIds, output: str) -> bytes:
        """Encode a tool's answer."""

    def read_grader_request(self, body: bytes) -> GraderRequest:
        """Decode a grader call; ValueError when it is not one."""

    def grader_answer(self, score: float) -> bytes:
        """Encode a grader's answer."""
