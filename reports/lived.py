"""What a training would have lived through on these endpoints, fact by fact."""

from collections.abc import Iterator

import msgspec

from reports.text import count, counted, duration, share
from simulator.measure.summary import StepSummary, Summary

MOST_STEPS = 12


class Fact(msgspec.Struct, frozen=True):
    """A figure, what it is of, and what it means; `bad` where a training suffers from it."""

    figure: str
    what: str
    meaning: str
    bad: bool


def worst_steps(summary: Summary, most: int = MOST_STEPS) -> list[StepSummary]:
    """Return the phases that took longest beside their ideal, in the order they were played."""
    longest = sorted(summary.steps, key=lambda step: step.inflation or 0.0, reverse=True)[:most]
    return [step for step in summary.steps if step in longest]


def lived_through(summary: Summary) -> Iterator[Fact]:
    """Yield the facts, the dearest first; none where no rollout ended."""
    rollouts = summary.rollouts
    ended = rollouts.completed + rollouts.discarded
    if not ended:
        return
    yield Fact(
        share(rollouts.discarded_rate),
        "of the rollouts discarded",
        f"{count(rollouts.discarded)} of {count(ended)}: what they sampled is lost",
        bool(rollouts.discarded),
    )
    if not rollouts.interrupted:
        yield Fact(
            count(rollouts.groups_incomplete),
            f"of {counted(rollouts.groups, 'group')} incomplete",
            "the update compares rewards inside a group",
            bool(rollouts.groups_incomplete),
        )
    if rollouts.graded:
        yield Fact(
            count(rollouts.false_zero),
            "false zeros",
            f"graded zero after an endpoint had failed, of {counted(rollouts.graded, 'graded rollout')}",
            bool(rollouts.false_zero),
        )
    yield from _longer(summary)


def _longer(summary: Summary) -> Iterator[Fact]:
    kind, steps = _phases_that_count(summary)
    longer_s = [step.sampling_s - step.ideal_s for step in steps if step.ideal_s is not None]
    if not longer_s:
        return
    mean_s = max(0.0, sum(longer_s) / len(longer_s))
    sampled_s = sum(step.sampling_s for step in steps) / len(steps)
    ideal_s = sampled_s - mean_s
    matters = mean_s > _WORTH_TELLING * ideal_s
    scale = summary.load.time_scale
    scaled = f"; think time was compressed to {scale:g}" if scale != 1 else ""
    yield Fact(
        f"+{duration(mean_s)}",
        f"longer each {kind}",
        f"sampling takes {duration(sampled_s)}, and {duration(ideal_s)} with instant endpoints{scaled}",
        matters,
    )
    cost = mean_s / 3600 * summary.price_per_hour
    yield Fact(
        f"${cost:,.2f}" if cost < 1000 else f"${cost:,.0f}",
        f"more for each {kind}",
        f"at ${summary.price_per_hour:,.6g} per hour of training, which is billed while it waits",
        matters,
    )


_WORTH_TELLING = 0.2


def _phases_that_count(summary: Summary) -> tuple[str, list[StepSummary]]:
    """Return what a phase is called, and the training steps; where there are none, all that have an ideal."""
    training = [step for step in summary.steps if step.kind == "training" and step.ideal_s is not None]
    if training:
        return "step", training
    return "pass", [step for step in summary.steps if step.ideal_s is not None]
