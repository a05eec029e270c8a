"""What a report of a run is made from."""

from collections.abc import Sequence

import msgspec

from simulator.gates import Verdict
from simulator.measure.detail import Detail
from simulator.measure.summary import Summary
from simulator.model import Finding


class Results(msgspec.Struct, frozen=True):
    """A run that is over; `detail` is None where no `rollouts.jsonl` is at hand."""

    summary: Summary
    verdict: Verdict
    findings: Sequence[Finding] = ()
    detail: Detail | None = None
