"""`rollouts.jsonl` grows during the run, in whole lines: even a killed process leaves a readable file."""

import os
from pathlib import Path

_BUFFERED_BYTES = 65_536


class Journal:
    """Appends lines to a new file, a batch per system call. Call `flush` from time to time."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
        self._lines: list[bytes] = []
        self._size = 0

    def add(self, line: bytes) -> None:
        """Append one line, without its newline; written at once when enough has gathered."""
        self._lines.append(line)
        self._size += len(line)
        if self._size > _BUFFERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered; OSError when the disk refuses."""
        if not self._lines:
            return
        data = memoryview(b"\n".join(self._lines) + b"\n")
        self._lines, self._size = [], 0
        while data:
            data = data[os.write(self._fd, data) :]

    def close(self) -> None:
        """Flush and close."""
        try:
            self.flush()
        finally:
            os.close(self._fd)
