"""What the trainer makes of a fault: tables, and one function that reads them.

Source: microsoft-foundry/fine-tuning, Demos/Agentic_RFT_PrivatePreview (5xx, 4xx, sizes, graders). Where it
says nothing the entry is an assumption, and `plan.assumptions` puts it into the report.
"""

from enum import Enum

from simulator.faults import Fault
from simulator.model import EndpointKind, TrainerRules


class Reaction(Enum):
    """What follows an attempt."""

    ACCEPT = "the output is shown to the model, or the score is taken"
    SHOW = "the error is shown to the model, and the rollout goes on"
    RETRY = "the same request is sent again"
    DISCARD = "the whole rollout is thrown away"


TOOL_REACTIONS: dict[Fault, Reaction] = {
    Fault.HTTP_5XX: Reaction.RETRY,
    Fault.HTTP_4XX: Reaction.SHOW,
    Fault.TOO_LARGE: Reaction.SHOW,
    Fault.REQUEST_TOO_LARGE: Reaction.SHOW,
    Fault.HTTP_3XX: Reaction.SHOW,
    Fault.MALFORMED_ANSWER: Reaction.SHOW,
    Fault.UNFINISHED: Reaction.SHOW,
}
"""What is not listed brought no usable HTTP answer: `TrainerRules.unanswered` decides."""

GRADER_REACTIONS: dict[Fault, Reaction] = {
    Fault.REQUEST_TOO_LARGE: Reaction.DISCARD,
    Fault.UNFINISHED: Reaction.SHOW,
}
"""Any other failure of a grader call is retried; too large a request would fail in the same way again."""

_UNANSWERED = {"retry": Reaction.RETRY, "show": Reaction.SHOW, "discard": Reaction.DISCARD}


def react(rules: TrainerRules, kind: EndpointKind, fault: Fault | None, number: int) -> Reaction:
    """Return what the trainer does after attempt `number` (1 for the first) of a call ended with `fault`.

    A retry that would exceed the limit becomes a discard.
    """
    if fault is None:
        return Reaction.ACCEPT
    if kind == "grader":
        reaction, retries = GRADER_REACTIONS.get(fault, Reaction.RETRY), rules.grader_retries
    else:
        reaction = TOOL_REACTIONS.get(fault) or _UNANSWERED[rules.unanswered]
        retries = rules.tool_retries
    if reaction is Reaction.RETRY and number > retries:
        return Reaction.DISCARD
    return reaction


def backoff_s(rules: TrainerRules, number: int) -> float:
    """Return the pause in seconds between attempt `number` and the next: exponential, by the settings."""
    return rules.retry_backoff_s * rules.retry_backoff_factor ** (number - 1)
