"""The server: which path leads to what, and who may enter."""

import hmac
import socket
from collections import Counter
from collections.abc import Callable
from contextlib import closing

import msgspec
import trio

from endpoints_mock.connection import Connection, Listener
from endpoints_mock.domain import Domain
from endpoints_mock.endpoint import Endpoint, grader_reader, tool_reader, tools_reader
from endpoints_mock.http import Answer, Request, error
from endpoints_mock.loop import Agenda, Loop
from endpoints_mock.record import Log, stats_json
from endpoints_mock.settings import MockSettings, behaviour_of
from simulator.errors import InputError

ALL_TOOLS = "tools"
"""The endpoint that serves every tool of the domain."""

_BACKLOG = 4096  # a burst connects all at once


class Listening(msgspec.Struct, frozen=True):
    """Where the server can be reached."""

    url: str
    port: int


async def serve(
    domain: Domain,
    settings: MockSettings,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    task_status: trio.TaskStatus[Listening] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; reports a `Listening` once connections are accepted. Port 0 is any free one.

    InputError when the settings name an endpoint the domain does not have, or the address cannot be had.
    """
    site = Site(domain, settings)
    with _bind(host, port) as sock, Loop(site.agenda) as loop, closing(Listener(sock, loop, site.handle)):
        port = sock.getsockname()[1]
        task_status.started(Listening(f"http://{f'[{host}]' if ':' in host else host}:{port}", port))
        await loop.run()


class Site:
    """The endpoints of a domain under their paths."""

    def __init__(self, domain: Domain, settings: MockSettings) -> None:
        self.agenda = Agenda()
        self._log = Log() if settings.log_requests else None
        self._endpoints = _endpoints(domain, settings, self._log, self.agenda)
        self._posts = {
            ("/tools/" if name in domain.tools else "/") + name: endpoint
            for name, endpoint in self._endpoints.items()
        }
        self._gets: dict[str, Callable[[], Answer]] = {"/stats": self._stats, "/log": self._logged}
        self._authorization = f"Bearer {settings.token}".encode() if settings.token is not None else None
        self._name, self._seed = domain.name, settings.seed
        self._refused: Counter[int] = Counter()

    def handle(self, request: Request, connection: Connection) -> None:
        """Have one request answered."""
        endpoint = self._posts.get(request.path)
        if endpoint is not None and request.method == "POST" and self._admits(request):
            endpoint.serve(request, connection)
        else:
            connection.play((self._answer(request).encode(),))

    def _answer(self, request: Request) -> Answer:
        get = self._gets.get(request.path)
        if not self._admits(request):
            answer = error(401, "a bearer token is required", b"www-authenticate: Bearer\r\n")
        elif get is not None and request.method == "GET":
            return get()
        elif get is not None or request.path in self._posts:
            answer = error(
                405, f"not with {request.method}", b"allow: GET\r\n" if get else b"allow: POST\r\n"
            )
        else:
            known = ", ".join([*self._posts, *self._gets])
            answer = error(404, f"nothing here; known paths: {known}")
        self._refused[answer.status] += 1
        return answer

    def _admits(self, request: Request) -> bool:
        return self._authorization is None or hmac.compare_digest(request.authorization, self._authorization)

    def _stats(self) -> Answer:
        records = {name: endpoint.record for name, endpoint in self._endpoints.items()}
        return Answer(200, stats_json(self._name, self._seed, records, self._refused))

    def _logged(self) -> Answer:
        if self._log is None:
            return error(404, "requests are not logged; turn on log_requests")
        return Answer(200, self._log.to_json())


def _endpoints(
    domain: Domain, settings: MockSettings, log: Log | None, agenda: Agenda
) -> dict[str, Endpoint]:
    readers = {name: tool_reader(name, tool) for name, tool in domain.tools.items()}
    readers[ALL_TOOLS] = tools_reader(domain)
    readers |= {name: grader_reader(name, grader) for name, grader in domain.graders.items()}
    for name in settings.endpoints:
        if name not in readers:
            known = "it has " + ", ".join(readers)
            raise InputError(f"{domain.name} has no endpoint `{name}`", where="settings", remedy=known)
    return {
        name: Endpoint(
            name,
            read,
            behaviour_of(settings, name, is_tool=name not in domain.graders),
            settings.seed,
            log,
            agenda,
        )
        for name, read in readers.items()
    }


def _bind(host: str, port: int) -> socket.socket:
    if not 0 <= port <= 65_535:
        raise InputError(f"there is no port {port}", remedy="use one from 0 (any free one) to 65535")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as problem:
        raise InputError(f"cannot listen on {host} port {port}: {problem}") from None
