"""Every way in which input is known to be bad, and the one line that says so."""

import json

import pytest

from simulator.errors import DatasetError, InputError, JobError, ScenarioError
from simulator.job.scenario import Overrides, load_scenario

from .folder import ENVIRON, JOB, TOML, row, rows, write_folder

BROKEN_ON_LINE_7 = "\n".join([*rows(6), '{"messages": [}', *rows(3)])
TOOL = '{"name": "read", "server_url": "http://127.0.0.1:9/read"}'

JOBS = {
    "broken JSON on line 7": (
        JOB.replace('"tools": [', '"tools" ['),
        "job.json:7:15: not JSON: expecting ':' delimiter",
    ),
    "tool without server_url": (
        JOB.replace(', "server_url": "http://127.0.0.1:9/read"', ""),
        (
            "job.json:11:9: method.reinforcement.tools[1] has no `server_url`; "
            'give the tool "read" the URL it is served at'
        ),
    ),
    "URL that is no URL": (
        JOB.replace("http://127.0.0.1:9/read", "127.0.0.1:9/read"),
        (
            "job.json:11:40: method.reinforcement.tools[1].server_url is no http or https URL; "
            "write http://HOST:PORT/PATH"
        ),
    ),
    "duplicate tool": (
        JOB.replace('"read", "server', '"find", "server'),
        'job.json:11:9: two tools are named "find"; rename one, or take it out',
    ),
    "unset variable": (
        JOB.replace("FIND_TOKEN", "NOT_SET"),
        (
            "job.json:10:39: method.reinforcement.tools[0].headers.Authorization needs ${NOT_SET}, "
            "which is not set; export NOT_SET=... first"
        ),
    ),
    "reference without end": (
        JOB.replace("${FIND_TOKEN}", "${FIND_TOKEN"),
        (
            "job.json:10:39: method.reinforcement.tools[0].headers.Authorization holds a `${` that begins no "
            "reference; write ${NAME}"
        ),
    ),
    "negative batch size": (
        JOB.replace('"batch_size": 4', '"batch_size": -4'),
        (
            "job.json:14:41: method.reinforcement.hyperparameters.batch_size must be above 0 and at most "
            "1000000; mend the number"
        ),
    ),
    "zero multiplier": (
        JOB.replace("1.5", "0"),
        (
            "job.json:14:66: method.reinforcement.hyperparameters.compute_multiplier must be above 0 "
            "and at most 1000000; mend the number"
        ),
    ),
    "batch size in words": (
        JOB.replace('"batch_size": 4', '"batch_size": "four"'),
        "job.json:14:41: method.reinforcement.hyperparameters.batch_size must be a number, not a string",
    ),
    "half an episode step": (
        JOB.replace('steps": 10', 'steps": 0.5'),
        "job.json:15:28: method.reinforcement.max_episode_steps must be a whole number; mend the number",
    ),
    "no grader": (
        JOB.replace('"grader"', '"marker"'),
        "job.json:6:22: method.reinforcement has no `grader`; add the grader object",
    ),
    "unknown grader": (
        JOB.replace('"endpoint"', '"judge"'),
        (
            'job.json:13:26: no grader type "judge" is known; known: endpoint, label_model, multi, python, '
            "score_model, string_check, text_similarity"
        ),
    ),
    "grader named like a tool": (
        JOB.replace('"type": "endpoint"', '"type": "endpoint", "name": "read"'),
        'job.json:13:17: grader and a tool are both named "read"; name the grader',
    ),
    "supervised": (
        JOB.replace('"type": "reinforcement"', '"type": "supervised"'),
        "job.json:5:13: method.type is not `reinforcement`; only reinforcement jobs call endpoints",
    ),
    "a list": ("[]", "job.json:1:1: the JSON must be an object, not an array"),
    "dataset that was uploaded": (
        JOB.replace("train.jsonl", "file-abc123"),
        'job.json:2:20: training_file "file-abc123" is no file beside the job; pass --train FILE',
    ),
    "no dataset": (
        JOB.replace('"validation_file": "valid.jsonl",', ""),
        "job.json: names no validation_file; pass --valid FILE",
    ),
}

