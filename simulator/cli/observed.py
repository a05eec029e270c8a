"""What a run tells the process that watches it, a line of JSON each."""

import msgspec

from reports.prometheus import RunFacts
from simulator.measure.summary import Snapshot


class Begin(msgspec.Struct, tag=True, frozen=True):
    """The first line: what is played, and on which sockets, that are there already, to serve it.

    A socket is named by its file descriptor, None where that is not wanted. `token` is the first part of the
    live page's path, `journal` where `rollouts.jsonl` will be.
    """

    facts: RunFacts
    metrics: int | None
    live: int | None
    token: str
    journal: str


class Moment(msgspec.Struct, tag=True, frozen=True):
    """How far the run is."""

    snapshot: Snapshot


class Over(msgspec.Struct, tag=True, frozen=True):
    """The run is over and its report is in `folder`: serve that to one more scrape, for `wait_s` at most."""

    folder: str
    wait_s: float


EXIT_NOT_SCRAPED = 1
"""How the observer ends where nobody asked for the report's numbers in time."""

Message = Begin | Moment | Over

encode = msgspec.json.Encoder().encode
decode = msgspec.json.Decoder(Message).decode
