"""A fenced process as we see it: started, asked one thing at a time, killed and waited for."""

import contextlib
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
import trio

from simulator.grading.judgement import CannotGrade, Namespaces

Fence = Literal["kernel", "python"]
_T = TypeVar("_T")

_LONGEST_DETAILS = 300
_START_TIME_LIMIT_S = 30.0
_DYING_TIME_LIMIT_S = 1.0
_BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError)
_ROOT = Path(__file__).parents[2]
_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from simulator.judges.fenced import main;"
    " del sys.path[0]; main(int(sys.argv[2]))"
)
# Threads of a library for linear algebra would count against the memory, and there is one core anyway.
_ENVIRONMENT = {f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL")}


class Limits(msgspec.Struct, frozen=True):
    """What a source may use; the defaults are the platform's own, where it has one.

    `seconds` counts for running the source once and for every grading. Source: Azure, "Reinforcement
    fine-tuning", technical constraints: under 256 kB, no network, 2 minutes, 2 GB of memory. The platform
    gives 1 GB of disk too, and here there is none: nothing can be written.
    """

    seconds: float = 120.0
    memory_bytes: int = 2 * 1024**3
    source_bytes: int = 256_000
    answer_bytes: int = 65_536


class _Answer(msgspec.Struct):
    id: int
    score: float | None = None
    error: str | None = None
    over: bool = False


class _Hello(msgspec.Struct):
    fence: Fence


class Process:
    """One fenced process; it starts at once. CannotGrade says what went wrong, of all of its methods.

    Whoever has it must `end` it once it is not `usable`, and it is not while it works.
    """

    def __init__(self, source: bytes, limits: Limits) -> None:
        self._limits, self._unsent, self._calls, self.usable = limits, source, 0, False
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        command = [sys.executable, "-I", "-B", "-c", _BOOT, str(_ROOT), str(limits.memory_bytes)]
        try:
            # Not by trio: it is to die with the thread that starts it, which must be none of trio's pool.
            self._popen = subprocess.Popen(  # noqa: S603 our own module
                command,
                stdin=theirs_in,
                stdout=theirs_out,
                stderr=subprocess.DEVNULL,
                env=_ENVIRONMENT,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            os.close(ours_out)
            os.close(ours_in)
            raise CannotGrade("python_grader_server_error", f"it did not start: {error.strerror}") from None
        finally:
            os.close(theirs_in)
            os.close(theirs_out)
        self._to, self._from = trio.lowlevel.FdStream(ours_out), trio.lowlevel.FdStream(ours_in)

    async def hello(self) -> Fence:
        """Return what fences it; nothing of the source has been run."""
        with trio.move_on_after(_START_TIME_LIMIT_S) as scope:
            fence = self._decoded(await self._receive(), _Hello).fence
        if scope.cancelled_caught:
            raise CannotGrade("python_grader_server_error", "its process did not start in time")
        self.usable = True
        return fence

    async def grade(self, call: Namespaces) -> float:
        """Return the score; the first call has the source run."""
        try:
            question = msgspec.json.encode(call)
        except (ValueError, RecursionError) as error:
            raise CannotGrade("sample_parse_error", f"it is no JSON: {error}") from None
        if self._unsent:
            await self._asked(self._unsent, "running the source")
            self._unsent = b""
        score = await self._asked(question, "grading")
        if score is None or not math.isfinite(score):
            raise self._garbled()
        return score

    async def end(self) -> None:
        """Kill it, whatever it started too, and leave nothing of it; not to be cancelled."""
        with trio.CancelScope(shield=True):
            await self._to.aclose()
            await self._from.aclose()
            if self._popen.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self._popen.pid, signal.SIGKILL)
                await trio.to_thread.run_sync(self._popen.wait)

    async def _asked(self, question: bytes, doing: str) -> float | None:
        self.usable = False
        with trio.move_on_after(self._limits.seconds) as scope:
            with contextlib.suppress(*_BROKEN):  # it died: reading says how
                await self._to.send_all(len(question).to_bytes(4, "big") + question)
            answer = self._decoded(await self._receive(), _Answer)
        if scope.cancelled_caught:
            seconds = self._limits.seconds
            raise CannotGrade("python_grader_server_error", f"{doing} took longer than {seconds:g} s")
        if answer.id != self._calls:
            raise self._garbled()
        self._calls += 1
        # A source that did not run has no grade to call.
        self.usable = not answer.over and (answer.error is None or not self._unsent)
        if answer.error is not None:
            raise CannotGrade("python_grader_runtime_error", one_line(answer.error))
        return answer.score

    async def _receive(self) -> bytes:
        size = int.from_bytes(await self._exactly(4), "big")
        if size > self._limits.answer_bytes:
            raise self._garbled()
        return await self._exactly(size)

    async def _exactly(self, size: int) -> bytes:
        received = bytearray()
        while len(received) < size:
            part = await self._from.receive_some(size - len(received))
            if not part:
                raise CannotGrade("python_grader_server_error", await self._death())
            received += part
        return bytes(received)

    async def _death(self) -> str:
        with trio.move_on_after(_DYING_TIME_LIMIT_S):
            while self._popen.poll() is None:  # noqa: ASYNC110 there is no event for it
                await trio.sleep(0.002)
        code = self._popen.returncode
        if code is None:
            return "its process closed the pipe to us"
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        return f"its process ended with status {code}" if code >= 0 else f"its process died of {name}"

    def _decoded(self, data: bytes, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise self._garbled() from None

    def _garbled(self) -> CannotGrade:
        return CannotGrade("python_grader_server_error", "its process gave an answer that is none of ours")


def one_line(text: str) -> str:
    """Return a text from outside as one printable line of bounded length."""
    words = "".join(c if c.isprintable() else " " for c in text[: 4 * _LONGEST_DETAILS]).split()
    return " ".join(words)[:_LONGEST_DETAILS]
