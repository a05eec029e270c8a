"""What the rollouts of a run say about learning, from the records that its tally keeps."""

from collections.abc import Sequence

import numpy as np

from simulator.grading.learnability import Rewards, learnability
from simulator.grading.results import DEFAULT_THRESHOLD
from simulator.measure.graded import Learnability
from simulator.measure.tally import RolloutRecord


def learnability_of(
    records: Sequence[RolloutRecord], threshold: float | None, seed: int
) -> Learnability | None:
    """Return what there is to learn from a run's scores; None without any."""
    # Evaluation passes play other items than training steps do: their indexes are kept apart by the sign.
    items = np.array([~r.item if r.kind == "evaluation" else r.item for r in records], dtype=np.intp)
    rewards = Rewards(
        score=np.array([np.nan if r.score is None else r.score for r in records], dtype=float),
        item=items,
        group=np.array([r.group for r in records], dtype=np.intp),
        calls=np.array([float(r.calls) for r in records]),
        failed=np.array([r.endpoint_failed for r in records], dtype=bool),
        splits={
            int(item): ("valid" if item < 0 else "train", int(~item if item < 0 else item))
            for item in np.unique(items)
        },
    )
    return learnability(rewards, DEFAULT_THRESHOLD if threshold is None else threshold, seed)
