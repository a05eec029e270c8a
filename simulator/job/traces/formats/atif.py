"""Trajectories in the Agent Trajectory Interchange Format, as Harbor writes them (its RFC 0001, ATIF-v1.x).

A step of the agent's holds its message, its calls and what they were answered, and has one timestamp, that
of the message. When the calls ended is not recorded, so the gap after them is nobody's. Trajectories of
sub-agents, which a step may refer to or hold, are not read: their calls are no calls of this rollout's. Nor
are those of steps that were copied from an earlier trajectory, which this one goes on from.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from simulator.job.traces.assembly import Dialogue
from simulator.job.traces.format import Each, Format
from simulator.job.traces.messages import (
    arguments_of,
    id_of,
    moment_of,
    name_of,
    output_of,
    score_in,
    text_of,
)
from simulator.job.traces.recording import Recording, Row, key_of

_SOURCES = ("system", "user", "agent")


def _rollouts(trajectory: Row) -> Iterator[Recording]:
    steps, dialogue = trajectory["steps"], Dialogue()
    for step in steps:
        _take_step(dialogue, step)
    turns, key = dialogue.turns(), key_of(_prompt(steps))
    yield Recording(
        key=key,
        group=key,
        trace_id=id_of(trajectory.get("session_id") or trajectory.get("trajectory_id")),
        answer=dialogue.answer,
        turns=turns,
        score=_score(trajectory),
        fields={name: value for name, value in trajectory.items() if name != "steps"},
        started=dialogue.started,
        ended=dialogue.ended,
        finished=bool(dialogue.answer),
    )


def _take_step(dialogue: Dialogue, step: Row) -> None:
    is_copied = bool(step.get("is_copied_context"))
    at = None if is_copied else moment_of(step)
    if is_copied or step["source"] != "agent":
        dialogue.heard(at)
        return
    calls = step.get("tool_calls") or ()
    dialogue.said(text_of(step.get("message")), at)
    for call in calls:
        name = name_of({"name": call["function_name"]})
        dialogue.asked(name, arguments_of(call), id_of(call.get("tool_call_id")), at)
    if calls:
        for result in (step.get("observation") or {}).get("results") or ():
            dialogue.answered(output_of(result.get("content")), id_of(result.get("source_call_id")), None)
        dialogue.heard(None)  # also where a call has no result, the gap that follows is nobody's


def _prompt(steps: Sequence[Row]) -> list[Row]:
    """Return what was said before the agent's first step, as messages."""
    first = next((place for place, step in enumerate(steps) if step["source"] == "agent"), len(steps))
    return [{"role": step["source"], "content": text_of(step.get("message"))} for step in steps[:first]]


def _score(trajectory: Row) -> float | None:
    """Return the reward; the format has no place of its own for one, so that it stands among the extras."""
    metrics = trajectory.get("final_metrics") or {}
    places = (trajectory, trajectory.get("extra"), metrics, metrics.get("extra"))
    scores = (score_in(place) for place in places if isinstance(place, dict))
    return next((score for score in scores if score is not None), None)


def _is_trajectory(value: Any) -> bool:
    if not isinstance(value, dict) or not isinstance(value.get("steps"), list):
        return False
    version, steps = value.get("schema_version"), value["steps"]
    if isinstance(version, str) and version.startswith("ATIF"):
        return True
    return bool(steps) and all(isinstance(step, dict) and step.get("source") in _SOURCES for step in steps)


ATIF = Format("ATIF", _is_trajectory, lambda: Each(_rollouts))
