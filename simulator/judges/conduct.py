"""A whole study: the grader again and again, then each of the others once, within a time."""

import signal
from collections.abc import Mapping, Sequence

import msgspec
import trio

from simulator.grading.judgement import Sample
from simulator.judges.opening import Means, open_judge
from simulator.judges.study import Orders, Sheet, Watch, study
from simulator.model import Grader


class Studied(msgspec.Struct):
    """What came of a study: the grader's sheet, and those of the graders compared with, by name.

    `unfinished` tells that there was no time for all, `interrupted` that somebody wanted it to end.
    """

    sheet: Sheet
    others: dict[str, Sheet] = {}
    unfinished: bool = False
    interrupted: bool = False

    @property
    def gradings(self) -> int:
        """How many gradings count."""
        return sum(len(sheet.marks) for sheet in (self.sheet, *self.others.values()))


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
    studied = Studied(Sheet())
    once = Orders(repeats=1, lanes=orders.calm, load=False, seed=orders.seed, calm=orders.calm)

    def with_lanes(of: Orders) -> Means:
        return msgspec.structs.replace(means, lanes=of.lanes)

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
            async with open_judge(grader, with_lanes(orders)) as judge:
                await study(judge, samples, orders, watch, studied.sheet, means.redact)
            for name, other in against.items():
                sheet = studied.others.setdefault(name, Sheet())
                async with open_judge(other, with_lanes(once)) as judge:
                    await study(judge, samples, once, watch, sheet, means.redact)
            nursery.cancel_scope.cancel()
    studied.unfinished = scope.cancelled_caught
    return studied
