"""A job for the endpoints of these tests, and what a check finds of them."""

import json
from collections.abc import Callable
from pathlib import Path

import trio

from simulator.checks.conduct import Orders, check_endpoints
from simulator.dialects.openai import OpenAI
from simulator.job.scenario import Overrides, load_scenario
from simulator.measure.checked import CheckSummary
from simulator.model import Finding
from simulator.redaction import redactor

from .healthy import KEY, Healthy, serving

TOOL = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}, "top": {"type": "integer"}},
            "required": ["query"],
        },
    },
}

COLOURS = ("amber", "beige", "coral", "denim", "ebony", "fawn", "green", "hazel", "ivory", "jade", "khaki")

AGENT = """
from simulator.plan.policy import ScriptedPolicy

class Agent(ScriptedPolicy):
    def play(self):
        yield self.ask("look_up", query="coats", tokens=1)
        yield self.ask("look_up", query="blue coats", tokens=1)
        return self.answer("a blue coat", tokens=1)
"""

TOML = """
job = "job.json"
policy = "agent"

[policies.agent]
kind = "scripted"
agent = "agent.py:Agent"
"""


def row(colour: str) -> dict:
    question = {"role": "user", "content": f"Which coat is the one in {colour}?"}
    return {"messages": [question], "tools": [TOOL], "reference_answer": f"the {colour} coat"}


def write_job(
    folder: Path, url: str, *, agent: str = AGENT, toml: str = "", tools: list[dict] | None = None
) -> Path:
    """Write a scenario whose tool and grader are at `url`."""
    headers = {"Authorization": "Bearer ${COATS_KEY}"}
    declared = tools or [TOOL]
    for name, shade in (("train", ""), ("valid", "dark ")):
        rows = [json.dumps({**row(shade + colour), "tools": declared}) + "\n" for colour in COLOURS]
        (folder / f"{name}.jsonl").write_text("".join(rows))
    reinforcement = {
        "tools": [
            {"name": name, "server_url": f"{url}/tools/{name}", "headers": headers}
            for name in (tool["function"]["name"] for tool in declared)
        ],
        "grader": {"type": "endpoint", "name": "judge", "url": f"{url}/grade", "headers": headers,
                   "pass_threshold": 0.75},
        "max_episode_steps": 10,
        "hyperparameters": {"batch_size": 4, "n_epochs": 1},
    }  # fmt: skip
    job = {
        "training_file": "train.jsonl",
        "validation_file": "valid.jsonl",
        "method": {"type": "reinforcement", "reinforcement": reinforcement},
    }
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "agent.py").write_text(agent)
    (folder / "scenario.toml").write_text(TOML + toml)
    return folder / "scenario.toml"


QUICK = Orders(rate_s=0.0)
HASTY = Orders(rate_s=0.0, answer_limit_s=0.4)
"""For servers that do not answer; others are given the time they need, however busy the machine is."""
WITH_RATE = Orders(rate_s=0.5)


def check(
    target: Path, orders: Orders = QUICK, watch: Callable[[str], None] = lambda _: None
) -> tuple[CheckSummary, list[Finding]]:
    """Check the endpoints of a scenario."""
    scenario = load_scenario(str(target), Overrides(), {"COATS_KEY": KEY})

    async def probe() -> tuple[CheckSummary, list[Finding]]:
        return await check_endpoints(
            scenario,
            OpenAI(),
            orders,
            {},
            redactor(scenario.secrets),
            watch,
            started_at="2026-01-01T00:00:00",
            stop=trio.Event(),
        )

    return trio.run(probe)


def check_server(
    endpoints: Healthy, folder: Path, orders: Orders = QUICK, **job: object
) -> tuple[CheckSummary, list[Finding]]:
    """Serve the endpoints and check them; they are told what is looked at, and released at the end."""
    with serving(endpoints) as url:
        try:
            return check(write_job(folder, url, **job), orders, endpoints.looked_at)
        finally:
            endpoints.released.set()


def codes(findings: list[Finding]) -> set[str]:
    return {finding.code for finding in findings}
