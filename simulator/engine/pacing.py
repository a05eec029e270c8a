"""A rate limit that all processes of a run keep together."""

import fcntl
import math
import os
import struct
from pathlib import Path

from simulator.plan.pacer import Pacer

_FILE = "rates"
_MOMENT = struct.Struct("d")
_MOST_PACERS = 64


class SharedPacers:
    """Makes pacers whose next free moment lies in a file; the n-th made is the same in all processes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._made = 0

    @staticmethod
    def lay_out(folder: Path) -> None:
        """Make the file, with every moment free."""
        (folder / _FILE).write_bytes(_MOMENT.pack(-math.inf) * _MOST_PACERS)

    def make(self, per_s: float) -> "Pacer":
        """Return the next pacer."""
        self._made += 1
        return _SharedPacer(per_s, self._path, _MOMENT.size * (self._made - 1))


class _SharedPacer(Pacer):
    def __init__(self, per_s: float, path: Path, offset: int) -> None:
        super().__init__(per_s)
        self._file = path.open("r+b", buffering=0)
        self._offset = offset

    def reserve(self, when: float) -> float:
        """Return the first moment at or after `when` that is free for all workers, and take it."""
        fd = self._file.fileno()
        fcntl.flock(fd, fcntl.LOCK_EX)
        try:
            (self._free_at,) = _MOMENT.unpack(os.pread(fd, _MOMENT.size, self._offset))
            granted = super().reserve(when)
            os.pwrite(fd, _MOMENT.pack(self._free_at), self._offset)
        finally:
            fcntl.flock(fd, fcntl.LOCK_UN)
        return granted
