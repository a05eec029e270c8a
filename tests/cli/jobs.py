"""Small jobs for the command's tests."""

import json
from pathlib import Path

TOOL = {
    "type": "function",
    "function": {
        "name": "search_catalog",
        "description": "Search.",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}, "top_k": {"type": "integer"}},
            "required": ["query"],
        },
    },
}


def row(number: int) -> dict:
    return {
        "messages": [{"role": "user", "content": f"Which coat is number {number}?"}],
        "tools": [TOOL],
        "reference_answer": "This is a synthetic answer.",
    }


def write_rows(path: Path, numbers: range) -> Path:
    path.write_text("".join(json.dumps(row(n)) + "\n" for n in numbers))
    return path


def write_job(
    folder: Path, url: str, *, tool_path="/tool/search_catalog", grader_path="/score", **more
) -> Path:
    """Write a job and both datasets, as submitted; `more` goes into the reinforcement object."""
    write_rows(folder / "train.jsonl", range(12))
    write_rows(folder / "valid.jsonl", range(100, 110))
    reinforcement = {
        "tools": [
            {
                "name": "search_catalog",
                "server_url": f"{url}{tool_path}",
                "headers": {"X-Functions-Key": "${FUNC_KEY}"},
            }
        ],
        "grader": {"type": "endpoint", "name": "sku", "url": f"{url}{grader_path}", "pass_threshold": 0.5},
        "max_episode_steps": 10,
        "hyperparameters": {"n_epochs": 1, "batch_size": 4, "compute_multiplier": 1.0, "eval_samples": 2},
        **more,
    }
    job = folder / "job.json"
    job.write_text(
        json.dumps(
            {
                "model": "some-model",
                "training_file": "train.jsonl",
                "validation_file": "valid.jsonl",
                "method": {"type": "reinforcement", "reinforcement": reinforcement},
            },
            indent=2,
        )
    )
    return job
