"""Table 3: thousands of rollouts in flight with think time, and what they feel of their client."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from tests.bench.clients import k6, locust
from tests.bench.felt import Felt
from tests.bench.machine import allow_many_files
from tests.bench.options import Options
from tests.bench.ours import ours
from tests.bench.rounds import in_turn, medians
from tests.bench.tables import Table, count, mb, ms, ratio, us
from tests.bench.targets import Target, has_nginx, mock, nginx
from tests.bench.work import Work

_FEW, _MANY = 100, (5_000, 10_000)
_THINK_S = 1.0
_NO_THINKING = ", no thinking"
_SPARE_FILES = 100
_HEADER = (
    *("client", "target", "in flight", "calls/s", "late p50", "late p99"),
    *("answer p50", "answer p99", "unread p99", "CPU per call", "peak memory"),
)
_CLIENTS: dict[str, Callable[[Work], Felt]] = {
    "ours": lambda work: ours(work).steady,
    "Locust": locust,
    "k6": k6,
}

_LATE = (
    "Late is how long after the end of its caller's thinking a call left, answer from then to its end."
    " nginx takes next to no time, so that both are the client's own doing. Counted once all are under way,"
    " which takes both 5 s. Unread is how long, as ours says"
    " of its whole run with its start, answers may have lain here before it read them."
)

Entry = tuple[str, str, int]
"""Client, target, and how many are in flight; `_FEW` do not think, the others do."""


def thinking(options: Options) -> Table:
    """Measure ours, Locust and k6 with thousands in flight, and with few for comparison."""
    most = allow_many_files() - _SPARE_FILES
    with ExitStack() as stack:
        targets = [stack.enter_context(start()) for start in ((nginx, mock) if has_nginx() else (mock,))]
        entries = {
            (client, target.name, number): partial(_measure, client, target, number, options)
            for client in _CLIENTS
            # What our own mock adds is of interest only for ours.
            for target in (targets if client == "ours" else targets[:1])
            for number in (_FEW, *_MANY)
            if number <= most
        }
        results = in_turn(options.rounds, entries)
    figures = {entry: medians(values) for entry, values in results.items()}
    notes = [
        _LATE,
        *_cpu_ratios(figures),
        *(f"{number:,} were left out: only {most:,} files may be open." for number in _MANY if number > most),
        *results.complaints(),
    ]
    title = f"Thousands in flight, {_THINK_S:g} s of think time, one core"
    return Table(title, _HEADER, [_row(entry, felt) for entry, felt in figures.items()], notes)


def _measure(client: str, target: Target, number: int, options: Options) -> Felt:
    think_s = 0.0 if number == _FEW else _THINK_S
    return _CLIENTS[client](options.work(target.base, callers=number, think_s=think_s))


def _row(entry: Entry, felt: Felt) -> tuple[str, ...]:
    client, target, number = entry
    in_flight = f"{number:,}{_NO_THINKING if number == _FEW else ''}"
    times = (felt.late_p50, felt.late_p99, felt.answer_p50, felt.answer_p99, felt.read_delay_p99)
    rest = (us(felt.cpu_us), mb(felt.peak_mb))
    return (client, target, in_flight, count(felt.calls_per_s), *map(ms, times), *rest)


def _cpu_ratios(figures: dict[Entry, Felt]) -> list[str]:
    """Say what a call costs with the most in flight, against few."""
    notes = []
    for (client, target, number), felt in figures.items():
        few = figures.get((client, target, _FEW))
        if number == _MANY[-1] and few and few.cpu_us and felt.cpu_us:
            times = ratio(felt.cpu_us / few.cpu_us)
            notes.append(
                f"{client} at {target}: a call with {number:,} in flight costs {times} one with {_FEW}."
            )
    return notes
