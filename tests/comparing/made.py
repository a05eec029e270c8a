"""Runs made up line by line: rollouts that call `search` twice and `cat` once, and are graded."""

import numpy as np

from simulator.comparing.columns import Columns, columns_of
from simulator.faults import Fault
from simulator.measure.lines import AttemptLine, CallLine, RolloutLine

ENDPOINTS = ("search", "cat", "grader")


def call(endpoint, sent_ms, took_ms, *, fault=None, soft=False, attempts=1):
    one = AttemptLine(sent_ms, sent_ms, None, sent_ms + took_ms, 500 if fault else 200, fault)
    return CallLine(endpoint, "c", "{}", "", 0, fault, soft, (), [one] * attempts)


def rollout(number, turns, *, score=0.5, state="graded", grade=None, group=None, began_ms=0.0, ended_ms=None):
    ended = [call.attempts[-1].done_ms for turn in turns for call in turn] or [began_ms]
    return RolloutLine(
        rollout=number,
        step=1,
        kind="training",
        group=number // 4 if group is None else group,
        place=number % 4,
        item=number // 4,
        item_line=1,
        split="train",
        trace_id=f"trace_{number}",
        state=state,
        reason="",
        score=score if state == "graded" else None,
        answer="",
        tokens=0,
        cut_short=False,
        started_ms=began_ms,
        ended_ms=max(ended) if ended_ms is None else ended_ms,
        think_ms=0.0,
        turns=turns,
        grade=grade,
    )


def lines(seed, rollouts=200, *, ms=40.0, spread=0.3, slower=(), factor=1.2, failing=0.0, stall_ms=0.0):
    """Yield a run's lines; endpoints in `slower` take `factor` times as long, `failing` is search's rate.

    With `stall_ms` all calls that are sent in a twentieth of the run take as much longer.
    """
    rng = np.random.default_rng(seed)
    scores = np.random.default_rng(5).choice([0.0, 0.5, 1.0], rollouts)  # the policy's, by the run's own seed
    for number in range(rollouts):
        now, turns = 1000.0 * rng.random() * 4, []
        for endpoint in ("search", "search", "cat", "grader"):
            took = ms * rng.lognormal(0.0, spread) * (factor if endpoint in slower else 1.0)
            took += stall_ms if 2000.0 <= now < 2000.0 + 5000.0 / 20 else 0.0
            fault = Fault.HTTP_4XX if endpoint == "search" and rng.random() < failing else None
            turns.append([call(endpoint, now, took, fault=fault)])
            now += took + 200.0
        grade = turns.pop()[0]
        yield rollout(number, turns, score=scores[number], grade=grade, ended_ms=now - 200.0)


def columns(seed, rollouts=200, **how) -> Columns:
    return columns_of(lines(seed, rollouts, **how))
