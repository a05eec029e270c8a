"""`${NAME}` in headers and URLs, and what may stand there once it is expanded.

The values are secrets. Nothing here puts a header's value or any part of a URL into a message: position and
name have to do.
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlsplit

from simulator.job.document import Node
from simulator.job.strictjson import quoted
from simulator.model import Endpoint

Environ = Mapping[str, str]

_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_IN_URLS = re.compile(r"[^!-~]|[\\<>\"{}^`|]")
_OURS = frozenset({"content-length", "transfer-encoding", "connection"})
_SHORTEST_SECRET = 4
_WRITE_URL = "write http://HOST:PORT/PATH"


def expand(node: Node, environ: Environ | None) -> str:
    """Return the node's text with each `${NAME}` replaced by the variable's value, once.

    `environ` None leaves references alone. JobError where a variable is unset or empty, or a `${` begins no
    reference.
    """
    text = node.text()
    if "${" in _REFERENCE.sub("", text):
        raise node.fail(f"{node.name} holds a `${{` that begins no reference", "write ${NAME}")
    if environ is None:
        return text
    for name in references(text):
        if not environ.get(name):
            message = f"{node.name} needs ${{{name}}}, which is not set"
            raise node.fail(message, f"export {name}=... first", "job.variable_unset")
    return _REFERENCE.sub(lambda found: environ[found[1]], text)


def references(text: str) -> tuple[str, ...]:
    """Return the names of the variables that `text` refers to, each once."""
    return tuple(dict.fromkeys(_REFERENCE.findall(text)))


def read_headers(node: Node | None, environ: Environ | None) -> tuple[tuple[str, str], ...]:
    """Return names and values of a `headers` object; JobError where HTTP could not carry them."""
    return tuple(_header(name, value, environ) for name, value in node.members()) if node else ()


def read_url(node: Node, environ: Environ | None) -> str:
    """Return an http or https URL with a host, without password or fragment; JobError if it is none."""
    url = expand(node, environ)
    if environ is None and references(url):
        return url
    problem = _problem_of(url)
    if problem:
        message, remedy = problem
        raise node.fail(f"{node.name} {message}", remedy)
    return url


def secrets_of(endpoints: Iterable[Endpoint], text: str, environ: Environ) -> tuple[str, ...]:
    """Return what must never be shown, longest first: whatever came with headers, queries and variables.

    `text` is the job's. Left out are values under 4 characters, which to redact would only garble the rest,
    and variables that hold a URL's host, which people must be shown before anything is sent there.
    """
    endpoints = tuple(endpoints)
    variables = (environ[name] for name in references(text) if name in environ)
    found = {value for value in variables if not any(_is_address(value, e.url) for e in endpoints)}
    for endpoint in endpoints:
        found.update(_query_values(endpoint.url))
        for _, value in endpoint.headers:
            found.update((value, *value.split(None, 1)[1:]))  # "Bearer TOKEN": also the token alone
    return longest_first(s for s in found if len(s) >= _SHORTEST_SECRET)


def longest_first(secrets: Iterable[str]) -> tuple[str, ...]:
    """Return secrets in the order of redacting: one that is part of another must not be replaced first."""
    return tuple(sorted(set(secrets), key=lambda secret: (-len(secret), secret)))


def _header(name: str, node: Node, environ: Environ | None) -> tuple[str, str]:
    if not _HEADER_NAME.fullmatch(name):
        raise node.fail(f"{quoted(name)} is no name of a header", "use letters, digits and dashes")
    if name.lower() in _OURS:
        raise node.fail(f"{node.name} is for HTTP itself to set", "take it out")
    value = "" if node.value == "" else expand(node, environ)
    if _CONTROL.search(value):
        raise node.fail(f"{node.name} holds a control character or line break", "trim the value")
    try:
        value.encode("latin-1")
    except UnicodeEncodeError:
        raise node.fail(f"{node.name} holds a character outside latin-1", "encode the value") from None
    return name, value


def _problem_of(url: str) -> tuple[str, str] | None:
    """Return what is wrong with a URL, and the remedy."""
    if _NOT_IN_URLS.search(url):
        return "holds a character that no URL may hold", "percent-encode it"
    try:
        parts, port = urlsplit(url), urlsplit(url).port
    except ValueError:
        return "is no URL: its host or port cannot be read", _WRITE_URL
    rules = (
        (parts.scheme not in {"http", "https"} or not parts.hostname, "is no http or https URL", _WRITE_URL),
        (port == 0, "has port 0", "name the port that the endpoint listens on"),
        ("@" in parts.netloc, "holds a user or password", "send credentials in a header"),
        ("#" in url, "holds a fragment, which HTTP never sends", "take out the `#` and what follows it"),
    )
    return next(((message, remedy) for wrong, message, remedy in rules if wrong), None)


def _is_address(value: str, url: str) -> bool:
    """Tell whether a variable's value is the beginning of the URL, or its host or port."""
    parts = urlsplit(url)
    return value.startswith(f"{parts.scheme}://{parts.netloc}") or value in parts.netloc


def _query_values(url: str) -> set[str]:
    query = urlsplit(url).query
    raw = {part.partition("=")[2] for part in query.split("&")}
    return raw | {value for _, value in parse_qsl(query)}
