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
        "job.json:7:15: not JSON: expecting ':' delimiter; mend the JSON",
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
            "job.json:14:41: method.reinforcement.hyperparameters.batch_size must be from 1 to 100000; "
            "mend the number"
        ),
    ),
    "zero multiplier": (
        JOB.replace("1.5", "0"),
        (
            "job.json:14:66: method.reinforcement.hyperparameters.compute_multiplier must be from "
            "0.001 to 1000; mend the number"
        ),
    ),
    "a batch beyond all memory": (
        JOB.replace('"batch_size": 4', '"batch_size": 1000000'),
        (
            "job.json:14:41: method.reinforcement.hyperparameters.batch_size must be from 1 to 100000; "
            "mend the number"
        ),
    ),
    "a learning rate that is none": (
        JOB.replace('"n_epochs": "auto"', '"learning_rate_multiplier": 0'),
        (
            "job.json:14:99: method.reinforcement.hyperparameters.learning_rate_multiplier must be from "
            "1e-09 to 1000000; mend the number"
        ),
    ),
    "a rate that never ends": (
        JOB.replace('"rate_limit": 50', '"rate_limit": 1e-320'),
        (
            "job.json:13:87: method.reinforcement.grader.rate_limit must be from 0.001 to 1000000; "
            "mend the number"
        ),
    ),
    "a number beyond floats": (
        JOB.replace('"rate_limit": 50', f'"rate_limit": {10**301}'),
        "job.json:13:87: method.reinforcement.grader.rate_limit is too large; mend the number",
    ),
    "a tool without a name": (
        JOB.replace('"read"', '" "'),
        "job.json:11:18: method.reinforcement.tools[1].name is empty; mend the value",
    ),
    "batch size in words": (
        JOB.replace('"batch_size": 4', '"batch_size": "four"'),
        (
            "job.json:14:41: method.reinforcement.hyperparameters.batch_size must be a number, not a string; "
            "mend the value"
        ),
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
    "a list": ("[]", "job.json:1:1: the JSON must be an object, not an array; mend the value"),
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
    "broken JSON on line 7": (BROKEN_ON_LINE_7, "train.jsonl:7:15: not JSON: expecting value; mend the JSON"),
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
    "NaN": ('{"messages": NaN}', "train.jsonl:1:14: not JSON: NaN and Infinity are not JSON; mend the JSON"),
    "key twice": (
        f'{row()}\n{{"a": 1, "a": 2}}',
        'train.jsonl:2:15: not JSON: the key "a" stands twice in one object; mend the JSON',
    ),
    "a list": ("[1]", "train.jsonl:1:1: the JSON must be an object, not an array; mend the value"),
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
            "group_size, in_flight, in_flight_limit, mode, ramp_s, rollouts, rollouts_per_s, steps, "
            "time_scale, tokens_per_s, update_s"
        ),
    ),
    "unknown table": (
        TOML.replace("[trainer]", "[rules]"),
        (
            'scenario.toml:10: unknown key "rules"; known: check, endpoints, gates, grade, graders, job, '
            "load, policies, policy, price_per_hour, seed, train, trainer, valid"
        ),
    ),
    "excluded from the check": (
        TOML.replace("[load]", '[check]\nexclude = ["find", "refund"]\n[load]'),
        'scenario.toml:7: the job has no endpoint "refund"; known: find, grader, read',
    ),
    "compared with nobody": (
        TOML.replace("[load]", '[grade]\nagainst = ["exact"]\n[load]'),
        'scenario.toml:7: no grader is named "exact"; known: none',
    ),
    "a tolerance that is none": (
        TOML.replace("[load]", "[grade]\ntolerance = -1.0\n[load]"),
        "scenario.toml:7: tolerance must be from 0 to 1000000; mend the value",
    ),
    "a grader of no type": (
        TOML.replace("[load]", '[graders.exact]\noperation = "eq"\n[load]'),
        (
            "scenario.toml:6: no `type`; say which grader it is: endpoint, label_model, multi, python, "
            "score_model, string_check, text_similarity"
        ),
    ),
    "a grader with a variable that is not set": (
        TOML.replace("[load]", '[graders.mine]\ntype = "endpoint"\nurl = "${NOWHERE}/x"\n[load]'),
        "scenario.toml:6: url needs ${NOWHERE}, which is not set; export NOWHERE=... first",
    ),
    "state of no tool": (
        TOML.replace("[load]", '[check.state]\nwrite = {tool = "add"}\nread = {tool = "read"}\n[load]'),
        'scenario.toml:7: the job has no endpoint "add"; known: find, read',
    ),
    "wrong type": (
        TOML.replace("steps = 2", 'steps = "two"'),
        "scenario.toml:7: steps in [load] must be a whole number, not a string; mend the value",
    ),
    "a fraction": (
        TOML.replace("steps = 2", "steps = 1.5"),
        "scenario.toml:7: steps in [load] must be a whole number, not a decimal number; mend the value",
    ),
    "a boolean": (
        TOML.replace("steps = 2", "steps = true"),
        "scenario.toml:7: steps in [load] must be a whole number, not a boolean; mend the value",
    ),
    "a boolean where a fraction may stand": (
        TOML.replace("steps = 2", "compute_multiplier = true"),
        "scenario.toml:7: compute_multiplier in [load] must be a number, not a boolean; mend the value",
    ),
    "a number in place of a boolean": (
        TOML.replace("steps = 2", "evaluation = 1"),
        "scenario.toml:7: evaluation in [load] must be true or false, not a whole number; mend the value",
    ),
    "a date": (
        TOML.replace("steps = 2", "steps = 1979-05-27"),
        "scenario.toml:7: steps in [load] must be a whole number, not a date; mend the value",
    ),
    "no limit on what needs one": (
        TOML.replace("steps = 2", 'steps = "none"'),
        'scenario.toml:7: steps in [load] must be a whole number, not "none"; mend the value',
    ),
    "a number in place of a gate": (
        TOML.replace('"tools.p99 < 2s"', '"tools.p99 < 2s", 3'),
        "scenario.toml:4: gates[1] must be a string, not a whole number; mend the value",
    ),
    "a number in place of a table": (
        TOML.replace('[load]\nsteps = 2\neval_in_flight_limit = "none"', "").replace(
            "seed", "load = 3\nseed"
        ),
        "scenario.toml:2: load must be a table, not a whole number; mend the value",
    ),
    "endpoints that are no table": (
        "endpoints = 3\n" + TOML,
        "scenario.toml:1: endpoints must be a table, not a whole number; mend the value",
    ),
    "unknown mode": (
        TOML.replace("steps = 2", 'mode = "foo"'),
        (
            'scenario.toml:7: mode in [load] is "foo", which is not known;'
            " known: rate, recorded, steady, training"
        ),
    ),
    "unknown unanswered": (
        TOML.replace("tool_retries = 1", 'unanswered = "a\'b"'),
        (
            'scenario.toml:11: unanswered in [trainer] is "a\'b", which is not known; '
            "known: discard, retry, show"
        ),
    ),
    "unknown episode_step": (
        TOML.replace("tool_retries = 1", 'episode_step = ""'),
        (
            'scenario.toml:11: episode_step in [trainer] is "", which is not known; '
            "known: call, call_and_turn, turn"
        ),
    ),
    "out of range": (
        TOML.replace("steps = 2", "steps = 0"),
        "scenario.toml:7: steps must be from 1 to 10000; mend the value",
    ),
    "not finite": (
        TOML.replace("steps = 2", "time_scale = nan"),
        "scenario.toml:7: time_scale must be from 0 to 1000; mend the value",
    ),
    "infinite": (
        TOML.replace("steps = 2", "time_scale = inf"),
        "scenario.toml:7: time_scale must be from 0 to 1000; mend the value",
    ),
    "beyond floats": (
        TOML.replace("steps = 2", f"compute_multiplier = {10**400}"),
        "scenario.toml:7: compute_multiplier in [load]: number out of range; mend the value",
    ),
    "endless": (
        TOML.replace("steps = 2", f"steps = {10**400}"),
        "scenario.toml:7: steps must be from 1 to 10000; mend the value",
    ),
    "a rate that never begins": (
        TOML.replace("steps = 2", 'mode = "rate"\nrollouts = 3\nrollouts_per_s = 1e-320'),
        "scenario.toml:9: rollouts_per_s must be from 0.001 to 1000000; mend the value",
    ),
    "out of range in trainer": (
        TOML.replace("tool_retries = 1", "tool_retries = -1"),
        "scenario.toml:11: tool_retries must be from 0 to 100; mend the value",
    ),
    "steady without in_flight": (
        TOML.replace("steps = 2", 'mode = "steady"\nduration_s = 3'),
        "scenario.toml:7: a steady load needs in_flight; add it to the table",
    ),
    "steady without an end": (
        TOML.replace("steps = 2", 'in_flight = 3\nmode = "steady"'),
        "scenario.toml:8: a steady load needs duration_s or rollouts; add it to the table",
    ),
    "rate without a rate": (
        TOML.replace("steps = 2", 'mode = "rate"\nrollouts = 3\nrollouts_per_s = "none"'),
        "scenario.toml:7: a rate load needs rollouts_per_s; add it to the table",
    ),
    "rate without an end": (
        TOML.replace("steps = 2", 'mode = "rate"\nrollouts_per_s = 3'),
        "scenario.toml:7: a rate load needs duration_s or rollouts; add it to the table",
    ),
    "unknown policy": (
        TOML.replace('"quick"', '"slow"'),
        'scenario.toml:3: no policy is named "slow"; known: quick, synthetic',
    ),
    "empty name of a policy": (
        TOML.replace('"quick"', '""'),
        'scenario.toml:3: no policy is named ""; known: quick, synthetic',
    ),
    "unknown kind": (
        TOML.replace('"synthetic"', '"psychic"'),
        (
            'scenario.toml:14: kind in [policies.quick] is "psychic", which is not known; '
            "known: recorded, scripted, synthetic"
        ),
    ),
    "no kind": (
        TOML.replace('kind = "synthetic"', ""),
        'scenario.toml:13: no key "kind" in [policies.quick]; write kind = "synthetic"',
    ),
    "no agent": (
        TOML.replace('"synthetic"\ncalls = "uniform:2:4"', '"scripted"'),
        'scenario.toml:13: no key "agent" in [policies.quick]; write agent = "agent.py:Agent"',
    ),
    "endpoints without a mock": (
        TOML + '[endpoints]\nurl = "A"\ntoken = "B"\n',
        'scenario.toml:16: no key "mock" in [endpoints]; write mock = "finqa"',
    ),
    "unknown key of a policy": (
        TOML.replace("calls =", "call ="),
        (
            'scenario.toml:15: unknown key "call" in [policies.quick];'
            " known: answer, calls, parallel, tokens, tools"
        ),
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
    "a folder in place of a dataset": (
        'train = "."\n' + TOML,
        "scenario.toml:1: a folder, not a file: .; check the path",
    ),
    "nothing": ("", 'scenario.toml: no key "job"; write job = "job.json"'),
    "missing job": (
        TOML.replace('"job.json"', '"nowhere.json"'),
        "nowhere.json: no such file; check the path",
    ),
    "no job": (
        TOML.replace('job = "job.json"', ""),
        'scenario.toml: no key "job"; write job = "job.json"',
    ),
    "negative seed": (
        TOML.replace("11", "-11"),
        "scenario.toml:2: seed must be from 0 to 9223372036854775807; mend the value",
    ),
}

