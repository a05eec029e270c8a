"""Where a run's results go: the folder, and the terminal."""

import io
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TextIO, cast

from rich.console import Console
from rich.text import Text

from reports.files import REPORTS
from reports.layout import WIDTH
from reports.reading import JOURNAL
from simulator.errors import InputError


class Patient(io.TextIOBase):
    """A stream whose reader may leave, or whose disk may fill: the run does not depend on being read."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    @property
    def encoding(self) -> str:  # type: ignore[override]  # the base class declares a variable
        """Return the encoding."""
        return self._stream.encoding

    def isatty(self) -> bool:
        """Tell whether it is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._stream.fileno()

    def write(self, text: str) -> int:
        """Write, or lose, the text."""
        with self._patience():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, or lose, what was written."""
        with self._patience():
            self._stream.flush()

    @contextmanager
    def _patience(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            # What is left in the buffer would fail once more when the process ends.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


def _patient(stream: TextIO) -> IO[str]:
    return cast("IO[str]", Patient(stream))


class Voice:
    """How the command speaks: `quiet` says nothing but errors, `plain` has no colours."""

    quiet = False
    plain = False


def stdout_console() -> Console:
    """Return the console for the report; where there is no terminal, lines are as long as they may be."""
    return _console(sys.stdout, width=None if sys.stdout.isatty() else WIDTH)


def stderr_console() -> Console:
    """Return the console for the progress."""
    return _console(sys.stderr)


def say(line: str) -> None:
    """Print a line, unless nothing but errors is to be said."""
    if not Voice.quiet:
        print(line)


def _console(stream: TextIO, width: int | None = None) -> Console:
    # Without colours, rich falls back to what the environment says, such as NO_COLOR.
    no_color = True if Voice.plain else None
    return Console(file=_patient(stream), width=width, no_color=no_color, quiet=Voice.quiet)


@contextmanager
def status(console: Console) -> Iterator[Callable[[str], None]]:
    """Give a function that shows what is being looked at; only a terminal shows it, and only for as long."""
    if not console.is_interactive or console.quiet:
        yield lambda _: None
        return
    with console.status("checking") as shown:
        yield lambda what: shown.update(Text(f"checking {what}"))


def make_folder(folder: Path) -> None:
    """Make the folder, without what an earlier run wrote there: a killed run must not look like that one."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for name in (*REPORTS, JOURNAL):
            (folder / name).unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the disk refuses into an InputError about `path`."""
    try:
        yield
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
        raise InputError(message, where=str(path), remedy="choose another --out") from None


@contextmanager
def undisturbed() -> Iterator[None]:
    """Leave signals to the run, which has its own way to end, and to no one once it has ended.

    So neither an impatient Ctrl-C nor a second one costs the files of what was measured.
    """
    handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
