"""The nouns of the program, as frozen structs without behaviour.

Times named `..._s` are seconds; `due`, `sent`, `first_byte`, `done`, `started` and `ended` are seconds on
the run's own monotonic clock (zero is arbitrary until `measure` subtracts the start of the run).

What is made once per call, and can be no part of a circle, says `gc=False`: the garbage collector need not
know of it.
"""

from typing import Any, Literal

import msgspec

from simulator.faults import Fault, Violation

EndpointKind = Literal["tool", "grader"]
Split = Literal["train", "valid"]
PhaseKind = Literal["training", "evaluation", "recorded", "steady", "rate"]
LoadMode = Literal["training", "recorded", "steady", "rate"]
Severity = Literal["error", "warning", "note"]
RewardError = Literal[
    "sample_parse_error",
    "truncated_observation_error",
    "unresponsive_reward_error",
    "invalid_variable_error",
    "other_error",
    "python_grader_server_error",
    "python_grader_runtime_error",
    "model_grader_server_error",
    "model_grader_parse_error",
    "model_grader_refusal_error",
    "formula_parse_error",
]
"""Why a rollout has no score, by the names that the platform's own grader API uses."""


# -- what will be submitted ------------------------------------------------------------------------------


class Endpoint(msgspec.Struct, frozen=True):
    """One of the customer's endpoints: a tool, or the grader.

    `headers` are the job's own, secrets included: they go on the wire and nowhere else. `rate_limit` is the
    most requests per second the trainer sends there; None is no limit.
    """

    name: str
    kind: EndpointKind
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    rate_limit: float | None = None

    def __repr__(self) -> str:
        return f"<Endpoint {self.name} {self.url.partition('?')[0]}>"  # headers and query may hold secrets


class Grader(msgspec.Struct, frozen=True):
    """A grader. `endpoint` is None for the types that the platform runs by itself.

    `settings` are the members of such a one's JSON object; `graders` are those inside a `multi`, by keys.
    """

    type: str
    name: str
    endpoint: Endpoint | None = None
    pass_threshold: float | None = None
    settings: dict[str, Any] = {}
    graders: dict[str, "Grader"] = {}

    def __repr__(self) -> str:
        return f"<Grader {self.name} {self.type}>"  # settings may hold secrets


class Hyperparameters(msgspec.Struct, frozen=True):
    """The job's hyperparameters that decide traffic; None where the job says nothing or "auto"."""

    batch_size: int | None = None
    compute_multiplier: float | None = None
    eval_interval: int | None = None
    eval_samples: int | None = None
    n_epochs: int | None = None


class Job(msgspec.Struct, frozen=True):
    """What the customer is about to submit."""

    tools: tuple[Endpoint, ...]
    grader: Grader
    hyperparameters: Hyperparameters
    max_episode_steps: int | None = None
    response_format: dict[str, Any] | None = None


class FunctionTool(msgspec.Struct, frozen=True):
    """A chat-completions function tool of a dataset row; `parameters` is its JSON schema."""

    name: str
    parameters: dict[str, Any]


class Item(msgspec.Struct, frozen=True):
    """A dataset row. `json` holds the bytes of the whole row, ready to go into requests.

    `line` and `column` are where it begins in its file, from 1.
    """

    index: int
    split: Split
    line: int
    json: msgspec.Raw
    row: dict[str, Any]
    tools: tuple[FunctionTool, ...] = ()
    column: int = 1


# -- what the model does ---------------------------------------------------------------------------------


class ToolCall(msgspec.Struct, frozen=True, gc=False):
    """A call the model asks for; `arguments` is a JSON string, as on the wire."""

    name: str
    arguments: str


class Turn(msgspec.Struct, frozen=True, gc=False):
    """One model message: thinking, then calls (all at once), or the final `answer` when there are none.

    The think time is `think_s` plus `tokens` at the policy's speed, before any time scale.
    """

    calls: tuple[ToolCall, ...] = ()
    answer: str = ""
    tokens: int = 0
    think_s: float = 0.0


# -- what happened ---------------------------------------------------------------------------------------


class Reply(msgspec.Struct, gc=False):
    """What a transport brings back from one request; it never raises instead.

    `status` is 0 where no head arrived, `first_byte` None where no byte did. `fault` is a fault of the wire
    only: what the status and the body mean is for the dialect to say. `reused` tells whether the connection
    had served a call before, `resent` that the request went out twice because such a connection was gone.
    `done` is when the answer's end arrived, where the kernel tells, and `read_delay` for how many seconds it
    then lay unread; where it does not, `done` is when it was read.
    """

    sent: float
    done: float
    status: int = 0
    body: bytes = b""
    first_byte: float | None = None
    fault: Fault | None = None
    reused: bool = False
    resent: bool = False
    read_delay: float = 0.0


