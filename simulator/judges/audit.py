"""What Python code may not do under the fence, and in which words that is said. Standard library only.

The interpreter announces what it is about to do by audit events (docs.python.org, "Audit events table"). A
hook can be got round, so it is the kernel's filter that stops; the hook is there to say what was tried.
"""

import os
import posixpath
import sys
from collections.abc import Callable
from typing import Any, Final

_MOST_KEPT: Final = 64
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_TMPFILE", 0)

_START, _SIGNAL, _CHANGE, _WRITE = "start a process", "send a signal", "change files", "write a file"

_BY_NAME: Final[dict[str, str]] = {
    **dict.fromkeys(
        (
            "os.chflags",
            "os.chmod",
            "os.chown",
            "os.link",
            "os.lockf",
            "os.mkdir",
            "os.remove",
            "os.removexattr",
            "os.rename",
            "os.rmdir",
            "os.setxattr",
            "os.symlink",
            "os.truncate",
            "os.unlink",
            "os.utime",
        ),
        _CHANGE,
    ),
    **dict.fromkeys(
        (
            "os.exec",
            "os.fork",
            "os.forkpty",
            "os.posix_spawn",
            "os.spawn",
            "os.system",
            "pty.spawn",
            "subprocess.Popen",
        ),
        _START,
    ),
    **dict.fromkeys(("os.kill", "os.killpg", "signal.pthread_kill"), _SIGNAL),
    **dict.fromkeys(("tempfile.mkstemp", "tempfile.mkdtemp"), _WRITE),
    **dict.fromkeys(("resource.setrlimit", "resource.prlimit"), "change the limits of a process"),
}
_BY_ROOM: Final[dict[str, str]] = {
    "socket": "open a socket",
    "syslog": "open a socket",
    "shutil": _CHANGE,
    "fcntl": "control a device or lock a file",
    "ctypes": "call C through ctypes",
}
_HARMLESS: Final = {
    "ctypes.create_string_buffer",
    "ctypes.create_unicode_buffer",
    "ctypes.get_errno",
    "ctypes.set_errno",
}


def _opening(path: object, _mode: object, flags: object) -> str:
    if isinstance(flags, int) and flags & _WRITING:
        return _WRITE
    if isinstance(path, bytes):
        path = os.fsdecode(path)
    if not isinstance(path, str):
        return ""
    # Another process's environment and memory hold secrets. The working directory is the root.
    parts = posixpath.normpath(posixpath.join("/", path)).lstrip("/").split("/")
    if parts[0] == "proc" and len(parts) > 1 and parts[1].isdigit() and int(parts[1]) != os.getpid():
        return "look into another process"
    return ""


def _connecting(database: object) -> str:
    return "" if database in (":memory:", "") else "open a database file"


_BY_ARGUMENTS: Final[dict[str, Callable[..., str]]] = {
    "open": _opening,
    "sqlite3.connect": _connecting,
}


def forbidden(event: str, arguments: tuple[Any, ...]) -> str:
    """Return what the event would do that may not be done, as in "tried to ..."; "" where it may be."""
    if look := _BY_ARGUMENTS.get(event):
        return look(*arguments)
    if event in _HARMLESS:
        return ""
    return _BY_NAME.get(event) or _BY_ROOM.get(event.partition(".")[0], "")


def watch() -> list[str]:
    """Forbid from now on and for good; returns the list in which all that is tried will stand."""
    tried: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if what := forbidden(event, arguments):
            if len(tried) < _MOST_KEPT:  # a source may try as often as it likes
                tried.append(what)
            raise PermissionError(f"a grader may not {what}")

    sys.addaudithook(hook)
    return tried
