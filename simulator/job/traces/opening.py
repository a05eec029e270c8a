"""The bytes of a file as lines or as a stream, whether it is compressed or not."""

import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

_GZIP, _ZSTD, _BOM = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xef\xbb\xbf"

LONGEST_LINE = 64_000_000
"""Bytes; a longer line is no record that anybody wrote on purpose."""

DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)
"""What reading raises where compressed data are damaged or end too early."""


def opened(path: Path) -> BinaryIO:
    """Open a file for reading, through gzip or Zstandard if it begins like that; OSError where it cannot."""
    file = path.open("rb")
    try:
        start = file.read(4)
        file.seek(0)
        if start.startswith(_GZIP):
            stream: BinaryIO = io.BufferedReader(gzip.GzipFile(fileobj=file))
        elif start == _ZSTD:
            unpacked = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
            stream = io.BufferedReader(unpacked)
        else:
            stream = file
        if stream is not file or start.startswith(_BOM):
            _skip_mark(stream)
    except BaseException:
        file.close()
        raise
    return stream


def _skip_mark(stream: BinaryIO) -> None:
    assert isinstance(stream, io.BufferedReader)  # noqa: S101 all three are
    if stream.peek(len(_BOM)).startswith(_BOM):
        stream.read(len(_BOM))


def lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield the lines of a stream; None for one that is longer than LONGEST_LINE."""
    while line := stream.readline(LONGEST_LINE):
        if len(line) < LONGEST_LINE or line.endswith(b"\n"):
            yield line
            continue
        while (more := stream.readline(LONGEST_LINE)) and not more.endswith(b"\n"):
            pass
        yield None
