"""What a check came to know of each endpoint, as it is shown on a terminal."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence

from rich.console import JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from reports.layout import INDENT, Name, pairs
from reports.text import count, counted, duration_ms, number, plain, short
from simulator.measure.checked import EndpointFacts


def endpoint_table(endpoints: Sequence[EndpointFacts]) -> Iterator[RenderableType]:
    """Yield a table of what is known, without empty rows and columns, if anything is."""
    rows = [(one.name, {title: cell(one) for title, (_, cell) in _COLUMNS.items()}) for one in endpoints]
    known = [(name, row) for name, row in rows if any(row.values())]
    titles = [title for title in _COLUMNS if any(row[title] for _, row in known)]
    if known:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
        table.add_column("endpoint", vertical="bottom")
        for title in titles:
            table.add_column(title, justify=_COLUMNS[title][0], vertical="bottom", no_wrap=True)
        for name, row in known:
            table.add_row(Name(plain(name), "bold"), *(Text(row[title] or "-") for title in titles))
        yield Padding(table, (0, 0, 0, INDENT))


def _tls(one: EndpointFacts) -> str:
    days = "" if one.certificate_days is None else counted(int(one.certificate_days), "day")
    return ", ".join(filter(None, (plain(one.tls).removeprefix("TLSv"), days)))


def _time(milliseconds: float | None) -> str:
    return "" if milliseconds is None else duration_ms(milliseconds)


def _rate(one: EndpointFacts) -> str:
    if one.rate_per_s is None or one.rate_asked_per_s is None:
        return ""
    # Calls that come in evenly are answered at a rate a little above or below theirs.
    asked, reached = number(one.rate_asked_per_s), _rounded(min(one.rate_per_s, one.rate_asked_per_s))
    return f"{asked}/s" if reached == asked else f"{reached} of {asked}/s"


def _rounded(rate: float) -> str:
    return number(round(rate) if rate >= 10 else rate)


_COLUMNS: dict[str, tuple[JustifyMethod, Callable[[EndpointFacts], str]]] = {
    "HTTP": ("left", lambda one: plain(one.http_version)),
    "TLS": ("left", _tls),
    "connect": ("right", lambda one: _time(one.connect_ms)),
    "first\nanswer": ("right", lambda one: _time(one.first_answer_ms)),
    "warm\nanswer": ("right", lambda one: _time(one.warm_answer_ms)),
    "kept\nalive": ("right", lambda one: {None: "", True: "yes", False: "no"}[one.keep_alive]),
    "rate": ("right", _rate),
}
"""Title -> side, and what stands there; "" where nothing is known."""


def varied(endpoints: Sequence[EndpointFacts]) -> Iterator[RenderableType]:
    """Yield what became of the arguments, and of the answers, that a model may well write."""
    for label, of in _VARIED.items():
        rows = [
            (Text(short(plain(one.name), _LONGEST_NAME), "bold"), Text(_counted(of(one).values())))
            for one in endpoints
            if of(one)
        ]
        if rows:
            yield pairs(label, rows)


_VARIED: dict[str, Callable[[EndpointFacts], dict[str, str]]] = {
    "bad calls": lambda one: one.bad_arguments,
    "answers": lambda one: one.bad_answers,
}

_SCORED = re.compile(r"scored (-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)")

_KINDS = {"3": "redirected (3xx)", "4": "refused (4xx)", "5": "crashed (5xx)", "timeout": "hung"}
"""How a word of the check begins -> how people are told; other words are told as they are."""

_LONGEST_NAME = 28


def _counted(said: Collection[str]) -> str:
    """Return `5 soft errors, 2 refused (4xx), 1 answered`, the most frequent first; scores are one kind."""
    scores = [float(scored[1]) for word in said if (scored := _SCORED.fullmatch(word))]
    kinds = Counter(f"scored {span(scores)}" if _SCORED.fullmatch(word) else _kind(word) for word in said)
    return ", ".join(
        counted(times, kind) if kind == "soft error" else f"{count(times)} {kind}"
        for kind, times in kinds.most_common()
    )


def _kind(word: str) -> str:
    known = (kind for begin, kind in _KINDS.items() if word.startswith(begin))
    return next(known, plain(word).replace("_", " "))


def span(values: Collection[float]) -> str:
    """Return `0.5`, or `0 to 1` where the values differ."""
    low, high = f"{min(values):g}", f"{max(values):g}"
    return low if low == high else f"{low} to {high}"
