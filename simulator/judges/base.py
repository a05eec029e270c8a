"""What a study asks of a grader, whatever kind it is."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from simulator.grading.judgement import Judgement, Sample

UNKNOWN = -1
"""The connection where a grader has none, or does not tell."""


class Given(msgspec.Struct, frozen=True):
    """A judgement, the connection it came over, and for how many seconds requests were out for it."""

    judgement: Judgement
    connection: int = UNKNOWN
    out_s: float = 0.0


class Judge(Protocol):
    """Grades samples, several at a time; opened and closed by whoever made it."""

    async def judge(self, sample: Sample, lane: int) -> Given:
        """Grade a sample; never raises for what the grader does.

        Calls in one `lane`, a number from 0, are made one after another, over one connection if the grader
        keeps it open.
        """


Opened = AbstractAsyncContextManager[Judge]