ROWS = {
    "broken JSON on line 7": (BROKEN_ON_LINE_7, "train.jsonl:7:15: not JSON: expecting value"),
    "row without messages": (
        f"{row()}\n\n{{}}",
        "train.jsonl:3:1: no `messages`; give the row the conversation that the model is to continue",
    ),
    "no messages": (
        '{"messages": []}',
        "train.jsonl:1:14: messages is empty; end it with a message from the user",
    ),
    "message without role": (
        '{"messages": [{"content": "?"}]}',
        "train.jsonl:1:15: messages[0] has no `role`; give every message a role",
    ),
    "last message not from the user": (
        f'{row()}\n{{"messages": [{{"role": "user"}}, {{"role": "assistant"}}]}}',
        'train.jsonl:2:33: the last message is from "assistant", not from the user; end it with the user\'s',
    ),
    "tool that the job does not have": (
        row().replace('"find"', '"lookup"'),
        (
            'train.jsonl:1:110: the tool "lookup" is not in job.json, which has: find, read; '
            "add it to the job's tools, or take it out of the row"
        ),
    ),
    "tool twice": (
        row(tools=json.loads(row())["tools"] * 2),
        'train.jsonl:1:294: the row has the tool "find" twice; take one out',
    ),
    "tool without function": (
        row(tools=[{"type": "function", "name": "find"}]),
        (
            "train.jsonl:1:68: tools[0] has no `function`; "
            "write the tool as chat completions do, name and parameters under `function`"
        ),
    ),
    "schema of a list": (
        row().replace('"object"', '"array"'),
        (
            "train.jsonl:1:132: tools[0].function.parameters is not the schema of an object; "
            'write "type": "object"'
        ),
    ),
    "NaN": ('{"messages": NaN}', "train.jsonl:1:14: not JSON: NaN and Infinity are not JSON"),
    "key twice": (
        f'{row()}\n{{"a": 1, "a": 2}}',
        'train.jsonl:2:15: not JSON: the key "a" stands twice in one object',
    ),
    "a list": ("[1]", "train.jsonl:1:1: the JSON must be an object, not an array"),
    "nothing": (" \n\n", "train.jsonl: has no rows; write one JSON object a line"),
    "not UTF-8": (f'{row()}\n{{"é'.encode("latin-1"), "train.jsonl:2:3: not UTF-8; save the file as UTF-8"),
}

TOMLS = {
    "broken": ("job =\n" + TOML, "scenario.toml:1:6: not TOML: Invalid value; mend the line"),
    "cut short": ('job = "job.json', "scenario.toml:1: not TOML: Unterminated string; mend the line"),
    "unknown key": (
        TOML.replace("steps = 2", "step = 2"),
        (
            'scenario.toml:7: unknown key "step" in [load]; known: batch_size, compute_multiplier, '
            "duration_s, eval_in_flight_limit, eval_interval, eval_samples, evaluation, grace_s, "
            "group_size, in_flight, in_flight_limit, mode, rollouts, rollouts_per_s, steps, "
            "time_scale, tokens_per_s, update_s"
        ),
    ),
    "unknown table": (
        TOML.replace("[trainer]", "[rules]"),
        (
            'scenario.toml:10: unknown key "rules"; known: endpoints, gates, job, load, policies, policy, '
            "seed, train, trainer, valid"
        ),
    ),
    "wrong type": (
        TOML.replace("steps = 2", 'steps = "two"'),
        "scenario.toml:7: steps in [load]: expected int, got str; mend the value",
    ),
    "out of range": (
        TOML.replace("steps = 2", "steps = 0"),
        "scenario.toml:7: steps must be at least 1, not 0; mend the value",
    ),
    "not finite": (
        TOML.replace("steps = 2", "time_scale = nan"),
        "scenario.toml:7: time_scale must be at least 0, not nan; mend the value",
    ),
    "infinite": (
        TOML.replace("steps = 2", "time_scale = inf"),
        "scenario.toml:7: time_scale must be at most 1000000000; mend the value",
    ),
    "endless": (
        TOML.replace("steps = 2", f"steps = {10**400}"),
        "scenario.toml:7: steps must be at most 1000000000; mend the value",
    ),
    "out of range in trainer": (
        TOML.replace("tool_retries = 1", "tool_retries = -1"),
        "scenario.toml:11: tool_retries must be at least 0, not -1; mend the value",
    ),
    "steady without in_flight": (
        TOML.replace("steps = 2", 'mode = "steady"'),
        "scenario.toml:7: a steady load needs in_flight; add it to the table",
    ),
    "rate without an end": (
        TOML.replace("steps = 2", 'mode = "rate"\nrollouts_per_s = 3'),
        "scenario.toml:7: a rate load needs duration_s or rollouts; add it to the table",
    ),
    "unknown policy": (
        TOML.replace('"quick"', '"slow"'),
        'scenario.toml:3: no policy is named "slow"; known: quick, synthetic',
    ),
    "unknown kind": (
        TOML.replace('"synthetic"', '"psychic"'),
        'scenario.toml:14: the policy "quick" has no known kind; write kind = one of: scripted, synthetic',
    ),
    "unknown key of a policy": (
        TOML.replace("calls =", "call ="),
        'scenario.toml:15: unknown key "call" in [policies.quick]; known: answer, calls, parallel, tokens',
    ),
    "no distribution": (
        TOML.replace("uniform:2:4", "about three"),
        (
            "scenario.toml:15: calls: `about three` is no distribution; write a number, or one of "
            "`uniform:LOW:HIGH`, `lognormal:MEDIAN:SIGMA`, `exponential:MEAN`, `mix:99%*20+1%*2000`"
        ),
    ),
    "missing dataset": (
        'train = "nowhere.jsonl"\n' + TOML,
        "scenario.toml:1: no such file: nowhere.jsonl; check the path",
    ),
    "missing job": (
        TOML.replace('"job.json"', '"nowhere.json"'),
        "nowhere.json: no such file; check the path",
    ),
    "no job": (
        TOML.replace('job = "job.json"', ""),
        "scenario.toml: the table: Object missing required field job; mend the value",
    ),
    "negative seed": (
        TOML.replace("11", "-11"),
        "scenario.toml:2: seed must be at least 0, not -11; mend the value",
    ),
}

