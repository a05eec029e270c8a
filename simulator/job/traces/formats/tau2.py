"""Simulations of tau2-bench (sierra-research/tau2-bench, `data_model/simulation.py` and `message.py`).

Each element of `simulations` is a rollout. A simulated user takes part and may call tools of its own: those
calls, and the time they take, are not the model's. What a tool calls an error is shown to the model, so it
is not the endpoint's failure. Simulations that an infrastructure error ended are left out, as tau2 leaves
them out of its own figures.
"""

from collections.abc import Iterator
from typing import Any

from simulator.job.traces.assembly import Dialogue
from simulator.job.traces.format import Each, Format
from simulator.job.traces.messages import arguments_of, id_of, moment_of, name_of, output_of, text_of
from simulator.job.traces.recording import Recording, Row
from simulator.job.traces.score import score_of

_INFRASTRUCTURE = "infrastructure_error"
_ENDED = (None, "agent_stop", "user_stop")
"""Reasons, if one is given, of simulations that came to their end: others broke off."""


def _rollouts(simulation: Row) -> Iterator[Recording]:
    reason = simulation.get("termination_reason")
    if reason == _INFRASTRUCTURE:
        return
    dialogue = Dialogue()
    for message in simulation["messages"]:
        _hear(dialogue, message)
    turns, key = dialogue.turns(), f"task {id_of(simulation['task_id'])}"
    reward = simulation.get("reward_info") or {}
    yield Recording(
        key=key,
        group=key,
        trace_id=id_of(simulation.get("id")),
        answer=dialogue.answer,
        turns=turns,
        score=score_of(reward.get("reward")),
        fields={name: value for name, value in simulation.items() if name != "messages"},
        started=dialogue.started,
        ended=dialogue.ended,
        finished=bool(dialogue.answer) and reason in _ENDED,
    )


def _hear(dialogue: Dialogue, message: Row) -> None:
    role, at = message["role"], moment_of(message)
    if role == "assistant":
        dialogue.said(text_of(message.get("content")), at)
        for call in message.get("tool_calls") or ():
            if _is_models(call):
                dialogue.asked(name_of(call), arguments_of(call), id_of(call.get("id")), at)
    elif role == "tool":
        for answer in message.get("tool_messages") or (message,):
            if _is_models(answer):
                output = output_of(answer.get("content"))
                dialogue.answered(output, id_of(answer.get("id")), moment_of(answer))
            else:
                dialogue.heard(moment_of(answer))
    else:
        dialogue.heard(at)


def _is_models(part: Row) -> bool:
    return bool(part.get("requestor", "assistant") == "assistant")


def _is_simulation(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and {"messages", "task_id"} <= value.keys()
        and bool({"termination_reason", "reward_info"} & value.keys())
    )


TAU2 = Format("tau2", _is_simulation, lambda: Each(_rollouts))
