"""What is to be seen while a run goes on: two moving lines on a terminal, a line now and then elsewhere.

Nothing here runs by itself: no thread, no clock. A picture is drawn when a snapshot arrives, in the caller's
own time, so a snapshot is all it costs.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from reports.text import count, counted, duration, enumerated
from simulator.measure.summary import Snapshot

LINE_EVERY_S = 5.0

_BAR_WIDTH = 24


@contextmanager
def progress(console: Console) -> Iterator[Callable[[Snapshot], None]]:
    """Give a function that shows a snapshot; what it drew on a terminal is gone when the context ends."""
    if not console.is_interactive or console.quiet:
        yield _Lines(console).update
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda snapshot: live.update(_picture(snapshot), refresh=True)


class _Lines:
    """Prints a line when a phase begins, and every LINE_EVERY_S of the run's own time."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phase: tuple[int, str] | None = None
        self._due_s = 0.0

    def update(self, snapshot: Snapshot) -> None:
        phase = (snapshot.step, snapshot.kind)
        if phase == self._phase and snapshot.elapsed_s < self._due_s:
            return
        self._phase, self._due_s = phase, snapshot.elapsed_s + LINE_EVERY_S
        said = ", ".join(filter(None, (ended_of(snapshot), *moment_of(snapshot), left_of(snapshot))))
        line = f"[{snapshot.elapsed_s:4.0f} s] {phase_of(snapshot)}: {said}"
        self._console.print(Text(line), soft_wrap=True)


def _picture(snapshot: Snapshot) -> RenderableType:
    above = Table.grid(padding=(0, 2, 0, 0))
    cells: list[RenderableType] = [Text(phase_of(snapshot), "bold"), Text(ended_of(snapshot))]
    if snapshot.planned:
        cells.insert(1, ProgressBar(total=snapshot.planned, completed=snapshot.ended, width=_BAR_WIDTH))
    above.add_row(*cells, Text(left_of(snapshot)))
    below = Text("  " + ", ".join(moment_of(snapshot)), no_wrap=True, overflow="ellipsis")
    return Group(above, below)


def phase_of(snapshot: Snapshot) -> str:
    """Return what is being played."""
    if snapshot.kind in {"training", "evaluation"}:
        return f"{snapshot.kind}, step {snapshot.step} of {snapshot.steps}"
    return f"{snapshot.kind} load"


def ended_of(snapshot: Snapshot) -> str:
    """Return how many rollouts have ended."""
    if snapshot.planned is None:
        return f"{counted(snapshot.ended, 'rollout')} ended"
    return f"{count(snapshot.ended)} of {counted(snapshot.planned, 'rollout')}"


def moment_of(snapshot: Snapshot) -> Iterator[str]:
    """Yield what goes on, and what has gone wrong."""
    yield f"{count(snapshot.in_flight)} in flight"
    yield f"{count(round(snapshot.calls_per_s))} calls/s"
    yield f"{count(snapshot.discarded)} discarded"
    yield enumerated(snapshot.faults) or "no faults"


def left_of(snapshot: Snapshot) -> str:
    """Return how long it may take, "" where nobody can tell."""
    return "" if snapshot.left_s is None else f"{duration(snapshot.left_s)} left"
