"""Graders of the types `score_model` and `label_model`: a model behind any OpenAI-compatible URL."""

import logging
from collections.abc import Awaitable, Callable
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Any, Self

import httpx
import msgspec
import trio

from simulator.errors import InputError
from simulator.grading.judgement import CannotGrade, Judgement, Namespaces
from simulator.judges.completion import request_body, score_of
from simulator.judges.process import one_line
from simulator.model import Grader
from simulator.redaction import redactor

_RETRIES = 3
_BACKOFF_S = 1.0
_LONGEST_PAUSE_S = 30.0
_MOST_BYTES = 1_000_000
_CONNECT_TIME_LIMIT_S = 10.0
_TALKATIVE = ("httpx", "httpcore")
_AGAIN = {408, 409, 429}
_UNWANTED_FORMAT = {400, 422}

Sleep = Callable[[float], Awaitable[None]]


class ModelServer(msgspec.Struct, frozen=True):
    """Where models answer: `url` is the part before `/chat/completions`, as in http://127.0.0.1:8000/v1.

    `time_limit_s` is for one request, in seconds.
    """

    url: str
    key: str | None = None
    time_limit_s: float = 120.0

    def __repr__(self) -> str:
        return f"<ModelServer {_without_secrets(self.url)}>"


def _without_secrets(url: str) -> str:
    scheme, _, rest = url.partition("?")[0].rpartition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


class _Answer(msgspec.Struct):
    """An answer, or with `status` 0, in `body` what came instead of one."""

    status: int
    body: bytes
    retry_after_s: float = 0.0

    @property
    def worth_another(self) -> bool:
        return self.status == 0 or self.status in _AGAIN or self.status >= 500


class ModelJudge:
    """Asks a model for each score; use it as `async with ModelJudge(...) as judge`.

    Raises InputError where the server's URL, its key or a proxy's cannot be used.
    """

    def __init__(self, grader: Grader, server: ModelServer, *, sleep: Sleep = trio.sleep) -> None:
        for name in _TALKATIVE:  # they log whole URLs
            logging.getLogger(name).setLevel(logging.WARNING)
        self._grader, self._server, self._sleep = grader, server, sleep
        self._formatted = True
        self._url = _completions(server.url)
        password = self._url.password
        self._redact = redactor([*filter(None, (server.key, password, self._url.query.decode("ascii")))])
        self._client = _client(server)

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, value, trace)

    async def judge(self, names: Namespaces) -> Judgement:
        """Return the model's score, or why it has none; it never raises for what the server does."""
        try:
            return Judgement(score_of(self._grader, await self._completed(names)))
        except CannotGrade as failed:
            # Redacted before it is cut: half a secret would not be known for one.
            return Judgement(None, failed.error, one_line(self._redact(failed.details)))

    async def _completed(self, names: Namespaces) -> bytes:
        formatted = self._formatted
        answer = await self._asked(names, formatted=formatted)
        if formatted and answer.status in _UNWANTED_FORMAT:
            plain = await self._asked(names, formatted=False)
            if plain.status == 200:
                self._formatted, answer = False, plain
        if answer.status != 200:
            raise CannotGrade("model_grader_server_error", _told(answer))
        return answer.body

    async def _asked(self, names: Namespaces, *, formatted: bool) -> _Answer:
        try:
            body = msgspec.json.encode(request_body(self._grader, names, formatted=formatted))
        except (AttributeError, TypeError, ValueError, RecursionError) as error:
            raise CannotGrade("other_error", f"no request can be made of the grader: {error}") from None
        answer = await self._sent(body)
        for retry in range(_RETRIES):
            if not answer.worth_another:
                break
            await self._sleep(min(max(_BACKOFF_S * 2**retry, answer.retry_after_s), _LONGEST_PAUSE_S))
            answer = await self._sent(body)
        return answer

    async def _sent(self, body: bytes) -> _Answer:
        limit = self._server.time_limit_s
        with trio.move_on_after(limit):
            try:
                async with self._client.stream("POST", self._url, content=body) as response:
                    return await _read(response)
            except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL) as error:
                return _Answer(0, f"{type(error).__name__}: {error}".encode(errors="replace"))
        return _Answer(0, f"no answer within {limit:g} s".encode())


async def _read(response: httpx.Response) -> _Answer:
    received = bytearray()
    with trio.CancelScope() as scope:  # httpx's generators want to be left from within
        async for part in response.aiter_raw():  # as it came: what is packed may unpack to anything
            received += part
            if len(received) > _MOST_BYTES:
                scope.cancel()
    if len(received) > _MOST_BYTES:
        raise CannotGrade("model_grader_server_error", f"the answer has more than {_MOST_BYTES} bytes")
    return _Answer(response.status_code, bytes(received), _seconds(response.headers.get("retry-after", "")))


def _seconds(header: str) -> float:
    return float(header[:9]) if header.isascii() and header.isdigit() else 0.0


def _told(answer: _Answer) -> str:
    """Return what the server said: its error's message, where it has one."""
    text = answer.body.decode(errors="replace")
    if answer.status == 0:
        return text
    try:
        said: Any = msgspec.json.decode(answer.body)["error"]["message"]
    except (ValueError, RecursionError, LookupError, TypeError):
        said = text
    return f"the server answered {answer.status}: {said}"


def _completions(url: str) -> httpx.URL:
    try:
        base = httpx.URL(url)
    except httpx.InvalidURL:
        base = httpx.URL("")
    if base.scheme not in {"http", "https"} or not base.host:
        message = f"the model server's URL `{_without_secrets(url)}` cannot be used"
        raise InputError(message, remedy="write it as https://host/v1")
    return base.copy_with(path=base.path.rstrip("/") + "/chat/completions")


def _client(server: ModelServer) -> httpx.AsyncClient:
    headers = {"content-type": "application/json", "accept-encoding": "identity"}
    if server.key is not None:
        if not (server.key.isascii() and server.key.isprintable()):
            raise InputError(
                "the model server's key cannot stand in a header", remedy="look for a line's end"
            )
        headers["authorization"] = f"Bearer {server.key}"
    try:
        return httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(server.time_limit_s, connect=_CONNECT_TIME_LIMIT_S),
            limits=httpx.Limits(max_connections=None),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )
    except (ValueError, httpx.InvalidURL):
        raise InputError("a proxy that the environment names cannot be used") from None
