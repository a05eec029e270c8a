"""`rollouts.jsonl` grows during the run, in whole lines: even a killed process leaves a readable file."""

import os
from pathlib import Path
from typing import Self


class Journal:
    """Appends lines to a new file: `add` gathers, `flush` writes all that has gathered in one system call.

    Rollouts end in an order that depends on time; `put_in_order` sorts the finished file by rollout, so that
    two runs can be compared line by line. OSError from all that touch the disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self._gathered: list[tuple[int, bytes]] = []
        self._places: list[tuple[int, int, int]] = []  # rollout, offset, length
        self._size = 0

    def add(self, rollout: int, line: bytes) -> None:
        """Append the line of a rollout, given without its newline, at the next `flush`."""
        self._gathered.append((rollout, line + b"\n"))

    def flush(self) -> None:
        """Write what has gathered; where that fails it is lost, and the file still ends with a whole line."""
        gathered, self._gathered = self._gathered, []
        try:
            _write(self._fd, b"".join(line for _, line in gathered))
        except OSError:
            os.ftruncate(self._fd, self._size)
            raise
        for rollout, line in gathered:
            self._places.append((rollout, self._size, len(line)))
            self._size += len(line)

    def put_in_order(self) -> None:
        """Flush, and replace the file by one whose lines are sorted by rollout."""
        self.flush()
        sorted_path = self.path.with_suffix(".sorting")
        sorted_fd = os.open(sorted_path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        try:
            for _, offset, length in sorted(self._places):
                _write(sorted_fd, os.pread(self._fd, length, offset))
            sorted_path.replace(self.path)
        finally:
            os.close(sorted_fd)
            sorted_path.unlink(missing_ok=True)

    def close(self) -> None:
        """Close the file; what was not flushed is lost."""
        os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _write(fd: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]
