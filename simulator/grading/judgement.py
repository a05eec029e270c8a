"""What comes of having a rollout graded: a score, or the platform's own name for why there is none."""

from typing import Any, Literal

import msgspec

from simulator.model import RewardError

Namespaces = dict[str, Any]
"""What templates and graders refer to: `sample` and `item`, as a grader call's body has them."""


class Sample(msgspec.Struct, frozen=True):
    """What is to be graded: the body of a grader call, from which every kind of grader takes its own."""

    body: bytes

    @property
    def names(self) -> Namespaces:
        """What templates and a `python` grader are given."""
        call = msgspec.json.decode(self.body)
        return {"sample": call["sample"], "item": call["item"]}


class Judgement(msgspec.Struct, frozen=True):
    """A score; or None, with what went wrong and its particulars, which may hold what a grader said."""

    score: float | None = None
    error: RewardError | None = None
    details: str = ""


Phase = Literal["before", "load", "after"]
"""Nothing else is going on; many calls are in flight; nothing else is going on any more."""


class Mark(msgspec.Struct, frozen=True, gc=False):
    """What one sample was given in one phase, and over which connection: -1 where that is not known."""

    sample: int
    phase: Phase
    connection: int
    score: float | None
    error: RewardError | None = None
    details: str = ""


class Case(msgspec.Struct, frozen=True):
    """One sample of a study. `item` and `group` are alike for samples of one item, and of one group."""

    item: str
    group: str
    split: str = ""
    index: int = -1
    answer: str = ""
    reference: str | None = None
    calls: int = 0
    failed: bool = False
    recorded: float | None = None


class CannotGrade(Exception):  # noqa: N818 it is no error of the program: the rollout has no score
    """Raised where there is no score to be had."""

    def __init__(self, error: RewardError, details: str) -> None:
        self.error, self.details = error, details
        super().__init__(f"{error}: {details}")

    @property
    def judgement(self) -> Judgement:
        """The judgement that this is."""
        return Judgement(None, self.error, self.details)
