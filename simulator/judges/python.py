"""A grader of type `python`: the customer's `grade(sample, item)`, run where it can harm nothing."""

from types import TracebackType
from typing import Self

import trio

from simulator.errors import PreflightError
from simulator.grading.judgement import CannotGrade, Judgement, Namespaces
from simulator.judges.process import Fence, Limits, Process

__all__ = ["Fence", "Limits", "PythonJudge"]


class PythonJudge:
    """Runs `source` in up to `processes` fenced processes; use it as `async with PythonJudge(...) as judge`.

    A process runs the source once and then grades sample after sample, until one takes too long, runs out of
    memory or tries what is forbidden. Raises PreflightError on entering where no such process starts.
    """

    def __init__(self, source: str, limits: Limits | None = None, *, processes: int = 1) -> None:
        self._source, self._limits = source.encode("utf-8", "surrogatepass"), limits or Limits()
        self._turns = trio.CapacityLimiter(processes)
        self._idle: list[Process] = []
        self._fence: Fence = "python"

    @property
    def fence(self) -> Fence:
        """What holds the source: the kernel, or where it refuses, only Python's own hooks."""
        return self._fence

    async def __aenter__(self) -> Self:
        """Start one process, so that `fence` is known before any source runs."""
        try:
            self._idle.append(await self._start())
        except CannotGrade as failed:
            raise PreflightError(f"no process for the Python grader: {failed.details}") from None
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """End all processes."""
        while self._idle:
            await self._idle.pop().end()

    async def judge(self, names: Namespaces) -> Judgement:
        """Return what `grade(sample, item)` gives, or why nothing; it never raises for the source."""
        if len(self._source) >= self._limits.source_bytes:
            most = self._limits.source_bytes
            details = f"the source has {len(self._source)} bytes, and must have less than {most}"
            return Judgement(None, "python_grader_runtime_error", details)
        try:
            call = {"sample": names.get("sample"), "item": names.get("item")}
            async with self._turns:
                return Judgement(await self._score(call))
        except CannotGrade as failed:
            return failed.judgement

    async def _score(self, call: Namespaces) -> float:
        process = self._idle.pop() if self._idle else await self._start()
        try:
            return await process.grade(call)
        finally:
            if process.usable:
                self._idle.append(process)
            else:
                await process.end()

    async def _start(self) -> Process:
        process = Process(self._source, self._limits)
        try:
            self._fence = await process.hello()
        except BaseException:
            await process.end()
            raise
        return process
