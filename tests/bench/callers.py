"""A process of its own: aiohttp or httpx, so many callers, so many seconds; prints the calls per second.

    python -m tests.bench.callers CLIENT URL BODY CALLERS SECONDS

Every client posts the same body, reads the answer and looks at its status, and does nothing else.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import httpx
import trio

_WARM_UP_S = 1.0
_JSON = {"content-type": "application/json"}

Post = Callable[[], Awaitable[int]]
"""Sends one request and returns the answer's status, once all of it was read."""


class Meter:
    """Counts calls from the end of the warm-up on."""

    def __init__(self, seconds: float) -> None:
        self._begin = time.monotonic() + _WARM_UP_S
        self._end = self._begin + seconds
        self._counted, self._seconds = 0, seconds

    async def call_on(self, post: Post) -> None:
        """Be one caller: one call after another until the time is up."""
        while (now := time.monotonic()) < self._end:
            status = await post()
            if status != 200:
                raise RuntimeError(f"HTTP status {status}")
            self._counted += self._begin <= now

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self._counted / self._seconds


async def _aiohttp(url: str, body: bytes, callers: int, meter: Meter) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=_JSON) as session:

        async def post() -> int:
            async with session.post(url, data=body) as answer:
                await answer.read()
                return answer.status

        async with asyncio.TaskGroup() as group:
            for _ in range(callers):
                group.create_task(meter.call_on(post))


async def _httpx(url: str, body: bytes, callers: int, meter: Meter) -> None:
    limits = httpx.Limits(max_connections=callers, max_keepalive_connections=callers)
    # With a hundred callers a call can take longer than httpx's five seconds.
    async with httpx.AsyncClient(limits=limits, headers=_JSON, timeout=60) as client:

        async def post() -> int:
            return (await client.post(url, content=body)).status_code

        async with trio.open_nursery() as nursery:
            for _ in range(callers):
                nursery.start_soon(meter.call_on, post)


def _with_uvloop(*arguments: object) -> None:
    import uvloop  # noqa: PLC0415 the others do without

    uvloop.run(_aiohttp(*arguments))


_RUN: dict[str, Callable[..., None]] = {
    "aiohttp": lambda *arguments: asyncio.run(_aiohttp(*arguments)),
    "aiohttp-uvloop": _with_uvloop,
    "httpx": lambda *arguments: trio.run(_httpx, *arguments),
}


def main() -> None:
    """Measure, and print one number."""
    client, url, body, callers, seconds = sys.argv[1:]
    meter = Meter(float(seconds))
    _RUN[client](url, Path(body).read_bytes(), int(callers), meter)
    print(meter.rate)


if __name__ == "__main__":
    main()
