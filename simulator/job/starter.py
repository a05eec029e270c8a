"""The text of a first scenario for a job: what is there, and every usual setting with its default."""

import os
from pathlib import Path

import msgspec

from simulator.job.document import is_file
from simulator.job.jobfile import JobFile, read_job
from simulator.job.scenariofile import NO_LIMIT
from simulator.model import Load, Split, TrainerRules
from simulator.plan.synthetic import SyntheticSettings

_LOAD_NOTES: dict[str, str] = {
    "mode": "training, recorded (as a recorded policy has it), steady (in_flight) or rate (rollouts_per_s)",
    "steps": "training steps to play",
    "batch_size": "items per step; the job's",
    "group_size": "rollouts of one item in a step, before the multiplier; no source gives it",
    "compute_multiplier": "scales the group; the job's",
    "in_flight_limit": "rollouts at once",
    "update_s": "pause after a step, seconds",
    "evaluation": "play evaluation passes too",
    "eval_in_flight_limit": "rollouts at once in an evaluation pass",
    "in_flight": "steady: rollouts at any time",
    "rollouts_per_s": "rate: rollouts started per second",
    "duration_s": "steady and rate: seconds until the end",
    "rollouts": "steady and rate: rollouts until the end",
    "time_scale": "1 thinks as long as a model would, 0.1 a tenth of it",
    "tokens_per_s": "the model's speed",
    "grace_s": "seconds that rollouts in flight are given after Ctrl-C",
}

_TRAINER_NOTES: dict[str, str] = {
    "tool_retries": "attempts after the first that a tool's 5xx is given",
    "grader_retries": "the same for any failure of the grader",
    "retry_backoff_s": "pause before the first retry, seconds; no source gives it",
    "retry_backoff_factor": "how much longer each further pause is",
    "tool_time_limit_s": "from connecting to the last byte of a tool's answer",
    "grader_time_limit_s": "the same for the grader",
    "connect_time_limit_s": "for connecting alone",
    "max_request_bytes": "larger requests are not sent",
    "max_answer_bytes": "larger answers are a 413 to the model",
    "parallel_calls": "calls of one turn at once",
    "unanswered": "no usable HTTP answer: retry, show (to the model) or discard; no source tells",
    "episode_step": "what max_episode_steps counts: call, turn or call_and_turn; no source tells",
}

_SYNTHETIC_NOTES: dict[str, str] = {
    "calls": "tool calls per rollout",
    "parallel": "calls at once in a turn",
    "tokens": "tokens of thinking per turn",
    "answer": "what the grader is given",
}

_TEMPLATE = """\
# How to play the trainer against the endpoints of this job. Paths are relative to this file.

job = {job}
{train}
{valid}
seed = 7
policy = "synthetic-agent"
# price_per_hour = 100              # dollars of an hour of training: what slow endpoints add to each step

# Conditions on the results; without them the defaults hold.
# gates = ["rollouts.discarded_rate == 0", "tools.p99 < 5s", "steps.inflation < 1.5"]

# How the rollouts arrive. What is commented out is the default.
[load]
{load}

# The trainer's limits and reactions.
[trainer]
{trainer}

# What stands in for the model: calls with arguments generated from the schemas of the rows' tools.
# Distributions: "4", "uniform:2:6", "lognormal:MEDIAN:SIGMA", "exponential:MEAN", "mix:85%*1+15%*2".
[policies.synthetic-agent]
kind = "synthetic"
{synthetic}

# What `check` should know: tools that it never calls, and the rows' field with the right answer.
# [check]
# exclude = ["refund"]
# reference = "reference_answer"

# A call that keeps something under the rollout's id, and one that shows it; MARK is replaced by what is new.
# [check.state]
# write = {{tool = "add_item", arguments = {{name = "MARK"}}}}
# read = {{tool = "list_items"}}

# How `grade` studies the grader, and other graders to compare it with, written as in a job.
# [grade]
# against = ["exact"]
# recorded = "human_score"         # the rows' field with scores to compare with
# tolerance = 0.05
# [graders.exact]
# type = "string_check"
# operation = "eq"
# input = "{{{{sample.output_text}}}}"
# reference = "{{{{item.reference_answer}}}}"

# What a real agent did, replayed; see the README for the formats.
# [policies.recorded-agent]
# kind = "recorded"
# traces = ["recorded/*.jsonl"]
# tools = {{lookup = "search"}}      # a recorded name = the job's; "none" leaves its calls out
# think_cap_s = 120

# An agent of your own, that sees what the tools answer: a class with `play`, see ScriptedPolicy.
# [policies.scripted-agent]
# kind = "scripted"
# agent = "agent.py:Agent"
# [policies.scripted-agent.options]
"""


def starter_scenario(job_path: Path, folder: Path) -> str:
    """Return the text of a scenario TOML that is to lie in `folder`; JobError where the job is unusable.

    `${NAME}`s need not be set for it.
    """
    job = read_job(job_path, None)
    return _TEMPLATE.format(
        job=_path(job_path, folder),
        train=_dataset(job, "train", folder),
        valid=_dataset(job, "valid", folder),
        load=_defaults(Load, _LOAD_NOTES),
        trainer=_defaults(TrainerRules, _TRAINER_NOTES),
        synthetic=_defaults(SyntheticSettings, _SYNTHETIC_NOTES),
    )


def _path(path: Path, folder: Path) -> str:
    return _toml(Path(os.path.relpath(path, folder)).as_posix())


def _dataset(job: JobFile, split: Split, folder: Path) -> str:
    node = job.datasets[split]
    if node is None:
        return f'# {split} = "{split}.jsonl"  # the job names no file: name it here'
    path, named = job.path.parent / node.text(), _toml(node.text())
    if is_file(path):
        return f"{split} = {_path(path, folder)}"
    return f'# {split} = "{split}.jsonl"  # the job names {named}, which is not here: name the file'


def _defaults(kind: type[msgspec.Struct], notes: dict[str, str]) -> str:
    """Return one commented line a setting, so that a default changes in one place only."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(kind)}
    lines = [(f"# {name} = {_toml(defaults[name])}", note) for name, note in notes.items()]
    width = max(len(setting) for setting, _ in lines)
    return "\n".join(f"{setting:<{width}}  # {note}" for setting, note in lines)


def _toml(value: object) -> str:
    """Return a scalar as TOML: it writes strings, numbers and booleans as JSON does."""
    text = msgspec.json.encode(NO_LIMIT if value is None else value).decode()
    return text.replace("\x7f", "\\u007f")
