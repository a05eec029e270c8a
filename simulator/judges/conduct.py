"""A whole study: the grader again and again, then each of the others once, within a time."""

import signal
from collections.abc import Mapping, Sequence

import msgspec
import trio

from simulator.grading.judgement import Mark, Sample
from simulator.judges.opening import Means, open_judge
from simulator.judges.study import Orders, Watch, study
from simulator.model import Grader


class Studied(msgspec.Struct):
    """What came of a study; `others` are the marks of the graders compared with, by name.

    `in_flight` is how many calls were in flight under load on average.
    """

    marks: list[Mark] = []
    others: dict[str, list[Mark]] = {}
    in_flight: float = 0.0
    unfinished: bool = False
    interrupted: bool = False


async def conduct_study(
    grader: Grader,
    against: Mapping[str, Grader],
    samples: Sequence[Sample],
    orders: Orders,
    means: Means,
    watch: Watch,
    time_limit_s: float,
) -> Studied:
    """Have the samples graded by all; SIGINT and SIGTERM, or the time limit, end it with what there is."""
    studied = Studied()
    once = Orders(repeats=1, lanes=1, load=False, seed=orders.seed)
    with (
        trio.move_on_after(time_limit_s) as scope,
        trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals,
    ):
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                async for _ in signals:
                    studied.interrupted = True
                    scope.cancel()

            nursery.start_soon(listen)
            async with open_judge(grader, msgspec.structs.replace(means, lanes=orders.lanes)) as judge:
                studied.in_flight = await study(judge, samples, orders, watch, studied.marks, means.redact)
            for name, other in against.items():
                marks = studied.others.setdefault(name, [])
                async with open_judge(other, means) as judge:
                    await study(judge, samples, once, watch, marks, means.redact)
            nursery.cancel_scope.cancel()
    studied.unfinished = scope.cancelled_caught
    return studied
