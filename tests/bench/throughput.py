"""Tables 1 and 2: how many calls one core makes, ours beside the others, and what TLS costs."""

from functools import partial

from tests.bench.clients import callers, hey, k6, locust, wrk
from tests.bench.options import Options
from tests.bench.ours import ours
from tests.bench.rounds import in_turn, median_of
from tests.bench.tables import Table, count, ratio
from tests.bench.targets import Target, has_nginx, nginx, standard
from tests.bench.work import Work

_OURS = "ours: whole rollouts, everything on"
_MORE = (
    "Ours plans, makes ids and JSON, calls the grader, checks all answers against the contract, measures, and"
    " writes rollouts.jsonl and the reports; the others send one body again and again and look at the status."
)


def same_post(options: Options) -> Table:
    """Measure all clients at the same POST, 100 connections each."""
    with standard() as target:
        work = options.work(target.base)
        entries = {
            _OURS: lambda: ours(work).calls_per_s,
            "wrk (C)": lambda: wrk(work),
            "hey (Go)": lambda: hey(work),
            "k6 (Go)": lambda: k6(work).calls_per_s,
            "aiohttp on uvloop": partial(callers, "aiohttp-uvloop", ("aiohttp", "uvloop"), work),
            "aiohttp on asyncio": partial(callers, "aiohttp", ("aiohttp",), work),
            "Locust, FastHttpUser": lambda: locust(work).calls_per_s,
            "httpx on Trio, one connection": partial(
                callers, "httpx", ("httpx",), options.work(target.base, callers=1)
            ),
            "httpx on Trio": partial(callers, "httpx", ("httpx",), work),
        }
        results = in_turn(options.rounds, entries)
    rates = {name: median_of(values) for name, values in results.items()}
    base = rates.get(_OURS, float("nan"))
    rows = [
        (name, count(rates[name]), ratio(rates[name] / base))
        if name in rates
        else (name, str(results.excuses[name]), "-")
        for name in entries
    ]
    notes = [f"All post {work.body.stat().st_size} bytes to {target.name}.", _MORE]
    return Table("The same POST, 100 connections, one core", ("client", "calls/s", "to ours"), rows, notes)


def https(options: Options) -> Table:
    """Measure ours and wrk over plain HTTP and over TLS."""
    title, header = (
        "HTTPS, 100 connections, one core",
        ("client", "HTTP calls/s", "HTTPS calls/s", "HTTPS to HTTP"),
    )
    if not has_nginx():
        return Table(title, header, [], ["Not measured: nginx is not installed."])
    clients = {"ours": lambda work: ours(work).calls_per_s, "wrk (C)": wrk}
    with nginx() as target:
        entries = {
            (name, over): partial(measure, _over(over, options, target))
            for name, measure in clients.items()
            for over in ("HTTP", "HTTPS")
        }
        results = in_turn(options.rounds, entries)
    rates = {entry: median_of(values) for entry, values in results.items()}
    rows = []
    for name in clients:
        plain, tls = (rates.get((name, over), float("nan")) for over in ("HTTP", "HTTPS"))
        rows.append((name, count(plain), count(tls), ratio(tls / plain)))
    notes = ["nginx has to encrypt on one core, too. Ours verifies the certificate, wrk does not."]
    return Table(title, header, rows, notes + results.complaints())


def _over(scheme: str, options: Options, target: Target) -> Work:
    return options.work(target.tls if scheme == "HTTPS" else target.base, ca=target.ca)