class Reading(msgspec.Struct, frozen=True, gc=False):
    """A reply as the dialect understands it: what the model sees, or the score, and what was wrong."""

    output: str = ""
    score: float | None = None
    fault: Fault | None = None
    soft_error: bool = False
    violations: tuple[Violation, ...] = ()


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One HTTP request, flat. `endpoint` is the index in the run's list; `number` is 1 for the first try.

    Service time is done - sent (theirs, connecting included); schedule delay is sent - due, and `read_delay`
    the time in seconds that an answer lay unread (both ours).
    A request over the limit is an attempt that was never sent: sent == done == due. An unfinished one has
    sent == due, and done is when the run ended.
    """

    endpoint: int
    number: int
    due: float
    sent: float
    done: float
    first_byte: float | None = None
    status: int = 0
    fault: Fault | None = None
    reused: bool = False
    resent: bool = False
    read_delay: float = 0.0


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """How a call ended, after its last attempt.

    `output` is what the model is shown, also where that is an error, and `output_chars` its length: once the
    next turn has begun, a long output is cut. `fault` is that of the last attempt; `fatal` means that the
    trainer discards the rollout.
    """

    endpoint: int
    call: ToolCall | None
    attempts: tuple[Attempt, ...]
    done: float
    call_id: str = ""
    output: str = ""
    output_chars: int = 0
    score: float | None = None
    fault: Fault | None = None
    soft_error: bool = False
    fatal: bool = False
    violations: tuple[Violation, ...] = ()


class RolloutSpec(msgspec.Struct, frozen=True, gc=False):
    """A rollout that is to be started: the `index`-th of the run, `offset_s` after its phase began.

    `place` counts the rollouts of its group, from 0.
    """

    index: int
    step: int
    kind: PhaseKind
    group: int
    item: Item
    offset_s: float = 0.0
    place: int = 0


RolloutState = Literal["graded", "ungraded", "discarded", "interrupted"]


class Transcript(msgspec.Struct, frozen=True, gc=False):
    """A rollout that has ended. `turns` holds the outcomes of each turn's calls, in the order asked for.

    `ungraded` means that it ran to its end and the job's grader is none that we call. `cut_short` means that
    the policy wanted more calls than `max_episode_steps` allows. `think_s` is after the time scale.
    """

    spec: RolloutSpec
    trace_id: str
    state: RolloutState
    started: float
    ended: float
    turns: tuple[tuple[Outcome, ...], ...] = ()
    grade: Outcome | None = None
    answer: str = ""
    tokens: int = 0
    think_s: float = 0.0
    cut_short: bool = False
    reason: str = ""


# -- how it is to be played ------------------------------------------------------------------------------


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the rollouts arrive. None means: as the job says, or no limit.

    training: `steps` bursts of batch_size x round(group_size x compute_multiplier) rollouts, a pause of
    `update_s` after each, and evaluation passes. recorded: every recorded rollout once, in the order that
    was recorded, `in_flight` at a time, or as many as were recorded. steady: `in_flight` rollouts at any
    time, the first of them spread over `ramp_s`. rate: `rollouts_per_s` started, whatever comes back. The
    last two end after `duration_s` or `rollouts`.
    """

    mode: LoadMode = "training"
    steps: int = 1
    batch_size: int | None = None
    group_size: int = 32
    compute_multiplier: float | None = None
    in_flight_limit: int | None = None
    update_s: float = 0.0
    evaluation: bool = True
    eval_interval: int | None = None
    eval_samples: int | None = None
    eval_in_flight_limit: int | None = 32
    in_flight: int | None = None
    ramp_s: float | None = None
    rollouts_per_s: float | None = None
    duration_s: float | None = None
    rollouts: int | None = None
    time_scale: float = 1.0
    tokens_per_s: float = 70.0
    grace_s: float = 5.0


class TrainerRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The trainer's limits and reactions; every default is the contract's, or an assumption we print.

    `tool_retries` and `grader_retries` count the attempts after the first. `unanswered` says what follows
    when no usable HTTP answer came (time limit, refused, reset, ...): no source tells. `episode_step` says
    what `max_episode_steps` counts.
    """

    tool_retries: int = 3
    grader_retries: int = 3
    retry_backoff_s: float = 1.0
    retry_backoff_factor: float = 2.0
    tool_time_limit_s: float = 600.0
    grader_time_limit_s: float = 600.0
    connect_time_limit_s: float = 10.0
    max_request_bytes: int = 1_000_000
    max_answer_bytes: int = 1_000_000
    parallel_calls: int = 8
    unanswered: Literal["retry", "show", "discard"] = "retry"
    episode_step: Literal["call", "turn", "call_and_turn"] = "call"


class GradeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a grader is studied.

    `against` names graders of the scenario's to compare with. `answer` and `recorded` are fields, or paths
    such as `review.score`: of the rows that hold answers to be graded, and of those rows or of recorded
    rollouts that hold scores to compare with. Scores agree within `tolerance`. A `python` grader may take
    `python_limit_s` for one sample; the platform gives it two minutes.
    """

    against: tuple[str, ...] = ()
    answer: str | None = None
    recorded: str | None = None
    tolerance: float = 0.05
    python_limit_s: float = 120.0
    gates: tuple[str, ...] = ()


class Finding(msgspec.Struct, frozen=True):
    """A coded result of a check; `simulator.findings` has the codes.

    `where` is `file:line:column` for what stands in a file. `request` and `answer` are cuts of what was sent
    and what came back, without secrets; "" where nothing was sent.
    """

    code: str
    severity: Severity
    endpoint: str
    message: str
    remedy: str
    effect: str = ""
    where: str = ""
    request: str = ""
    answer: str = ""
