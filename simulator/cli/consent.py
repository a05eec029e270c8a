"""Before traffic goes to a host that is not this machine, say what goes where, and ask."""

import sys
from collections.abc import Sequence
from urllib.parse import urlsplit

from simulator.cli.output import Voice
from simulator.errors import InputError
from simulator.hosts import is_loopback
from simulator.model import Endpoint
from simulator.plan.schedule import Phase


def ask_before_leaving(endpoints: Sequence[Endpoint], what: str, *, assume_yes: bool) -> None:
    """Return when all hosts are loopback, or the user agreed to send `what`; InputError otherwise."""
    outside = [endpoint for endpoint in endpoints if not is_loopback(endpoint.url)]
    if not outside:
        return
    if assume_yes and Voice.quiet:
        return
    for line in describe(outside, what):
        print(line, file=sys.stderr)
    if assume_yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise InputError(
            "the endpoints are not on this machine and there is no terminal to ask",
            remedy="pass --yes to send this traffic",
        )
    print("Send it? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise InputError("nothing was sent")


def describe(outside: Sequence[Endpoint], what: str) -> list[str]:
    """Return what is about to be sent, a line per host; header names, never their values."""
    by_host: dict[str, list[Endpoint]] = {}
    for endpoint in outside:
        parts = urlsplit(endpoint.url)
        by_host.setdefault(f"{parts.scheme}://{parts.netloc}", []).append(endpoint)
    lines = [f"About to send {what} to hosts that are not this machine:"]
    for host, endpoints in by_host.items():
        names = ", ".join(endpoint.name for endpoint in endpoints)
        headers = sorted({name for endpoint in endpoints for name, _ in endpoint.headers})
        lines.append(f"  {host}: {names}" + (f" (with headers {', '.join(headers)})" if headers else ""))
    return lines


def volume(phases: Sequence[Phase]) -> str:
    """Return what a run sends."""
    counts = [phase.planned for phase in phases]
    rollouts = sum(count for count in counts if count is not None)
    if None in counts:
        seconds = max(phase.duration_s or 0 for phase in phases)
        return f"rollouts for {seconds:g} s, each with several tool calls,"
    return f"{rollouts} rollouts, each with several tool calls and a grader call,"
