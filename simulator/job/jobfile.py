"""The job's JSON, as it is submitted or only its `reinforcement` object, read into `model.Job`."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from simulator.errors import JobError
from simulator.job.document import (
    Complain,
    Node,
    attempt,
    decode_utf8,
    listed,
    parse,
    read_bytes,
    refuse,
)
from simulator.job.environment import Environ, read_headers, read_url, secrets_of
from simulator.job.settings import RANGES, Range, range_problem
from simulator.job.strictjson import printable, quoted
from simulator.model import Endpoint, Grader, Hyperparameters, Job, Split

T = TypeVar("T")

GRADER_TYPES = frozenset(
    {"endpoint", "string_check", "text_similarity", "python", "score_model", "label_model", "multi"}
)
"""The graders a job may have; only `endpoint` is the customer's to serve."""


NO_GRADER = Grader("none", "grader")
"""Stands in for a grader that is not there, or was complained of."""


class JobFile(msgspec.Struct, frozen=True):
    """A job as read: where it was, and the datasets it names. `secrets` are to be redacted everywhere.

    `node` is the object with tools and grader. `any_tool` tells that rows may declare what they like.
    """

    path: Path
    node: Node
    job: Job
    datasets: dict[Split, Node | None]
    secrets: tuple[str, ...]
    any_tool: bool = False

    @property
    def tool_names(self) -> frozenset[str]:
        """The names of the job's tools, of those too that were complained of."""
        tools = self.node.value.get("tools")
        declared = tools if isinstance(tools, list) else []
        names = (tool.get("name") for tool in declared if isinstance(tool, dict))
        return frozenset(name for name in names if isinstance(name, str))


def read_job(path: Path, environ: Environ | None, complain: Complain = refuse) -> JobFile:
    """Read the job at `path`, its `${NAME}`s from `environ` (None: leave them, nothing is to be sent).

    Complains with a JobError, which has line and column, of whatever makes the job unusable, and leaves that
    part out; raises it where there is no job to read any further.
    """
    text = decode_utf8(read_bytes(path, JobError), printable(path), JobError)
    document = parse(printable(path), text, JobError)
    node = _reinforcement(document)
    job = _job(node, environ, complain)
    endpoints = (*job.tools, *endpoints_in(job.grader))
    return JobFile(
        path,
        node,
        job,
        {"train": document.member("training_file"), "valid": document.member("validation_file")},
        secrets_of(endpoints, text, environ or {}),
    )


def graders_in(grader: Grader) -> Iterator[Grader]:
    """Yield a grader, and those inside it."""
    yield grader
    for inner in grader.graders.values():
        yield from graders_in(inner)


def endpoints_in(grader: Grader) -> Iterator[Endpoint]:
    """Yield the endpoints that are asked for a grader's score: its own, and those inside a `multi`."""
    yield from (one.endpoint for one in graders_in(grader) if one.endpoint)


def _reinforcement(document: Node) -> Node:
    """Return the object with tools and grader, wrapped or not."""
    if problem := _another_thing(document.value):
        raise document.fail(*problem)
    node = document.member("method") or document
    if node.member("reinforcement") or node is not document:
        kind = node.member("type")
        if kind and kind.value != "reinforcement":
            raise kind.fail(f"{kind.name} is not `reinforcement`", "only reinforcement jobs call endpoints")
        node = node.required("reinforcement", "put tools and grader under it")
    return node


def _another_thing(value: Any) -> tuple[str, str] | None:
    """Return what else of a job's a JSON is, and the remedy; None where it may be a job."""
    if (
        isinstance(value, list)
        and value
        and all(isinstance(one, dict) and "server_url" in one for one in value)
    ):
        return "is a job's tools, not a job", "put them under `tools` of a job, beside its `grader`"
    kind = value.get("type") if isinstance(value, dict) else None
    if isinstance(kind, str) and kind in GRADER_TYPES and "grader" not in value:
        return "is a grader, not a job", "put it under `grader` of a job, beside its `tools`"
    return None


