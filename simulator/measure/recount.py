"""From the lines of `rollouts.jsonl` back to what the run counted, as far as lines tell.

They do not tell which connections had served before, which requests were sent twice, and how long an answer
lay unread.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator

from simulator.faults import Fault
from simulator.measure.lines import CallLine, RolloutLine
from simulator.measure.tally import EndpointTally, RolloutRecord, Tally
from simulator.model import Attempt

_AT_A_TIME = 1_000
"""Attempts are counted many at a time, which takes far fewer steps; so many rollouts' are in memory."""


def add_lines(tally: Tally, lines: Iterable[RolloutLine]) -> None:
    """Count rollouts that have ended; their order does not matter."""
    lines = iter(lines)
    while some := list(itertools.islice(lines, _AT_A_TIME)):
        attempts: defaultdict[str, list[Attempt]] = defaultdict(list)
        for line in some:
            _add_rollout(tally, line, attempts)
        for endpoint, its_own in attempts.items():
            tally.endpoints[endpoint].add_attempts(its_own, origin=0.0)


def _add_rollout(tally: Tally, line: RolloutLine, attempts: dict[str, list[Attempt]]) -> None:
    calls = [call for turn in line.turns for call in turn]
    for call in (*calls, *([line.grade] if line.grade else [])):
        if call.endpoint not in tally.endpoints:
            tally.endpoints[call.endpoint] = EndpointTally()
        _add_outcome(tally.endpoints[call.endpoint], call)
        attempts[call.endpoint] += _attempts(call)
    tally.started += 1
    tally.groups.add_started(line.group, scattered=True)
    tally.add_record(
        RolloutRecord(
            index=line.rollout,
            item=line.item,
            group=line.group,
            step=line.step,
            kind=line.kind,
            state=line.state,
            started_s=line.started_ms / 1000,
            ended_s=line.ended_ms / 1000,
            think_s=line.think_ms / 1000,
            calls=len(calls),
            tokens=line.tokens,
            score=line.score if line.state == "graded" else None,
            endpoint_failed=any(call.fault is not None for call in calls),
            cut_short=line.cut_short,
        ),
        scattered=True,
    )


def _attempts(call: CallLine) -> Iterator[Attempt]:
    for number, attempt in enumerate(call.attempts, 1):
        yield Attempt(
            endpoint=0,
            number=number,
            due=attempt.due_ms / 1000,
            sent=attempt.sent_ms / 1000,
            done=attempt.done_ms / 1000,
            status=attempt.status,
            fault=None if attempt.fault is None else Fault(attempt.fault),
            reused=True,
        )


def _add_outcome(tally: EndpointTally, call: CallLine) -> None:
    tally.given_up += call.given_up
    tally.soft_errors += call.soft_error
    for violation in call.violations:
        tally.violations[violation] += 1
