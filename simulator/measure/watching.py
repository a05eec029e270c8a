"""A run that goes on, from what it tells meanwhile: moments, and the rollouts that have ended."""

from collections.abc import Iterable

import msgspec

from simulator.measure.detail import Detail
from simulator.measure.lines import RolloutLine
from simulator.measure.meters import Meters
from simulator.measure.recount import add_lines
from simulator.measure.summarise import RunFacts, summarise
from simulator.measure.summary import LoadSummary, SeriesSummary, Snapshot, Summary
from simulator.measure.tally import Tally
from simulator.model import Endpoint


class Watching:
    """What is known of a run so far: `update` it with what is new.

    Counts per second are told as they happen; all else is of rollouts that have ended, of which alone lines
    are written.
    """

    def __init__(self) -> None:
        self.detail = Detail()
        self.snapshot: Snapshot | None = None
        self._tally = Tally(())
        self._endpoints: tuple[Endpoint, ...] = ()
        self._in_flight: list[int] = []
        self._done: dict[str, list[int]] = {}
        self._before: dict[str, int] = {}

    def update(self, snapshot: Snapshot, lines: Iterable[RolloutLine]) -> None:
        """Take note of a moment, and of rollouts that have ended since the last one."""
        self.snapshot = snapshot
        if snapshot.meters is not None:
            if not self._endpoints:
                self._endpoints = tuple(Endpoint(one.name, one.kind, "") for one in snapshot.meters.endpoints)
                self._tally = Tally(self._endpoints)
                self._done = {endpoint.name: [] for endpoint in self._endpoints}
            self._note(int(snapshot.elapsed_s), snapshot.in_flight, snapshot.meters)
        new = list(lines)
        add_lines(self._tally, new)
        for line in new:
            self.detail.add(line)

    def _note(self, second: int, in_flight: int, meters: Meters) -> None:
        """Note what has been answered since the last moment, evenly over the seconds between."""
        since = len(self._in_flight)
        self._in_flight += [in_flight] * (second + 1 - since)
        self._in_flight[second] = max(self._in_flight[second], in_flight)
        for endpoint in meters.endpoints:
            done = self._done.setdefault(endpoint.name, [])
            passed = max(1, second + 1 - len(done))
            done += [0] * (second + 1 - len(done))
            new = endpoint.attempts - self._before.get(endpoint.name, 0)
            for back in range(passed):
                done[second - back] += (new + back) // passed
            self._before[endpoint.name] = endpoint.attempts

    def summary(self) -> Summary | None:
        """Return the summary so far, None before anything is known; its load says only what is told."""
        snapshot = self.snapshot
        if snapshot is None or not self._endpoints:
            return None
        load = LoadSummary(snapshot.kind, snapshot.steps, 0, 0, 1.0, 0, 1.0, "", ())
        facts = RunFacts(
            scenario="",
            seed=0,
            started_at="",
            duration_s=snapshot.elapsed_s,
            interrupted=False,
            load=load,
            planned=self._tally.started,
            grader_type="",
            failure="",
            generator=(),
        )
        series = SeriesSummary(self._in_flight, self._done, self._done, {})
        return msgspec.structs.replace(summarise(self._tally, self._endpoints, facts), series=series)
