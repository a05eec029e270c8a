"""Everyone in turn, several rounds long, so that the machine's moods meet all alike."""

import statistics
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TypeVar

import msgspec

from tests.bench.children import BenchError, MissingError

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
S = TypeVar("S", bound=msgspec.Struct)


class Results(dict[K, list[T]]):
    """What each entry measured, a value a round; `excuses` says why an entry has none, or too few."""

    def __init__(self) -> None:
        super().__init__()
        self.excuses: dict[K, BenchError] = {}

    def complaints(self) -> list[str]:
        """Return the excuses as sentences, one of each."""
        return list(dict.fromkeys(f"{_who(entry, why)}: {why}." for entry, why in self.excuses.items()))


def in_turn(rounds: int, entries: Mapping[K, Callable[[], T]]) -> Results[K, T]:
    """Measure every entry once a round; a round in which it fails is excused, and counts for nothing."""
    results: Results[K, T] = Results()
    for number in range(1, rounds + 1):
        for entry, measure in entries.items():
            if isinstance(results.excuses.get(entry), MissingError):
                continue
            say(f"  round {number} of {rounds}: {_shown(entry)}")
            try:
                value = measure()
            except BenchError as problem:
                results.excuses[entry] = problem
                if not isinstance(problem, MissingError):
                    say(f"    {problem}")
            else:
                results.setdefault(entry, []).append(value)
    return results


def median_of(values: Sequence[float | None]) -> float | None:
    """Return the median; None where a round has none."""
    return None if None in values else statistics.median(values)


def medians(values: Sequence[S]) -> S:
    """Return a struct of the fields' medians."""
    return type(values[0])(*map(median_of, zip(*map(msgspec.structs.astuple, values), strict=True)))


def say(line: str) -> None:
    """Tell whoever waits what goes on, apart from the tables."""
    print(line, file=sys.stderr, flush=True)


def _who(entry: Hashable, why: BenchError) -> str:
    """Name the entry; a program that is missing is missing whatever it was to do."""
    return str(entry[0]) if isinstance(entry, tuple) and isinstance(why, MissingError) else _shown(entry)


def _shown(entry: Hashable) -> str:
    return ", ".join(map(str, entry)) if isinstance(entry, tuple) else str(entry)
