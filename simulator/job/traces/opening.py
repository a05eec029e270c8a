"""The bytes of a file as lines or as a stream, whether it is compressed or not."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import zstandard

_GZIP, _ZSTD, _BOM = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf"

LONGEST_LINE = 64_000_000
"""Bytes; a longer line is no record that anybody wrote on purpose."""

DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
"""What reading raises where compressed data are damaged or end too early."""


@contextmanager
def opened(path: Path) -> Iterator[io.BufferedReader]:
    """Open a file for reading, through gzip or Zstandard if it begins like that; OSError where it cannot."""
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        stream: io.BufferedReader = file
        if start.startswith(_GZIP):
            stream = io.BufferedReader(gzip.GzipFile(fileobj=file))
        elif start == _ZSTD:
            unpacked = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            stream = io.BufferedReader(unpacked)
        if stream.peek(len(_BOM)).startswith(_BOM):
            stream.read(len(_BOM))
        yield stream


def lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield the lines of a stream; None for one that is longer than LONGEST_LINE."""
    while line := stream.readline(LONGEST_LINE):
        if len(line) < LONGEST_LINE or line.endswith(b"\n"):
            yield line
            continue
        while (more := stream.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
            pass
        yield None
