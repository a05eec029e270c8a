"""Recorded rollouts from files of any known format, one after another."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from simulator.errors import InputError
from simulator.job.document import is_folder, why_unreadable
from simulator.job.strictjson import printable
from simulator.job.traces.format import BROKEN, Format, Reader
from simulator.job.traces.formats import FORMATS
from simulator.job.traces.recording import Recording
from simulator.job.traces.values import Found, elements, list_in, values
from simulator.plan.replay import ReplaySettings

MOST_BROKEN = ReplaySettings().broken
"""The share of records that may be broken unless somebody says otherwise."""

_EXAMPLES = 5
_LOOKED_AT = 20
_DEEPEST = 2  # lists within lists
_ENOUGH = 1_000  # records after which a share says something before the end


class Traces:
    """The rollouts of files, read as they are iterated over, which can be done once.

    A folder stands for all files in it that hold rollouts. A broken record is left out and counted in
    `broken`, `examples` says where the first ones are and what is wrong with them. `formats` counts the
    rollouts by the names of their formats. Iteration raises InputError where a file cannot be read, where
    nothing is a rollout, and where more than the share `most_broken` (0 to 1) of the records are broken.
    """

    def __init__(self, paths: Iterable[Path], most_broken: float = MOST_BROKEN) -> None:
        self._paths, self._most_broken = tuple(paths), most_broken
        self._readers: dict[str, Reader] = {}
        self._last: Format | None = None
        self.files = self.records = self.broken = 0
        self.examples: list[str] = []
        self.formats: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Recording]:
        for path in _files(self._paths):
            self.files += 1
            yield from self._of_file(path)
        for name, reader in self._readers.items():
            yield from self._rest(name, reader)
        self._refuse_if_broken()
        if not self.formats:
            names = ", ".join(map(printable, self._paths))
            remedy = "name a rollouts.jsonl, an export, or another recording that the README lists"
            raise InputError("holds no rollouts", where=names, remedy=remedy)

    def _rest(self, name: str, reader: Reader) -> Iterator[Recording]:
        try:
            for recording in reader.rest():
                self.formats[name] += 1
                yield recording
        except BROKEN as error:
            self._note_broken(name, f"what was left at the end cannot be read ({_brief(error)})")

    def _of_file(self, path: Path) -> Iterator[Recording]:
        try:
            for found in values(path):
                yield from self._of_value(found)
                if self.records >= _ENOUGH:
                    self._refuse_if_broken()
        except (OSError, ValueError) as error:
            message = why_unreadable(error)
            raise InputError(message, where=printable(path), remedy="check the path") from None

    def _of_value(self, found: Found, *, within: int = 0) -> Iterator[Recording]:
        if found.problem:
            self._note_broken(found.where, found.problem)
            return
        kind = self._format_of(found.value)
        if kind is not None:
            yield from self._read(kind, found)
            return
        if not found.text or list_in(found.value) is None or within > _DEEPEST:
            self._note_broken(found.where, "is no rollout of any format that is known")
            return
        for element in elements(found):
            yield from self._of_value(element, within=within + 1)

    def _format_of(self, value: Any) -> Format | None:
        if self._last is None or not self._last.is_one(value):
            self._last = format_of(value)
        return self._last

    def _read(self, kind: Format, found: Found) -> Iterator[Recording]:
        reader = self._readers.get(kind.name)
        if reader is None:
            reader = self._readers[kind.name] = kind.reader()
        try:
            whole = list(reader.read(found.value))
        except BROKEN as error:
            self._note_broken(found.where, f"a part is missing or of the wrong type ({_brief(error)})")
            return
        self.records += 1
        self.formats[kind.name] += len(whole)
        yield from whole

    def _note_broken(self, where: str, problem: str) -> None:
        self.records += 1
        self.broken += 1
        if len(self.examples) < _EXAMPLES:
            self.examples.append(f"{where}: {problem}")

    def _refuse_if_broken(self) -> None:
        if self.broken and (self.broken > self._most_broken * self.records or self.broken == self.records):
            where, _, problem = self.examples[0].rpartition(": ")
            count = "" if self.broken == 1 else f", the first of {self.broken:,} of {self.records:,} records"
            message = f"{problem}{count}"
            raise InputError(message, where=where, remedy="mend the file, or allow for more broken records")


def _brief(error: Exception) -> str:
    return printable(f"{type(error).__name__}: {error}")[:200]


def is_recording(path: Path) -> bool:
    """Tell by a look at its beginning whether a file holds rollouts, and not a job or a dataset."""
    try:
        for number, found in enumerate(values(path)):
            if any(format_of(value) is not None for value in (found.value, *_inside(found))):
                return True
            if number >= _LOOKED_AT:
                break
    except (OSError, ValueError):
        pass
    return False


def format_of(value: Any) -> Format | None:
    """Return the format of a decoded value, None where it is none that is known."""
    return next((kind for kind in FORMATS if kind.is_one(value)), None)


def _inside(found: Found) -> Iterator[Any]:
    """Yield the first elements of the list that a value is or holds, if it does."""
    if found.text and list_in(found.value) is not None:
        yield from (element.value for element in itertools.islice(elements(found), _LOOKED_AT))


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if is_folder(path):
            inside = sorted(file for file in path.rglob("*") if file.is_file() and is_recording(file))
            if not inside:
                raise InputError("holds no rollouts", where=printable(path), remedy="name another folder")
            yield from inside
        else:
            yield path
