"""What is found on the way to an endpoint, on real sockets."""

import datetime
import socket
import ssl
import threading

import pytest
import trustme

from simulator.checks import wire
from simulator.checks.prober import Prober
from simulator.model import Endpoint

from .healthy import Healthy, serving
from .lab import check, codes, write_job


async def look(url: str, *, tls: ssl.SSLContext | None = None, limit_s: float = 5.0) -> list[str]:
    endpoint, prober = Endpoint("look_up", "tool", url), Prober({}, 1_000_000, tls)
    way = await wire.look(endpoint, prober, limit_s)
    return [f"{finding.code}: {finding.message}" for finding in wire.judge_way(endpoint, way)]


def certified(
    *, host: str = "127.0.0.1", **times: datetime.datetime
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for `host`, and a client's that trusts its authority."""
    authority = trustme.CA()
    ours, theirs = ssl.create_default_context(), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.configure_trust(ours)
    authority.issue_cert(host, **times).configure_cert(theirs)
    return theirs, ours


class Shaking:
    """Shakes hands with whoever comes, and says no more."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        sock, _ = self._listener.accept()
        try:
            with sock, self._context.wrap_socket(sock, server_side=True) as secured:
                secured.recv(1)
        except OSError:
            pass

    def __enter__(self) -> "Shaking":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.join()
        self._listener.close()


def in_days(days: float) -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)


async def test_a_name_that_is_none():
    (said,) = await look("http://no-such-host.invalid/")
    assert said.startswith("wire.dns: http://no-such-host.invalid: ")


async def test_nothing_listens():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    (said,) = await look(f"http://127.0.0.1:{port}/")
    assert said.startswith("wire.refused")


async def test_a_host_that_does_not_take_connections():
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # fills the queue
            (said,) = await look(f"http://127.0.0.1:{port}/", limit_s=0.2)
    assert said.startswith("wire.unreachable")


async def test_a_certificate_that_lasts():
    theirs, ours = certified()
    with Shaking(theirs) as server:
        assert await look(server.url, tls=ours) == []


async def test_a_certificate_that_ends_soon():
    theirs, ours = certified(not_after=in_days(12.5))
    with Shaking(theirs) as server:
        (said,) = await look(server.url, tls=ours)
    assert said.startswith("wire.certificate_expires")
    assert "12 more days" in said


@pytest.mark.parametrize(
    ("certificate", "reason"),
    [
        ({"host": "127.0.0.2"}, "IP address mismatch"),
        ({"not_before": in_days(-20), "not_after": in_days(-1)}, "certificate has expired"),
    ],
)
async def test_a_certificate_that_does_not_hold(certificate, reason):
    theirs, ours = certified(**certificate)
    with Shaking(theirs) as server:
        (said,) = await look(server.url, tls=ours)
    assert said.startswith("wire.tls")
    assert reason in said


async def test_an_authority_that_nobody_knows():
    theirs, _ = certified()
    with Shaking(theirs) as server:
        (said,) = await look(server.url)
    assert said.startswith("wire.tls")


async def test_a_port_that_does_not_speak_tls():
    with serving(Healthy()) as url:
        (said,) = await look(url.replace("http:", "https:"))
    assert said.startswith("wire.tls")


def test_endpoints_that_cannot_be_reached_are_left_alone(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    summary, findings = check(write_job(tmp_path, f"http://127.0.0.1:{port}"))
    assert codes(findings) == {"wire.refused"}
    assert summary.requests == 0
