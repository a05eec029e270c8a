"""The server as the whole of a process: until it is told to end."""

import gc
import os
import signal
from collections.abc import Callable
from functools import partial

import trio

from endpoints_mock.domain import Domain
from endpoints_mock.server import Listening, serve
from endpoints_mock.settings import MockSettings
from simulator.errors import InputError

_ALLOCATIONS = 100_000  # between two searches for what closed connections leave behind


def run(
    domain: Domain,
    settings: MockSettings,
    *,
    host: str,
    port: int,
    announce: Callable[[Listening], None],
    parent_pipe: bool = False,
) -> None:
    """Serve until SIGINT or SIGTERM, or with `parent_pipe` until standard input ends.

    `announce` is called once the server can be reached. InputError when settings or address are unusable.
    """
    # To look for garbage delays answers. The domain stays, and a call leaves nothing that needs a search.
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS, 50, 100)
    trio.run(partial(_serve, domain, settings, host, port, announce, parent_pipe=parent_pipe))


async def _serve(
    domain: Domain,
    settings: MockSettings,
    host: str,
    port: int,
    announce: Callable[[Listening], None],
    *,
    parent_pipe: bool,
) -> None:
    refusal: InputError | None = None
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            try:
                announce(await nursery.start(partial(serve, domain, settings, host=host, port=port)))
            except InputError as problem:  # kept out of the nursery, which would wrap it in a group
                refusal = problem
            else:
                if parent_pipe:
                    nursery.start_soon(_cancel_at_end_of_input, nursery.cancel_scope)
                await anext(signals)
            nursery.cancel_scope.cancel()
    if refusal is not None:
        raise refusal


async def _cancel_at_end_of_input(scope: trio.CancelScope) -> None:
    try:
        await trio.lowlevel.wait_readable(0)
        while os.read(0, 4096):
            await trio.lowlevel.wait_readable(0)
    except OSError:  # closed, or nothing that can be waited for, such as /dev/null: there is no parent
        pass
    scope.cancel()
