"""What a format is to those who read files: how to tell its values, and how to make rollouts of them."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from simulator.job.traces.recording import Recording


class Reader(Protocol):
    """Reads the values of one format, in order. What is wrong with a value may raise any of BROKEN."""

    def read(self, value: Any) -> Iterable[Recording]:
        """Return the rollouts that are whole by now."""

    def rest(self) -> Iterable[Recording]:
        """Return what is left when all files have been read."""


BROKEN = (KeyError, TypeError, IndexError, AttributeError, ValueError, OverflowError, RecursionError)
"""What comes of a value in which a part is missing, or of the wrong type."""


class Format(msgspec.Struct, frozen=True):
    """A format. `is_one` tells, by a quick look, whether a decoded value is one of it; it never raises."""

    name: str
    is_one: Callable[[Any], bool]
    reader: Callable[[], Reader]


class Each:
    """A reader for formats whose every value holds whole rollouts."""

    def __init__(self, rollouts: Callable[[Any], Iterable[Recording]]) -> None:
        self._rollouts = rollouts

    def read(self, value: Any) -> Iterable[Recording]:
        """Return the rollouts of the value."""
        return self._rollouts(value)

    def rest(self) -> Iterable[Recording]:
        """Return nothing: nothing is kept."""
        return ()


def has(*names: str) -> Callable[[Any], bool]:
    """Return what tells an object that has all of these members."""
    wanted = frozenset(names)
    return lambda value: isinstance(value, dict) and wanted <= value.keys()
