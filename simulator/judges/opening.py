"""From a grader object to the judge that grades as it says; a `multi` is made of others."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import msgspec
import trio

from simulator.dialects.base import Dialect
from simulator.errors import InputError, PreflightError
from simulator.grading.formula import compute
from simulator.grading.judgement import CannotGrade, Judgement, Namespaces, Sample
from simulator.grading.local import LOCAL, grade_locally
from simulator.job.jobfile import graders_in
from simulator.judges.base import Given, Judge, Opened
from simulator.judges.endpoint import open_endpoint
from simulator.judges.model import ModelJudge, ModelServer
from simulator.judges.python import Limits, PythonJudge
from simulator.model import Endpoint, Grader, TrainerRules

_MODELS = frozenset({"score_model", "label_model"})
_OVER_THE_WIRE = _MODELS | {"endpoint"}
"""The types whose scores may depend on what else is going on."""


class Means(msgspec.Struct, frozen=True):
    """What judges work with. `model` is None where no server for model graders is known.

    `redact` hides secrets in what they say of their failures. A Python grader may take `python_limit_s` for
    one sample.
    """

    rules: TrainerRules
    dialect: Dialect
    environ: Mapping[str, str]
    lanes: int = 1
    model: ModelServer | None = None
    redact: Callable[[str], str] = str
    python_limit_s: float = 120.0


def goes_over_the_wire(grader: Grader) -> bool:
    """Tell whether a grader, or one inside it, is asked over the wire."""
    return any(one.type in _OVER_THE_WIRE for one in graders_in(grader))


def endpoints_asked(graders: Iterable[Grader], means: Means) -> list[Endpoint]:
    """Return where these graders send something, a server of models included."""
    every = [one for grader in graders for one in graders_in(grader)]
    asked = [one.endpoint for one in every if one.endpoint]
    if means.model is not None and any(one.type in _MODELS for one in every):
        asked.append(Endpoint("model", "grader", means.model.url))
    return asked


def refuse_unplayable(grader: Grader, means: Means) -> None:
    """Raise InputError where a grader, or one inside it, cannot be asked with these means."""
    if grader.type == "none":
        raise InputError("the job has no grader", remedy="add the grader object, or pass --grader")
    for one in graders_in(grader):
        if one.type in _MODELS and means.model is None:
            message = f"the grader `{one.name}` asks a model, and no server is known"
            raise InputError(message, remedy="pass --model-url, or set OPENAI_BASE_URL")


def open_judge(grader: Grader, means: Means) -> Opened:
    """Return the judge to be entered; InputError where it cannot be had."""
    refuse_unplayable(grader, means)
    return _OPENERS[grader.type](grader, means)


@asynccontextmanager
async def _endpoint(grader: Grader, means: Means) -> AsyncIterator[Judge]:
    assert grader.endpoint is not None  # noqa: S101 the type has one
    async with open_endpoint(
        grader.endpoint, means.rules, means.dialect, means.lanes, means.environ
    ) as judge:
        yield judge


class _ByNames:
    """Wraps what grades by `sample` and `item` alone, without any connection of ours."""

    def __init__(self, judge: Callable[[Namespaces], Any]) -> None:
        self._judge = judge

    async def judge(self, sample: Sample, lane: int) -> Given:  # noqa: ARG002 the protocol's signature
        began = trio.current_time()
        judgement = await self._judge(sample.names)
        return Given(judgement, out_s=trio.current_time() - began)


@asynccontextmanager
async def _text(grader: Grader, _means: Means) -> AsyncIterator[Judge]:
    async def judge(names: Namespaces) -> Judgement:
        await trio.lowlevel.checkpoint()
        try:
            return Judgement(grade_locally(grader, names))
        except CannotGrade as problem:
            return problem.judgement

    yield _ByNames(judge)


@asynccontextmanager
async def _python(grader: Grader, means: Means) -> AsyncIterator[Judge]:
    source, limits = str(grader.settings.get("source", "")), Limits(seconds=means.python_limit_s)
    async with PythonJudge(source, limits) as judge:
        if judge.fence != "kernel":
            message = f"the grader `{grader.name}` is Python, and this system cannot fence it"
            raise PreflightError(f"{message}; grade on Linux, on x86-64 or arm64")
        yield _ByNames(judge.judge)


@asynccontextmanager
async def _model(grader: Grader, means: Means) -> AsyncIterator[Judge]:
    assert means.model is not None  # noqa: S101 refused before
    async with ModelJudge(grader, means.model) as judge:
        yield _ByNames(judge.judge)


class _Multi:
    """Combines the scores of several judges by a formula; one that has none leaves the whole without."""

    def __init__(self, formula: str, judges: dict[str, Judge]) -> None:
        self._formula, self._judges = formula, judges

    async def judge(self, sample: Sample, lane: int) -> Given:
        scores: dict[str, float] = {}
        out_s = 0.0
        for key, inner in self._judges.items():
            given = await inner.judge(sample, lane)
            out_s += given.out_s
            score = given.judgement.score
            if score is None:
                details = f"{key}: {given.judgement.details}"
                return Given(msgspec.structs.replace(given.judgement, details=details), out_s=out_s)
            scores[key] = score
        try:
            return Given(Judgement(compute(self._formula, scores)), out_s=out_s)
        except CannotGrade as problem:
            return Given(problem.judgement, out_s=out_s)


@asynccontextmanager
async def _multi(grader: Grader, means: Means) -> AsyncIterator[Judge]:
    async with AsyncExitStack() as stack:
        judges = {
            key: await stack.enter_async_context(open_judge(inner, means))
            for key, inner in grader.graders.items()
        }
        yield _Multi(str(grader.settings.get("calculate_output", "")), judges)


_OPENERS: dict[str, Callable[[Grader, Means], Opened]] = {
    "endpoint": _endpoint,
    "python": _python,
    **dict.fromkeys(_MODELS, _model),
    "multi": _multi,
    **dict.fromkeys(LOCAL, _text),
}
