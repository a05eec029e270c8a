"""Reads a growing `rollouts.jsonl`, whole lines only."""

import os
from pathlib import Path

_LONGEST_LINE = 1 << 24


class Tail:
    """The end of a file that grows, or is not there yet. Once it is open it stays the same file.

    So when the run is over and a sorted file takes the journal's place, no line comes twice. What a full disk
    takes back is read no further.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._fd = path, -1
        self._offset, self._rest = 0, b""

    def read(self, most: int) -> list[bytes]:
        """Return the lines that are new, of at most so many bytes that have been written since."""
        if self._fd < 0:
            try:
                self._fd = os.open(self._path, os.O_RDONLY)
            except OSError:
                return []
        size = os.fstat(self._fd).st_size
        if size < self._offset:
            self._offset, self._rest = size, b""
        data = os.pread(self._fd, min(most, size - self._offset), self._offset)
        self._offset += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LONGEST_LINE:
            self._rest = b""
        return lines
