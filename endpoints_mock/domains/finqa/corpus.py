"""2,800 filings of 140 invented companies over ten years, from a seed: figures first, pages from them.

A figure is printed the same on every page that shows it: the filing of its year and, as the prior-year
column, that of the next. All amounts are in millions of dollars, to one decimal.
"""

import random
from collections.abc import Mapping

import msgspec

SEED = 2_800
COMPANIES = 140
YEARS = range(2009, 2019)
"""The years for which there are filings; figures also exist for the year before the first."""

_STEMS = (
    "Brelv",
    "Cauld",
    "Dornq",
    "Elvand",
    "Fentr",
    "Gralb",
    "Heskel",
    "Jorvan",
    "Keltr",
    "Lumbr",
    "Morvex",
    "Nexal",
    "Ostrid",
    "Prensk",
    "Quarrel",
    "Rundev",
    "Sylvax",
    "Tarquel",
    "Umbric",
    "Voltar",
)
_ENDINGS = ("ano", "eon", "ista", "olux", "umar", "ivo", "entra")
_TRADES = (
    "Airlines",
    "Chemicals",
    "Energy",
    "Foods",
    "Holdings",
    "Industries",
    "Insurance",
    "Logistics",
    "Materials",
    "Media",
    "Networks",
    "Pharma",
    "Rail",
    "Semiconductors",
    "Steel",
    "Utilities",
)
_SEGMENTS = ("domestic", "international", "services", "licensing", "consumer", "wholesale")

INCOME = {
    "net revenues": 1.0,
    "cost of sales": 0.55,
    "operating expenses": 0.24,
    "operating income": 0.17,
    "interest expense": 0.025,
    "income taxes": 0.04,
    "net income": 0.105,
    "research and development": 0.06,
}
"""The rows of an income statement, with their usual share of revenue."""

BALANCE = {
    "cash and cash equivalents": 0.14,
    "accounts receivable": 0.12,
    "inventories": 0.09,
    "total assets": 1.7,
    "long-term debt": 0.45,
    "shareholders' equity": 0.7,
    "capital expenditures": 0.08,
    "diluted shares outstanding": 0.05,
}
"""The rows of a balance sheet and its notes, with their usual share of revenue."""

_TITLES = {"income": "consolidated statements of income", "balance": "consolidated balance sheets and notes"}


class Company(msgspec.Struct, frozen=True):
    """An invented company; `figures[metric][year]` in millions of dollars, `segments` its revenue's parts."""

    name: str
    ticker: str
    segments: tuple[str, ...]
    figures: Mapping[str, Mapping[int, float]]

    def metrics(self, statement: str) -> tuple[str, ...]:
        """Return the rows of a statement, `income` or `balance`."""
        if statement == "income":
            return (*INCOME, *(f"revenues of the {segment} segment" for segment in self.segments))
        return tuple(BALANCE)


class Document(msgspec.Struct, frozen=True):
    """One page of a filing."""

    path: str
    title: str
    text: str


def companies(seed: int = SEED) -> tuple[Company, ...]:
    """Return the companies, the same for the same seed."""
    rng = random.Random(f"{seed}/companies")
    words = [stem + ending for stem in _STEMS for ending in _ENDINGS]
    rng.shuffle(words)
    tickers: set[str] = set()
    return tuple(_company(word, tickers, random.Random(f"{seed}/{word}")) for word in words[:COMPANIES])


def filings(of: tuple[Company, ...], seed: int = SEED) -> tuple[Document, ...]:
    """Return two pages for each company and year."""
    rng = random.Random(f"{seed}/pages")
    pages = []
    for company in of:
        for year in YEARS:
            first = rng.randrange(24, 60)
            pages.append(_page(company, year, "income", first, rng))
            pages.append(_page(company, year, "balance", first + rng.randrange(2, 30), rng))
    return tuple(pages)


def _company(word: str, tickers: set[str], rng: random.Random) -> Company:
    ticker = word[:4].upper()
    while ticker in tickers:
        ticker = word[0].upper() + "".join(rng.choices("ABCDEFGHIKLMNOPRSTUVWXYZ", k=3))
    tickers.add(ticker)
    segments = tuple(rng.sample(_SEGMENTS, 3))
    return Company(f"{word} {rng.choice(_TRADES)}", ticker, segments, _figures(segments, rng))


def _figures(segments: tuple[str, ...], rng: random.Random) -> dict[str, dict[int, float]]:
    revenue = rng.lognormvariate(7.5, 0.9)
    parts = [rng.uniform(0.5, 1.5) for _ in segments]
    shares = (
        INCOME
        | BALANCE
        | {
            f"revenues of the {segment} segment": part / sum(parts)
            for segment, part in zip(segments, parts, strict=True)
        }
    )
    habits = {metric: share * rng.uniform(0.7, 1.4) for metric, share in shares.items()}
    habits["net revenues"] = 1.0
    figures: dict[str, dict[int, float]] = {metric: {} for metric in habits}
    for year in range(YEARS.start - 1, YEARS.stop):
        revenue *= rng.uniform(0.86, 1.26)
        for metric, share in habits.items():
            spread = 1.0 if metric == "net revenues" else rng.uniform(0.85, 1.18)
            figures[metric][year] = round(max(2.0, revenue * share * spread), 1)
    return figures


def _page(company: Company, year: int, statement: str, number: int, rng: random.Random) -> Document:
    title = f"{company.name} ({company.ticker}) annual report {year}, page {number}: {_TITLES[statement]}"
    rows = company.metrics(statement)
    lead = rng.choice(rows)
    now, before = company.figures[lead][year], company.figures[lead][year - 1]
    lines = [
        title,
        "",
        f"The following table presents figures of {company.name} for the fiscal years {year} and {year - 1}.",
        f"In {year}, {lead} {'rose' if now > before else 'fell'} to ${now:,.1f} million. "
        + rng.choice(_REMARKS).format(segment=rng.choice(company.segments)),
        "",
        f"{'(in millions of dollars)':<44}{year:>14}{year - 1:>14}",
        *(_row(row, company.figures[row], year) for row in rows),
        "",
        rng.choice(_CLOSINGS),
    ]
    return Document(f"/filings/{company.ticker}/{year}/page_{number}.txt", title, "\n".join(lines) + "\n")


def _row(label: str, figures: Mapping[int, float], year: int) -> str:
    return f"{label:<44}{figures[year]:>14,.1f}{figures[year - 1]:>14,.1f}"


_REMARKS = (
    "Demand in the {segment} segment was the main reason, partly offset by foreign exchange.",
    "Prices held while volumes in the {segment} segment moved with the wider market.",
    "The change reflects the timing of large contracts in the {segment} segment.",
    "Management expects conditions in the {segment} segment to remain mixed next year.",
    "A plant taken out of service weighed on the {segment} segment during the third quarter.",
)
_CLOSINGS = (
    "Amounts may not add up because each is rounded by itself.",
    "See the notes for the accounting policies that apply to these figures.",
    "Prior-year amounts have not been restated.",
    "These figures should be read together with the remainder of the annual report.",
)
