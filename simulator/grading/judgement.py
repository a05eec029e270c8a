"""What comes of having a rollout graded: a score, or the platform's own name for why there is none."""

from typing import Any

import msgspec

from simulator.model import RewardError

Namespaces = dict[str, Any]
"""What templates and graders refer to: `sample` and `item`, as a grader call's body has them."""


class Judgement(msgspec.Struct, frozen=True):
    """A score; or None, with what went wrong and its particulars, which may hold what a grader said."""

    score: float | None = None
    error: RewardError | None = None
    details: str = ""


class CannotGrade(Exception):  # noqa: N818 it is no error of the program: the rollout has no score
    """Raised where there is no score to be had."""

    def __init__(self, error: RewardError, details: str) -> None:
        self.error, self.details = error, details
        super().__init__(f"{error}: {details}")

    @property
    def judgement(self) -> Judgement:
        """The judgement that this is."""
        return Judgement(None, self.error, self.details)
