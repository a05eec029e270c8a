"""The work all clients do: the same POST, and the folder in which its parts lie as files."""

import json
from pathlib import Path

import msgspec

from simulator.dialects.openai import OpenAI
from simulator.model import Item, ToolCall

TOOL, TOOL_PATH, GRADER_PATH = "echo", "/tools/echo", "/grade"
_ARGUMENTS = '{"text":"hello"}'
_ROWS = 32
ROW = json.dumps(
    {
        "messages": [{"role": "user", "content": "How much?"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": TOOL,
                    "description": "Say it again.",
                    "parameters": {
                        "type": "object",
                        "properties": {"text": {"type": "string", "enum": ["hello"]}},
                        "required": ["text"],
                    },
                },
            }
        ],
    }
)
"""A dataset row: our command plays it, and all other clients send a call made from it."""


class Work(msgspec.Struct, frozen=True):
    """What a client shall do. `body` is a file with the request's body; `ca` one with the CA to trust.

    `callers` send at once, each thinks `think_s` seconds between two calls, and `seconds` are measured.
    """

    base: str
    body: Path
    seconds: float
    callers: int = 100
    think_s: float = 0.0
    ca: Path | None = None

    @property
    def url(self) -> str:
        """The tool's URL."""
        return f"{self.base}{TOOL_PATH}"


def write_body(folder: Path) -> Path:
    """Write the body of one tool call, as our command would send it."""
    dialect, item = OpenAI(), Item(0, "train", 1, msgspec.Raw(ROW.encode()), {})
    ids, call = dialect.call_ids("0" * 32, 0), ToolCall(TOOL, _ARGUMENTS)
    body = folder / "body.json"
    body.write_bytes(dialect.tool_request(ids, call, dialect.trace_id("0" * 32), item))
    return body


def write_job(folder: Path, base: str) -> None:
    """Write the job and its datasets, as a customer has them."""
    for name in ("train.jsonl", "valid.jsonl"):
        (folder / name).write_text(f"{ROW}\n" * _ROWS)
    job = {
        "tools": [{"name": TOOL, "server_url": f"{base}{TOOL_PATH}"}],
        "grader": {"type": "endpoint", "name": "grader", "url": f"{base}{GRADER_PATH}"},
        "training_file": "train.jsonl",
        "validation_file": "valid.jsonl",
    }
    (folder / "job.json").write_text(json.dumps(job))
