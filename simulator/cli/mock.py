"""`rft-preflight mock`: endpoints to try things on, that behave or misbehave as told."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from endpoints_mock import standalone
from endpoints_mock.domain import Domain
from endpoints_mock.domains import DOMAINS
from endpoints_mock.domains.recorded import recorded_domain
from endpoints_mock.server import Listening
from endpoints_mock.settings import Order, build_settings
from simulator.errors import InputError
from simulator.job.traces.reading import Traces
from simulator.job.traces.recording import unwrapped

Texts = Annotated[tuple[str, ...], Parameter(negative=(), show_default=False)]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class MockOptions:
    """How the endpoints behave. Where ENDPOINT= is left out, a setting is for all of them."""

    port: int = 7070
    "The port to listen on; 0 is any free one."
    host: str = "127.0.0.1"
    "The address to bind to; anything but loopback opens the mock to the network."
    service_ms: Texts = ()
    "Service time in ms: `20`, `search=lognormal:50:1`, `uniform:10:30`, `mix:99%*20+1%*2000`."
    workers: Texts = ()
    "Requests served at once, the others queue: `search=8`; 0 is no limit."
    order: Order = "fifo"
    "Who of the queue is served next."
    cold_start: Texts = ()
    "Seconds after the first request in which nothing is answered: `search=13.5`."
    noise: Texts = ()
    "Standard deviation of what is added to scores: `grade=0.1`."
    load_shift: Texts = ()
    "What is added to scores while many calls are in flight: `grade=-0.07 above 40`."
    worker_shift: Texts = ()
    "What is added to scores over the connections of the second of two workers: `grade=0.1`."
    fault: Texts = ()
    "What goes wrong how often: `search:http_500=5%` of attempts, `search:http_500=5%:call` of calls."
    open: Annotated[bool, Parameter(negative=())] = False
    "Ask for no bearer token."
    log_requests: Annotated[bool, Parameter(negative=())] = False
    "Keep the calls, to be read at GET /log."
    traces: Annotated[
        tuple[Path, ...], Parameter(negative=(), consume_multiple=True, show_default=False)
    ] = ()
    "The recordings that `recorded` answers from."
    seed: int = 0
    "Decides which attempts fail, by the ids of rollout and call, which differ from run to run."


GIVEN = "..."  # stands for a token that the user knows already

_DEFAULTS = MockOptions()


def mock(domain: Literal["finqa", "echo", "recorded"], /, options: MockOptions = _DEFAULTS) -> int:
    """Serve endpoints to try things on, until Ctrl-C.

    The bearer token is taken from NAME_TOKEN (such as FINQA_TOKEN) in the environment, or made up.

    Parameters
    ----------
    domain
        `finqa`: financial questions over 2,800 filings, with search, list, cat and two graders;
        `echo`: tools of any name that say what they were told, and a grader that is always pleased;
        `recorded`: answers calls as recordings have it, and scores answers so.
    """
    served = _served(domain, options.traces)
    token_name = f"{domain.upper()}_TOKEN"
    given = os.environ.get(token_name)
    settings = build_settings(
        service_ms=options.service_ms,
        workers=options.workers,
        cold_start=options.cold_start,
        noise=options.noise,
        load_shift=options.load_shift,
        worker_shift=options.worker_shift,
        faults=options.fault,
        order=options.order,
        seed=options.seed,
        token=None if options.open else given or secrets.token_hex(16),
        log_requests=options.log_requests,
    )
    token_shown = None if options.open else GIVEN if given else settings.token
    standalone.run(
        served,
        settings,
        host=options.host,
        port=options.port,
        announce=lambda listening: _announce(served, listening, token_shown),
    )
    return 0


def _served(domain: str, traces: tuple[Path, ...]) -> Domain:
    if domain in DOMAINS:
        if traces:
            raise InputError(f"has no meaning for {domain}", where="--traces", remedy="leave it out")
        return DOMAINS[domain]()
    if not traces:
        raise InputError("names no recordings", where="mock recorded", remedy="pass --traces FILE")
    answered: list[tuple[str, str, str]] = []
    scored: list[tuple[str, float | None]] = []
    for recording in Traces(traces):
        calls = (one for call in recording.recorded_calls for one in unwrapped(call))
        answered.extend((call.name, call.arguments, call.output) for call in calls if call.output is not None)
        scored.append((recording.answer, recording.score))
    return recorded_domain(answered, scored)


def _announce(domain: Domain, listening: Listening, token_shown: str | None) -> None:
    name = domain.name.upper()
    tools = [*domain.tools] if domain.any_tool is None else ["any tool at /tools"]
    served = ", ".join([*tools, *domain.graders])
    token = f" {name}_TOKEN={token_shown}" if token_shown else ""
    print(f"serving {domain.name} on {listening.url}: {served}; Ctrl-C ends it")
    hint = "  # the token is the one in this terminal's environment" if token_shown == GIVEN else ""
    print(f"export {name}_URL={listening.url}{token}{hint}", flush=True)
