"""The way to an endpoint, step by step: its name, a connection, TLS and the certificate; then keep-alive."""

import socket
import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from urllib.parse import urlsplit

import msgspec
import trio

from simulator.checks.caller import Ask, Caller, How
from simulator.checks.prober import Prober, origin_of
from simulator.faults import MEANING, Fault
from simulator.findings import found
from simulator.hosts import DEFAULT_PORTS
from simulator.model import Endpoint, Finding
from simulator.transport.failures import fault_of_exception
from simulator.transport.wire import Tls, connect

SOON_DAYS = 30.0
COLD_S, COLD_TIMES = 2.0, 5.0
SLOW_S = 5.0

CODES: dict[Fault, str] = {
    Fault.DNS: "wire.dns",
    Fault.CONNECT_REFUSED: "wire.refused",
    Fault.CONNECT_TIMEOUT: "wire.unreachable",
    Fault.CONNECT_FAILED: "wire.unreachable",
    Fault.TLS: "wire.tls",
    Fault.MALFORMED_HTTP: "wire.not_http",
}
"""Faults of the way, whoever goes it: this module, or an ordinary call through a proxy."""


class Way(msgspec.Struct, frozen=True):
    """The way to an origin: `fault` is where it ended, and `reason` what was said there.

    `connect_s` is how many seconds connecting took, with the TLS handshake; `days` are those left on the
    certificate, None without one.
    """

    fault: Fault | None = None
    reason: str = ""
    connect_s: float | None = None
    tls: str = ""
    days: float | None = None


async def look(endpoint: Endpoint, prober: Prober, limit_s: float) -> Way:
    """Go the way to the endpoint's origin, as far as it leads in `limit_s` seconds."""
    parts = urlsplit(endpoint.url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    try:
        with trio.fail_after(limit_s):
            there = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
            began = trio.current_time()
            sock = await connect(tuple((family, address) for family, _, _, _, address in there))
    except trio.TooSlowError:
        return Way(Fault.CONNECT_TIMEOUT)
    except (OSError, UnicodeError) as error:
        return Way(fault_of_exception(error), _said(error))
    with sock:
        if parts.scheme == "http":
            return Way(None, "", trio.current_time() - began)
        return await _shake(sock, Tls(prober.tls, host), began, limit_s)


async def _shake(sock: socket.socket, tls: Tls, began: float, limit_s: float) -> Way:
    try:
        with trio.fail_after(limit_s):
            await tls.handshake(sock)
    except trio.TooSlowError:
        return Way(Fault.TLS, f"no handshake within {limit_s:g} s")
    except OSError as error:
        return Way(_within_tls(error), _said(error))
    took = trio.current_time() - began
    return Way(None, "", took, tls.version, _days_left(tls.valid_until))


def _within_tls(error: Exception) -> Fault:
    """Return the fault of what ended a connection that TLS was to be spoken on."""
    fault = fault_of_exception(error)
    return Fault.TLS if fault is Fault.RESET else fault


def _said(error: Exception) -> str:
    verified = getattr(error, "verify_message", "")
    return verified or getattr(error, "strerror", "") or str(error)


def _days_left(until: float | None) -> float | None:
    return None if until is None else (until - datetime.now(UTC).timestamp()) / 86_400


def judge_way(endpoint: Endpoint, way: Way, others: Sequence[str] = ()) -> Iterator[Finding]:
    """Yield what is wrong with the way to an endpoint, and to `others` of the same origin."""
    origin = origin_of(endpoint) + (f" (also {', '.join(others)})" if others else "")
    if way.fault is not None:
        reason = f" ({way.reason})" if way.reason else ""
        message = f"{origin}: {MEANING[way.fault]}{reason}"
        yield found(CODES.get(way.fault, "wire.unreachable"), message, endpoint=endpoint.name)
    elif way.days is not None and way.days < SOON_DAYS:
        message = f"{origin}: the certificate is valid for {max(0.0, way.days):.0f} more days"
        yield found("wire.certificate_expires", message, endpoint=endpoint.name)


def warm_s(times: Sequence[float]) -> float | None:
    """Return the median of all times but the first; None without such."""
    return statistics.median(times[1:]) if len(times) > 1 else None


class Kept(msgspec.Struct, frozen=True):
    """Two ordinary calls in turn over a fresh lane.

    `keep_alive` tells whether the second used the connection of the first, None where that was not to be
    seen; `unasked` that the connection was closed although nothing had been said of that.
    """

    keep_alive: bool | None
    unasked: bool
    connect_s: float | None


async def try_keeping(caller: Caller, endpoint: Endpoint, ask: Ask) -> Kept:
    """Make an ordinary call twice in turn over a fresh connection, or once where that takes long enough."""
    lane = caller.prober.lane(endpoint)
    how = How(lane=lane)
    first = await ask(how)
    caller.note_ordinary(first)
    if first.seen.seconds > SLOW_S:
        return Kept(None, lane.closed_unasked, first.seen.connect_s)
    second = await ask(how)
    caller.note_ordinary(second)
    if not all(one.seen.status and one.seen.fault is None for one in (first, second)):
        return Kept(None, lane.closed_unasked, None)
    return Kept(second.seen.connect_s is None, lane.closed_unasked, first.seen.connect_s)


def judge_connection(caller: Caller, endpoint: Endpoint, kept: Kept) -> Iterator[Finding]:
    """Yield what the ordinary calls of an endpoint told of its connections and times."""
    name, times = endpoint.name, caller.times.get(endpoint.name, [])
    version = caller.versions.get(name, "")
    if version == "1.0":
        yield found("wire.http_version", "answers in HTTP/1.0", endpoint=name)
    if kept.keep_alive is False and version != "1.0":
        unasked = ", without having said so" if kept.unasked else ""
        cost = f"; opening one took {kept.connect_s * 1000:.1f} ms" if kept.connect_s is not None else ""
        message = f"the connection is closed after every answer{unasked}{cost}"
        yield found("wire.no_keep_alive", message, endpoint=name)
    warm = warm_s(times)
    if warm is None:
        return
    first = times[0]
    if first > COLD_S and first > COLD_TIMES * warm:
        message = f"the first answer took {first:.1f} s, later ones {warm * 1000:.0f} ms"
        yield found("wire.cold_start", message, endpoint=name)
    if warm > SLOW_S:
        median = f", the median of {len(times) - 1}" if len(times) > 2 else ""
        message = f"an ordinary call takes {warm:.1f} s{median}"
        yield found("endpoint.slow", message, endpoint=name)
