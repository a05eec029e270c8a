"""A catalogue as a customer would write it with FastAPI, that keeps each rollout's calls in a dict."""

import json
import os

from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel

KEY = os.environ.get("COATS_KEY", "key-of-the-coats")

app = FastAPI()
calls: dict[str, list[str]] = {}


class ToolCall(BaseModel):
    id: str
    call_id: str
    name: str
    arguments: str
    trace_id: str
    item: dict


class GraderCall(BaseModel):
    sample: dict
    item: dict
    trace_id: str


def admit(authorization: str) -> None:
    if authorization != f"Bearer {KEY}":
        raise HTTPException(401, "who are you?")


@app.post("/tools/look_up")
async def look_up(call: ToolCall, authorization: str = Header("")) -> dict:
    admit(authorization)
    if call.name != "look_up":
        raise HTTPException(400, "another tool is meant")
    try:
        query = json.loads(call.arguments)["query"]
        assert isinstance(query, str)
        output = f"nothing like {query[:40]}"
        calls.setdefault(call.trace_id, []).append(query)
    except (ValueError, KeyError, TypeError, AssertionError):
        output = "Error: look_up needs `query`, a string"
    return {"type": "function_call_output", "id": call.id, "call_id": call.call_id, "output": output}


@app.post("/grade")
async def grade(call: GraderCall, authorization: str = Header("")) -> dict:
    admit(authorization)
    given, reference = call.sample["output_text"].strip(), call.item["reference_answer"]
    looked = 0.1 if calls.get(call.trace_id) else 0.0
    right = 1.0 if given == reference else 0.5 if given and reference.startswith(given) else 0.0
    return {"score": round(0.9 * right + looked, 3)}
