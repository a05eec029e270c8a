"""The page of a run that goes on, and what it shows."""

from collections.abc import Iterable

from reports.html.live import live_data, live_page
from simulator.measure.lines import RolloutLine
from simulator.measure.summary import Snapshot
from simulator.measure.watching import Watching


class LivePage:
    """What is to be seen of a run: `update` with what is new, `end` once; one thread at a time."""

    def __init__(self) -> None:
        self._watching, self._over = Watching(), False
        self._page, self._data = live_page(), b""

    def update(self, snapshot: Snapshot, lines: Iterable[RolloutLine]) -> None:
        """Take note of how far the run is, and of rollouts that have ended since the last update."""
        self._watching.update(snapshot, lines)
        self._data = b""

    def end(self) -> None:
        """Take note that the run is over, and that nothing else will come."""
        self._over, self._data = True, b""

    def page(self) -> bytes:
        """Return the page, HTML."""
        return self._page

    def data(self) -> bytes:
        """Return what the page shows, JSON; it is drawn only where somebody asks, and once for all who do."""
        if not self._data:
            watching = self._watching
            self._data = live_data(watching.snapshot, watching.summary(), watching.detail, over=self._over)
        return self._data
