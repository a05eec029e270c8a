"""A worker process of a run: prepares the same run again, and plays its share."""

import os
from pathlib import Path

import msgspec

from simulator.cli.prepare import RunOptions, prepare
from simulator.engine.journal import Journal
from simulator.engine.shard import Tools
from simulator.engine.worker import Order, serve
from simulator.redaction import redactor


class Brief(msgspec.Struct, frozen=True):
    """What all workers of a run are told. `environ` is what the leader's environment had besides ours."""

    target: str
    options: RunOptions
    environ: dict[str, str]
    run_key: str
    journal: Path


def work(brief: Brief, order: Order) -> bytes:
    """Play a share of the run; see `engine.crew.Work`."""
    environ = {**os.environ, **brief.environ}
    prepared = prepare(brief.target, brief.options, environ)
    setup = msgspec.structs.replace(prepared.setup, run_key=brief.run_key)
    with Journal.joining(brief.journal) as journal:
        return serve(
            order, setup, Tools(prepared.make_transport, journal, redactor(prepared.scenario.secrets))
        )
