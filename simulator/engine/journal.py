"""`rollouts.jsonl` grows during the run, in whole lines: even a killed process leaves a readable file.

Several processes may append to one file. A lock on it gives each its turn, so that no two writes mix, and so
that what failed part-way, on a full disk for one, is taken back without taking anything of another's. Only a
process that is killed inside its write leaves part of a line: the next write ends that line, and
`put_in_order` leaves it out.
"""

import fcntl
import os
import threading
from array import array
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from typing import Annotated, BinaryIO, Self

import msgspec

_BUFFER_BYTES = 1 << 20


class Journal:
    """Appends lines to a new file: `add` gathers, `flush` writes what has gathered.

    `add` never waits, also while another thread flushes. Rollouts end in an order that depends on time;
    `put_in_order` sorts the finished file by rollout, so that two runs can be compared line by line. OSError
    from all that touch the disk.
    """

    def __init__(self, path: Path, *, new: bool = True) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | (os.O_CREAT | os.O_TRUNC) * new, 0o644)
        self._gathered: deque[bytes] = deque()
        self._one_flush = threading.Lock()  # the lock on the file is between processes, not between threads

    @classmethod
    def joining(cls, path: Path) -> Self:
        """Open the journal of another process, to append to it as well."""
        return cls(path, new=False)

    def add(self, line: bytes) -> None:
        """Append a rollout's line, given without its newline, at the next `flush`."""
        self._gathered.append(line)

    def flush(self) -> None:
        """Write what has gathered; where that fails it is lost, and the file still ends with a whole line."""
        with self._one_flush:
            # A line that is added meanwhile stays for the next flush: swapping the whole queue for an empty
            # one could lose it, were it added to the old one after that had been read.
            lines = [self._gathered.popleft() for _ in range(len(self._gathered))]
            if lines:
                with _locked(self._fd):
                    _append(self._fd, b"\n".join([*lines, b""]))

    def put_in_order(self) -> None:
        """Flush, and replace the file by one whose lines are sorted by rollout; nothing can be added then.

        It takes 16 bytes of memory for each rollout, however long its line.
        """
        self.flush()
        sorted_path = self.path.with_suffix(".sorting")
        try:
            with (
                self.path.open("rb", buffering=_BUFFER_BYTES) as journal,
                sorted_path.open("wb", buffering=_BUFFER_BYTES) as in_order,
            ):
                for offset, length in _places(journal):
                    in_order.write(os.pread(journal.fileno(), length, offset))
            sorted_path.replace(self.path)
        finally:
            sorted_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; what was not flushed is lost."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _locked(fd: int) -> Iterator[None]:
    fcntl.flock(fd, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(fd, fcntl.LOCK_UN)


def _append(fd: int, data: bytes) -> None:
    size = os.fstat(fd).st_size
    if size and os.pread(fd, 1, size - 1) != b"\n":
        data = b"\n" + data
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
    except OSError:
        os.ftruncate(fd, size)
        raise


class _Line(msgspec.Struct):
    rollout: Annotated[int, msgspec.Meta(ge=0)]


_decode = msgspec.json.Decoder(_Line).decode


def _places(journal: BinaryIO) -> Iterator[tuple[int, int]]:
    """Return where the whole lines begin and how long they are, in the order of the rollouts.

    Rollouts are numbered without large gaps, so a table by number is the shortest way of sorting them.
    """
    offsets, lengths = array("Q"), array("Q")
    offset = 0
    for line in journal:
        rollout = _rollout_of(line)
        if rollout is not None:
            for column, value in ((offsets, offset), (lengths, len(line))):
                column.extend(repeat(0, rollout + 1 - len(column)))
                column[rollout] = value
        offset += len(line)
    return ((offset, length) for offset, length in zip(offsets, lengths, strict=True) if length)


def _rollout_of(line: bytes) -> int | None:
    """Return the number of the line's rollout; None for part of a line."""
    try:
        return _decode(line).rollout if line.endswith(b"\n") else None
    except msgspec.DecodeError:
        return None
