"""A folder with a small job that can be used, and ways to spoil it."""

import json
from pathlib import Path

JOB = """\
{
  "training_file": "train.jsonl",
  "validation_file": "valid.jsonl",
  "method": {
    "type": "reinforcement",
    "reinforcement": {
      "tools": [
        {"name": "find",
         "server_url": "http://127.0.0.1:9/find?code=${FIND_CODE}",
         "headers": {"Authorization": "Bearer ${FIND_TOKEN}"}},
        {"name": "read", "server_url": "http://127.0.0.1:9/read"}
      ],
      "grader": {"type": "endpoint", "url": "http://127.0.0.1:9/grade", "rate_limit": 50},
      "hyperparameters": {"batch_size": 4, "compute_multiplier": 1.5, "n_epochs": "auto"},
      "max_episode_steps": 10
    }
  }
}
"""

FIND = {
    "type": "function",
    "function": {
        "name": "find",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}, "top_k": {"type": "integer"}},
            "required": ["query"],
        },
    },
}

TOML = """\
job = "job.json"
seed = 11
policy = "quick"
gates = ["tools.p99 < 2s"]

[load]
steps = 2
eval_in_flight_limit = "none"

[trainer]
tool_retries = 1

[policies.quick]
kind = "synthetic"
calls = "uniform:2:4"
"""

ENVIRON = {"FIND_CODE": "c0de-of-find", "FIND_TOKEN": "t0ken-of-find"}


def row(question: str = "how many?", **fields: object) -> str:
    """Return a row that can be used."""
    return json.dumps({"messages": [{"role": "user", "content": question}], "tools": [FIND], **fields})


def rows(count: int = 10) -> list[str]:
    return [row(f"how many in year {number}?") for number in range(count)]


def write_folder(folder: Path, *, job: str = JOB, train: str | bytes | None = None, toml: str = TOML) -> None:
    """Write job, datasets and scenario into `folder`."""
    good = "\n".join(rows()) + "\n"
    train = good if train is None else train
    (folder / "job.json").write_text(job, encoding="utf-8")
    (folder / "train.jsonl").write_bytes(train.encode() if isinstance(train, str) else train)
    (folder / "valid.jsonl").write_text(good, encoding="utf-8")
    (folder / "scenario.toml").write_text(toml, encoding="utf-8")
