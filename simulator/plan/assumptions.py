"""What no source tells and the simulation had to decide; every report prints it."""

from collections.abc import Iterator

from simulator.model import Job, Load, TrainerRules
from simulator.plan.schedule import Arrivals

_STEP_COUNTS = {"call": "tool calls", "turn": "turns", "call_and_turn": "tool calls and turns"}
_UNANSWERED = {"retry": "retried like a 5xx", "show": "shown as an error", "discard": "discards the rollout"}

ALWAYS = (
    "a 5xx is retried as often as set after its first attempt; another source counts attempts",
    "a redirect, or a 2xx without a usable `output`, is shown to the model",
    "1 MB is 1,000,000 bytes; a tool call over it is shown to the model as a 413, a grader call discards",
    "`output_tools` of a grader call lists the calls in the chat-completions form",
    "scores are not checked against a range",
)
"""Readings of the contract that no setting changes."""


def assumptions(job: Job, load: Load, rules: TrainerRules, filled: Arrivals) -> tuple[str, ...]:
    """Return the assumptions behind a run, a sentence each, those that weigh most on the numbers first."""
    return (*filled.assumptions, *_of_the_run(job, load, rules), *ALWAYS)


def _of_the_run(job: Job, load: Load, rules: TrainerRules) -> Iterator[str]:
    scaled = f", compressed to {load.time_scale:g} of real time" if load.time_scale != 1 else ""
    yield f"think time: {load.tokens_per_s:g} tokens/s{scaled}"
    yield (
        f"back-off between retries {rules.retry_backoff_s:g} s, times {rules.retry_backoff_factor:g} each:"
        " no source gives it"
    )
    yield f"a call without a usable HTTP answer: {_UNANSWERED[rules.unanswered]}; no source tells"
    if job.max_episode_steps is not None:
        yield (
            f"max_episode_steps {job.max_episode_steps} counts {_STEP_COUNTS[rules.episode_step]};"
            " a rollout that is cut short is graded with an empty answer"
        )
    if job.grader.endpoint is None:
        yield f"the {job.grader.type} grader is run by the platform: nobody is called for it in the burst"
    if load.mode == "training" and load.steps > 1:
        yield f"a weight update takes {load.update_s:g} s before the time scale"
    if load.mode == "training" and load.evaluation:
        yield f"an evaluation pass has at most {load.eval_in_flight_limit or 'all its'} rollouts in flight"
