"""A folder in which nothing can be found, and what is found once something in it is changed."""

import json
from pathlib import Path

from simulator.job.complaints import findings_of
from simulator.job.lint import lint
from simulator.job.scenario import Overrides, load_scenario
from tests.job.folder import ENVIRON, FIND, JOB, write_folder

READ = {"type": "function", "function": {"name": "read"}}

TOML = """\
job = "job.json"
policy = "quick"

[policies.quick]
kind = "synthetic"
calls = "uniform:2:4"
"""

MESSAGES = [{"role": "user", "content": "how many?"}]


def row(question, tools=(FIND, READ), **fields):
    return {"messages": [{"role": "user", "content": question}], "tools": list(tools), **fields}


def rows(split, count=10, **fields):
    return [row(f"how many {split} in year {number}?", target=number, **fields) for number in range(count)]


def function(schema, *, name="find", **fields):
    return {"type": "function", "function": {"name": name, "parameters": schema, **fields}}


def with_grader(grader, **fields):
    """Return the job with another grader, and fields beside it."""
    job = json.loads(JOB)
    job["method"]["reinforcement"].update(grader=grader, **fields)
    return json.dumps(job, indent=1)


def findings(folder=Path(), *, job=JOB, train=None, valid=None, toml=TOML):
    """Write the files and return all that is found; `train` and `valid` are rows, decoded."""
    write_folder(folder, job=job, toml=toml)
    for split, given in (("train", train), ("valid", valid)):
        lines = [json.dumps(one) for one in (rows(split) if given is None else given)]
        (folder / f"{split}.jsonl").write_text("\n".join(lines))
    complaints = []
    scenario = load_scenario(str(folder / "scenario.toml"), Overrides(), ENVIRON, complaints.append)
    return (*findings_of(complaints), *lint(scenario))


def only(code, **files):
    """Return the one finding that there is, which must be of that code."""
    found = findings(**files)
    assert [finding.code for finding in found] == [code], [f"{f.code} {f.message}" for f in found]
    return found[0]


def at(job, value):
    """Return where in the job the value stands, which must be there once: `job.json:line:column`."""
    part = json.dumps(value)
    assert job.count(part) == 1
    before = job[: job.index(part)]
    return f"job.json:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"