OPTIONS = {
    "negative multiplier": (
        Overrides(compute_multiplier=-1.0),
        "--compute-multiplier: must be from 0.001 to 1000; mend the option",
    ),
    "no steps": (Overrides(steps=0), "--steps: must be from 1 to 10000; mend the option"),
    "too many steps": (Overrides(steps=10_001), "--steps: must be from 1 to 10000; mend the option"),
    "time backwards": (
        Overrides(time_scale=-0.5),
        "--time-scale: must be from 0 to 1000; mend the option",
    ),
    "seed": (Overrides(seed=-1), "--seed: must be from 0 to 9223372036854775807; mend the option"),
    "policy": (
        Overrides(policy="quick"),
        '--policy: no policy is named "quick"; known: synthetic',
    ),
    "policy without a name": (Overrides(policy=""), '--policy: no policy is named ""; known: synthetic'),
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


@pytest.mark.usefixtures("folder")
def test_an_empty_policy_does_not_fall_back_to_the_scenarios():
    line = '--policy: no policy is named ""; known: quick, synthetic'
    assert refusal("scenario.toml", Overrides(policy="")) == line


@pytest.mark.usefixtures("folder")
def test_an_empty_target_is_not_the_folder_we_are_in():
    assert refusal("").startswith('TARGET: "" is no scenario, ')


def test_options_without_meaning_for_the_load_are_refused(folder):
    write_folder(folder, toml=TOML.replace("steps = 2", 'mode = "steady"\nin_flight = 3\nrollouts = 9'))
    assert refusal("scenario.toml", Overrides(steps=3)) == (
        "--steps: has no meaning for a steady load; leave it out"
    )


def test_a_folder_in_place_of_a_dataset(folder):
    (folder / "data").mkdir()
    assert refusal("job.json", Overrides(train="data")) == (
        "--train: a folder, not a file: data; check the path"
    )


def test_scenario_errors_are_scenario_errors(folder):
    write_folder(folder, toml="x = 1")
    refusal("scenario.toml", kind=ScenarioError)
