"""What no source tells and the simulation had to decide; every report prints it."""

from simulator.model import Job, Load, TrainerRules
from simulator.plan.schedule import Arrivals

_STEP_COUNTS = {"call": "tool calls", "turn": "turns", "call_and_turn": "tool calls and turns"}
_UNANSWERED = {"retry": "retried like a 5xx", "show": "shown as an error", "discard": "discards the rollout"}


def assumptions(job: Job, load: Load, rules: TrainerRules, filled: Arrivals) -> tuple[str, ...]:
    """Return the assumptions behind a run, a sentence each."""
    said = list(filled.assumptions)
    said.append(f"think time: {load.tokens_per_s:g} tokens/s" + (
        f", compressed to {load.time_scale:g} of real time" if load.time_scale != 1 else ""
    ))  # fmt: skip
    said.append(
        f"back-off between retries {rules.retry_backoff_s:g} s, times {rules.retry_backoff_factor:g} each:"
        " no source gives it"
    )
    said.append(f"a call without a usable HTTP answer: {_UNANSWERED[rules.unanswered]}; no source tells")
    if job.max_episode_steps is not None:
        said.append(
            f"max_episode_steps {job.max_episode_steps} counts {_STEP_COUNTS[rules.episode_step]};"
            " a rollout that is cut short is graded with an empty answer"
        )
    if job.grader.endpoint is None:
        said.append(f"the {job.grader.type} grader is run by the platform: rollouts are not graded here")
    return tuple(said)