def _job(node: Node, environ: Environ | None, complain: Complain) -> Job:
    tools = _tools(node, environ, complain)
    grader = attempt(complain, lambda: read_grader(node.required("grader", "add the grader object"), environ))
    if grader and grader.endpoint and grader.endpoint.name in tools:
        name = quoted(grader.endpoint.name)
        message = f"grader and a tool are both named {name}"
        complain(node.required("grader", "").fail(message, "name the grader", "job.tool_twice"))
    if not node.value.get("tools") and grader and not grader.endpoint:
        complain(node.fail("the job has neither tools nor an endpoint grader", "there is nothing to try out"))
    cap = _whole_in(RANGES[Job]["max_episode_steps"])
    return Job(
        tools=tuple(tools.values()),
        grader=grader or NO_GRADER,
        hyperparameters=attempt(complain, lambda: _hyperparameters(node.member("hyperparameters"), complain))
        or Hyperparameters(),
        max_episode_steps=attempt(complain, lambda: _optional(node.member("max_episode_steps"), cap)),
        response_format=attempt(complain, lambda: _optional(node.member("response_format"), Node.object)),
    )


def _tools(node: Node, environ: Environ | None, complain: Complain) -> dict[str, Endpoint]:
    tools: dict[str, Endpoint] = {}
    listed_tools = node.member("tools")
    elements = attempt(complain, listed_tools.elements) if listed_tools else None
    for element in elements or ():
        tool = attempt(complain, partial(_tool, element, environ))
        if tool is None:
            continue
        if tool.name in tools:
            message = f"two tools are named {quoted(tool.name)}"
            complain(element.fail(message, "rename one, or take it out", "job.tool_twice"))
        tools.setdefault(tool.name, tool)
    return tools


def _tool(node: Node, environ: Environ | None) -> Endpoint:
    name = node.required("name", "name the tool as the dataset's `tools` do").text()
    url = node.required("server_url", f"give the tool {quoted(name)} the URL it is served at")
    return Endpoint(name, "tool", read_url(url, environ), read_headers(node.member("headers"), environ))


def read_grader(node: Node, environ: Environ | None) -> Grader:
    """Read a grader object, and those inside it; raises for the first thing that makes it unusable."""
    kind = node.required("type", "say which grader it is: " + listed(GRADER_TYPES))
    if kind.text() not in GRADER_TYPES:
        raise kind.fail(f"no grader type {quoted(kind.text())} is known", "known: " + listed(GRADER_TYPES))
    name = _optional(node.member("name"), Node.text)
    endpoint = None
    if kind.value == "endpoint":
        endpoint = Endpoint(
            name or "grader",
            "grader",
            read_url(node.required("url", "give the URL the grader is served at"), environ),
            read_headers(node.member("headers"), environ),
            _optional(node.member("rate_limit"), _number_in(RANGES[Endpoint]["rate_limit"])),
        )
    threshold = _optional(node.member("pass_threshold"), Node.number)
    inner = node.member("graders") if kind.value == "multi" else None
    inner = inner if inner and isinstance(inner.value, dict) else None
    graders = {key: read_grader(one, environ) for key, one in inner.members() if _known(one)} if inner else {}
    settings = {} if endpoint else node.object()
    return Grader(kind.value, name or kind.value, endpoint, threshold, settings, graders)


def _known(node: Node) -> bool:
    """Tell whether it can be read as a grader; of one inside a `multi` the lint tells what is wrong."""
    kind = node.value.get("type") if isinstance(node.value, dict) else None
    return isinstance(kind, str) and kind in GRADER_TYPES


def _hyperparameters(node: Node | None, complain: Complain) -> Hyperparameters:
    values: dict[str, Any] = {}
    for name, bounds in RANGES[Hyperparameters].items() if node else ():
        member = node.member(name) if node else None
        if member and member.value != "auto":
            read = _number_in if name.endswith("_multiplier") else _whole_in
            values[name] = attempt(complain, partial(read(bounds), member), "job.hyperparameter")
    values.pop("learning_rate_multiplier", None)
    return Hyperparameters(**values)


def _number_in(bounds: Range) -> Callable[[Node], float]:
    def read(node: Node) -> float:
        value = node.number()
        if problem := range_problem(bounds, value):
            raise node.fail(f"{node.name} {problem}", "mend the number")
        return float(value)

    return read


def _whole_in(bounds: Range) -> Callable[[Node], int]:
    def read(node: Node) -> int:
        if not float(node.number()).is_integer():
            raise node.fail(f"{node.name} must be a whole number", "mend the number")
        return int(_number_in(bounds)(node))

    return read


def _optional(node: Node | None, read: Callable[[Node], T]) -> T | None:
    return None if node is None else read(node)
