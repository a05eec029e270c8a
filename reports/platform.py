"""A run's figures under the names of the platform's own training metrics.

Whoever compares a preflight with the job that follows it reads the same names in both. Sources: the metrics
events of a reinforcement fine-tuning job (OpenAI, "Reinforcement fine-tuning", training metrics), and the
four that jobs with tools have besides (Microsoft Foundry, agentic RFT, "Metrics"), of which the mean tokens
per tool call are left out: nobody here counts the tokens of an output.
"""

from collections.abc import Iterable

import msgspec

from simulator.measure.summary import EndpointSummary, StepSummary, Summary

_DIGITS, _MS_DIGITS = 6, 3
"""Those of `report.json`: what is computed from a report that was read back must be the same."""


class PlatformTiming(msgspec.Struct, frozen=True):
    """Mean seconds of a step's `sampling`, and of an evaluation pass; None where there was none."""

    sampling: float | None
    eval: float | None


class PlatformTool(msgspec.Struct, frozen=True):
    """One tool: its calls per rollout, the mean seconds of an attempt that was answered, and its errors.

    An error is an attempt that ended in a fault. The latency is None where nothing was answered.
    """

    name: str
    tool_calls_per_rollout: float
    tool_execution_latency: float | None
    tool_errors_count: int


class PlatformMetrics(msgspec.Struct, frozen=True):
    """The run under the platform's names; None is what it did not measure.

    The rewards are those of rollouts from the training and the validation file. `completion_tokens_mean` are
    the simulated model's, per completed rollout. The latencies are in seconds. `errors` counts gradings
    without a score, `..._count` each, of those of the platform's names that occurred.
    """

    train_reward_mean: float | None
    valid_reward_mean: float | None
    completion_tokens_mean: float | None
    tool_calls_per_rollout: float | None
    tool_execution_latency: float | None
    tool_errors_count: int
    tools: tuple[PlatformTool, ...]
    grader_execution_latency_mean: float | None
    timing: PlatformTiming
    errors: dict[str, int]


def platform_metrics(summary: Summary) -> PlatformMetrics:
    """Return what the platform would have called the run's figures."""
    rollouts, tools = summary.rollouts, [e for e in summary.endpoints if e.kind == "tool"]
    graders = (e for e in summary.endpoints if e.kind == "grader")
    completed = bool(rollouts.completed)
    return PlatformMetrics(
        train_reward_mean=_reward_mean(summary, "train"),
        valid_reward_mean=_reward_mean(summary, "valid"),
        completion_tokens_mean=round(rollouts.tokens_per_rollout, _DIGITS) if completed else None,
        tool_calls_per_rollout=round(rollouts.calls_per_rollout.mean, _DIGITS) if completed else None,
        tool_execution_latency=_latency_s(summary.tools),
        tool_errors_count=sum(sum(tool.faults.values()) for tool in tools),
        tools=tuple(_tool(tool, rollouts.completed + rollouts.discarded) for tool in tools),
        grader_execution_latency_mean=_latency_s(next(graders, None)),
        timing=PlatformTiming(_mean_s(summary.steps, "training"), _mean_s(summary.steps, "evaluation")),
        errors={f"{name}_count": times for name, times in sorted(summary.grader.ungraded.items())},
    )


def _reward_mean(summary: Summary, split: str) -> float | None:
    learning = summary.grader.learnability
    if learning is None:
        return None
    items = [(one.rollouts, round(one.mean, _DIGITS)) for one in learning.per_item if one.split == split]
    rollouts = sum(number for number, _ in items)
    return round(sum(number * mean for number, mean in items) / rollouts, _DIGITS) if rollouts else None


def _tool(tool: EndpointSummary, ended: int) -> PlatformTool:
    return PlatformTool(
        tool.name,
        round(tool.calls / ended, _DIGITS) if ended else 0.0,
        _latency_s(tool),
        sum(tool.faults.values()),
    )


def _latency_s(endpoint: EndpointSummary | None) -> float | None:
    if endpoint is None or not endpoint.service_ms.max:
        return None
    return round(round(endpoint.service_ms.mean, _MS_DIGITS) / 1000, _DIGITS)


def _mean_s(steps: Iterable[StepSummary], kind: str) -> float | None:
    lengths = [round(step.sampling_s, _DIGITS) for step in steps if step.kind == kind]
    return round(sum(lengths) / len(lengths), _DIGITS) if lengths else None
