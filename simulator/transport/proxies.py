"""Which proxy the environment names for a URL, by the rules of the standard library and of Go.

A loopback address is never reached through a proxy: there it would be another machine's.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

import msgspec

from simulator.errors import InputError
from simulator.hosts import DEFAULT_PORTS, is_loopback_host

if TYPE_CHECKING:
    import httpx


class Proxy(msgspec.Struct, frozen=True):
    """A proxy and the variable that names it; `address` holds its credentials, if any."""

    variable: str
    address: "httpx.Proxy"

    def __repr__(self) -> str:
        return f"<Proxy of {self.variable}>"


def proxy_of(url: str, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy to send a request for `url` through; InputError where it cannot be used."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    variable = _variable(parts.scheme, environ) or _variable("all", environ)
    if variable is None or is_loopback_host(host) or _is_excepted(host, parts.port, parts.scheme, environ):
        return None
    import httpx  # noqa: PLC0415 it takes 10 MB, and most runs have no proxy

    named = environ[variable]
    try:
        return Proxy(variable, httpx.Proxy(named if "://" in named else f"http://{named}"))
    except (ValueError, httpx.InvalidURL):
        # The address may hold a password, so neither it nor what was said of it is shown.
        raise InputError(
            "is no address of a proxy", where=variable, remedy="write http://host:port, https:// or socks5://"
        ) from None


def _variable(scheme: str, environ: Mapping[str, str]) -> str | None:
    """Return the variable that counts: the lower-case one where it is set, even if to nothing."""
    lower, upper = f"{scheme}_proxy", f"{scheme.upper()}_PROXY"
    if lower in environ:
        return lower if environ[lower] else None
    # A CGI program's HTTP_PROXY is its client's `Proxy:` header.
    is_forged = scheme == "http" and "REQUEST_METHOD" in environ
    return upper if environ.get(upper) and not is_forged else None


def _is_excepted(host: str, port: int | None, scheme: str, environ: Mapping[str, str]) -> bool:
    variable = _variable("no", environ)
    if variable is None:
        return False
    # The standard library would take the end of an IPv6 address for a port.
    subject = host if ":" in host else f"{host}:{port or DEFAULT_PORTS[scheme]}"
    return bool(proxy_bypass_environment(subject, {"no": environ[variable]}))
