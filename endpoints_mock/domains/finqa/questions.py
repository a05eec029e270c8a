"""Questions about the filings, as dataset rows; training and validation ask about different companies."""

import random
import re
from collections.abc import Callable
from typing import Any

import msgspec

from endpoints_mock.domains.finqa.corpus import SEED, YEARS, Company, companies

TRAINING, VALIDATION = 128, 64
_TRAINING_COMPANIES = 96
_SMALL = re.compile(r"-?0\.[0-9]%")
"""Changes so small that rounding decides whether an answer is right."""

_INSTRUCTIONS = """\
You answer questions about companies' annual reports, which are filed under /filings/TICKER/YEAR/.
- Use the tools to find the page that states the figures; do not guess. At most 10 tool calls.
- Tables are in millions of dollars; the second column is the prior year.
- Reply with the figure alone: percentages like 12.3%, ratios like 1.23, amounts like 1234.5 million.
"""


def _function(name: str, description: str, required: str, **properties: dict[str, Any]) -> dict[str, Any]:
    parameters = {
        "type": "object",
        "properties": properties,
        "required": [required],
        "additionalProperties": False,
    }
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


TOOLS = [
    _function(
        "search",
        "Find pages of filings by meaning; returns path, score and the beginning of each.",
        "query",
        query={"type": "string", "description": "What to look for: company, year, figure.", "maxLength": 400},
        top_k={"type": "integer", "description": "How many pages to return.", "minimum": 1, "maximum": 20},
    ),
    _function(
        "list",
        "List a directory of filings.",
        "path",
        path={"type": "string", "description": "/filings, /filings/TICKER or /filings/TICKER/YEAR"},
    ),
    _function(
        "cat",
        "Read one page of a filing.",
        "path",
        path={"type": "string", "description": "A page's path, as search and list return them."},
    ),
]
"""The tools as a dataset row describes them to the model."""


class Question(msgspec.Struct, frozen=True):
    """A question, its answer, and the figures (metric, year) that the answer takes."""

    kind: str
    company: str
    text: str
    answer: str
    figures: tuple[tuple[str, int], ...]


def train_and_valid(seed: int = SEED) -> tuple[list[Question], list[Question]]:
    """Return the questions of both splits; no company occurs in both."""
    rng, firms = random.Random(f"{seed}/questions"), companies()
    return (
        _questions(firms[:_TRAINING_COMPANIES], TRAINING, rng),
        _questions(firms[_TRAINING_COMPANIES:], VALIDATION, rng),
    )


def row(question: Question) -> dict[str, Any]:
    """Return a question as a dataset row."""
    return {
        "messages": [
            {"role": "developer", "content": _INSTRUCTIONS},
            {"role": "user", "content": question.text},
        ],
        "tools": TOOLS,
        "question": question.text,
        "reference_answer": question.answer,
        "kind": question.kind,
        "company": question.company,
    }


def _questions(firms: tuple[Company, ...], count: int, rng: random.Random) -> list[Question]:
    asked: dict[tuple[object, ...], Question] = {}
    while len(asked) < count:
        kind, gap = _MIX[len(asked) % len(_MIX)]
        question = _KINDS[kind](rng.choice(firms), gap, rng)
        key = (question.company, *question.figures)
        if key not in asked and not _SMALL.match(question.answer):
            asked[key] = question
    return list(asked.values())


def _years(gap: int, rng: random.Random) -> tuple[int, int]:
    last = rng.choice(YEARS[gap:])
    return last - gap, last


def _metric(company: Company, rng: random.Random) -> str:
    return rng.choice(company.metrics(rng.choice(("income", "balance"))))


def _change(company: Company, gap: int, rng: random.Random) -> Question:
    metric, (first, last) = _metric(company, rng), _years(gap, rng)
    before, after = company.figures[metric][first], company.figures[metric][last]
    return Question(
        "change",
        company.name,
        f"What was the percentage change in {metric} of {company.name} from {first} to {last}?",
        f"{(after / before - 1) * 100:.1f}%",
        ((metric, first), (metric, last)),
    )


def _ratio(company: Company, _gap: int, rng: random.Random) -> Question:
    above, below = rng.choice(company.metrics("income")), rng.choice(company.metrics("balance"))
    year = rng.choice(YEARS)
    return Question(
        "ratio",
        company.name,
        f"What was the ratio of {above} to {below} of {company.name} in {year}?",
        f"{company.figures[above][year] / company.figures[below][year]:.3f}",
        ((above, year), (below, year)),
    )


def _total(company: Company, gap: int, rng: random.Random) -> Question:
    metric, (first, last) = _metric(company, rng), _years(gap, rng)
    total = company.figures[metric][first] + company.figures[metric][last]
    return Question(
        "sum",
        company.name,
        f"What was the sum of {metric} of {company.name} for {first} and {last}?",
        f"{total:.1f} million",
        ((metric, first), (metric, last)),
    )


def _lookup(company: Company, _gap: int, rng: random.Random) -> Question:
    metric, year = _metric(company, rng), rng.choice(YEARS)
    return Question(
        "lookup",
        company.name,
        f"What was the amount of {metric} of {company.name} in {year}?",
        f"{company.figures[metric][year]:.1f} million",
        ((metric, year),),
    )


_KINDS: dict[str, Callable[[Company, int, random.Random], Question]] = {
    "change": _change,
    "ratio": _ratio,
    "sum": _total,
    "lookup": _lookup,
}
_MIX = (
    ("change", 1),
    ("ratio", 0),
    ("sum", 2),
    ("lookup", 0),
    ("change", 2),
    ("ratio", 0),
    ("sum", 1),
    ("lookup", 0),
)
"""What is asked in turn, with the years between the figures: any eight rows are about as hard as the rest."""