OPTIONS = {
    "negative multiplier": (
        Overrides(compute_multiplier=-1.0),
        "--compute-multiplier: must be above 0, not -1.0; mend the option",
    ),
    "no steps": (Overrides(steps=0), "--steps: must be at least 1, not 0; mend the option"),
    "time backwards": (
        Overrides(time_scale=-0.5),
        "--time-scale: must be at least 0, not -0.5; mend the option",
    ),
    "seed": (Overrides(seed=-1), "--seed: must be at least 0, not -1; mend the option"),
    "policy": (
        Overrides(policy="quick"),
        '--policy: no policy is named "quick"; known: synthetic',
    ),
    "train": (Overrides(train="nowhere.jsonl"), "--train: no such file: nowhere.jsonl; check the path"),
    "valid": (Overrides(valid="x" * 5000), f"--valid: no such file: {'x' * 5000}; check the path"),
}


def refusal(target, overrides=None, kind=InputError):
    with pytest.raises(kind) as caught:
        load_scenario(target, overrides or Overrides(), ENVIRON)
    return str(caught.value)


@pytest.mark.parametrize("name", JOBS)
def test_jobs(folder, name):
    job, line = JOBS[name]
    write_folder(folder, job=job)
    assert refusal("job.json", kind=JobError) == line


@pytest.mark.parametrize("name", ROWS)
def test_rows(folder, name):
    train, line = ROWS[name]
    write_folder(folder, train=train)
    assert refusal("job.json", kind=DatasetError) == line


@pytest.mark.parametrize("name", TOMLS)
def test_scenarios(folder, name):
    toml, line = TOMLS[name]
    write_folder(folder, toml=toml)
    assert refusal("scenario.toml") == line


@pytest.mark.parametrize("name", OPTIONS)
def test_options(folder, name):
    overrides, line = OPTIONS[name]
    assert refusal("job.json", overrides) == line


@pytest.mark.usefixtures("folder")
def test_a_target_that_is_nothing_lists_the_bundled_scenarios():
    line = refusal("nowhere.json")
    assert line.startswith(
        'TARGET: "nowhere.json" is no scenario, no folder with a scenario.toml and no job file; '
        "bundled scenarios: "
    )


def test_options_without_meaning_for_the_load_are_refused(folder):
    write_folder(folder, toml=TOML.replace("steps = 2", 'mode = "steady"\nin_flight = 3\nrollouts = 9'))
    assert refusal("scenario.toml", Overrides(steps=3)) == (
        "--steps: has no meaning for a steady load; leave it out"
    )


def test_a_folder_in_place_of_a_dataset(folder):
    (folder / "data").mkdir()
    assert refusal("job.json", Overrides(train="data")) == "--train: no such file: data; check the path"


def test_scenario_errors_are_scenario_errors(folder):
    write_folder(folder, toml="x = 1")
    refusal("scenario.toml", kind=ScenarioError)
