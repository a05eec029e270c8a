"""An agent that answers questions about filings by searching, listing and reading them.

It knows nothing but the question and what the tools return. Its options say how well it does that; with
all chances at zero it makes no mistake.

    stray     before each purposeful call, and before the answer: the chance of a needless one (0 to 1)
    misread   per figure: the chance of taking a cell beside it, above or below (0 to 1)
    slip      per answer: the chance of a wrong sign or of digits that are 3% off (0 to 1)
    parallel  per turn: the chance of making two calls at once (0 to 1)
    chatty    per answer: the chance of a sentence in place of the figure alone (0 to 1)
    tokens    mean output tokens of a turn
"""

import re
from collections.abc import Callable

import msgspec

from simulator.model import Outcome, ToolCall
from simulator.plan.policy import Script, ScriptedPolicy

BUDGET = 10
_INCOME_WORDS = ("revenues", "cost", "expense", "income", "taxes", "research")
_PATH = re.compile(r"/filings/([A-Z]{4})/([0-9]{4})/page_[0-9]{1,4}\.txt")
_TITLE = re.compile(r"([^\n(]{1,80}) \(([A-Z]{4})\) annual report ([0-9]{4}), page")
_HEADER = re.compile(r"^\(in millions[^)\n]*\) +([0-9]{4}) +([0-9]{4})$", re.MULTILINE)
_ROW = re.compile(r"^([a-z][a-z' -]{1,43}?) +([0-9,]{1,15}\.[0-9]) +([0-9,]{1,15}\.[0-9])$", re.MULTILINE)

Figure = tuple[str, int]
"""A metric and a year."""


# -- the question


class Kind(msgspec.Struct, frozen=True):
    """A kind of question: how it is asked, how its figures make the answer, how that is written."""

    pattern: re.Pattern[str]
    compute: Callable[..., float]
    style: str


_KINDS = (
    Kind(
        re.compile(r"percentage change in (?P<a>.+) of (?P<who>.+) from (?P<y>[0-9]{4}) to (?P<z>[0-9]{4})"),
        lambda before, after: (after / before - 1) * 100,
        "{:.1f}%",
    ),
    Kind(
        re.compile(r"ratio of (?P<a>.+) to (?P<b>.+) of (?P<who>.+) in (?P<y>[0-9]{4})"),
        lambda above, below: above / below,
        "{:.3f}",
    ),
    Kind(
        re.compile(r"sum of (?P<a>.+) of (?P<who>.+) for (?P<y>[0-9]{4}) and (?P<z>[0-9]{4})"),
        lambda first, second: first + second,
        "{:.1f} million",
    ),
    Kind(
        re.compile(r"amount of (?P<a>.+) of (?P<who>.+) in (?P<y>[0-9]{4})"),
        lambda figure: figure,
        "{:.1f} million",
    ),
)


class Task(msgspec.Struct, frozen=True):
    """A question as understood."""

    kind: Kind
    company: str
    figures: tuple[Figure, ...]


def understand(question: str) -> Task | None:
    """Return what a question asks for; None when it is of no known kind."""
    for kind in _KINDS:
        if found := kind.pattern.search(question):
            groups = found.groupdict()
            first = (groups["a"], int(groups["y"]))
            second = (groups.get("b") or groups["a"], int(groups.get("z") or groups["y"]))
            return Task(kind, groups["who"], (first,) if first == second else (first, second))
    return None


# -- what has been seen


class Hit(msgspec.Struct, frozen=True):
    """A search result, as far as it is of use."""

    path: str
    snippet: str


class Notes:
    """What the agent has learnt about one company from outputs of any kind, errors included."""

    def __init__(self, company: str) -> None:
        self.company = company
        self.ticker: str | None = None
        self.paths: dict[str, str] = {}
        self.tables: list[dict[Figure, float]] = []
        self.done: set[ToolCall] = set()

    def learn(self, output: str) -> None:
        """Take from an output the pages it names and the figures it states."""
        for path, snippet in _hits(output):
            self.paths[path] = snippet or self.paths.get(path, "")
        for text in (output, *(snippet for _, snippet in _hits(output))):
            title = _TITLE.match(text)
            if title and title[1] == self.company:
                self.ticker = title[2]
        self._read_table(output)

    def figure(self, figure: Figure) -> float | None:
        """Return a figure that a page has stated."""
        return next((table[figure] for table in self.tables if figure in table), None)

    def unread(self, figure: Figure) -> list[str]:
        """Return the known pages that may state a figure and were not opened, the likeliest first."""
        metric, year = figure
        folder = f"/filings/{self.ticker}/{year}/"
        wanted = "income" if any(word in metric for word in _INCOME_WORDS) else "balance"
        pages = [p for p in self.paths if p.startswith(folder) and not self.was_read(p)]
        titles = (f"statements of {wanted}", f"consolidated {wanted}")
        return sorted(pages, key=lambda page: (not any(t in self.paths[page] for t in titles), page))

    def was_read(self, path: str) -> bool:
        """Tell whether the page was opened before."""
        return ScriptedPolicy.call("cat", path=path) in self.done

    def _read_table(self, output: str) -> None:
        title, header = _TITLE.match(output), _HEADER.search(output)
        if title and header and title[1] == self.company:
            years = int(header[1]), int(header[2])
            self.tables.append(
                {
                    (row[1].strip(), year): float(cell.replace(",", "") or 0)
                    for row in _ROW.finditer(output)
                    for year, cell in zip(years, row.groups()[1:], strict=True)
                }
            )


def _hits(output: str) -> list[tuple[str, str]]:
    try:
        return [(hit.path, hit.snippet) for hit in msgspec.json.decode(output, type=list[Hit])]
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return [(found[0], "") for found in _PATH.finditer(output)]


# -- the agent


class FilingsAgent(ScriptedPolicy):
    """Looks for each figure it needs until it has all or has spent its calls, then answers."""

    def play(self) -> Script:
        """Search, list and read; compute; answer."""
        task = understand(self._question())
        if task is None:
            return self.answer("I cannot tell what is asked.", tokens=self._tokens())
        notes, left = Notes(task.company), BUDGET
        while left and (calls := self._next_calls(task, notes)[:left]):
            left -= len(calls)
            notes.done.update(calls)
            seen: tuple[Outcome, ...] = yield self.turn(calls, tokens=self._tokens())
            for outcome in seen:
                notes.learn(outcome.output)
        return self.answer(self._conclude(task, notes), tokens=self._tokens())

    def _question(self) -> str:
        messages = self.item.row.get("messages")
        last = messages[-1] if isinstance(messages, list) and messages else None
        content = last.get("content") if isinstance(last, dict) else None
        return content if isinstance(content, str) else ""

    # -- what to do next

    def _next_calls(self, task: Task, notes: Notes) -> list[ToolCall]:
        if self._happens("stray"):
            first: ToolCall | None = self._detour(task, notes)
        else:
            first = self._step(task, notes)
        if first is None:
            return []
        second = self._detour(task, notes) if self._happens("parallel") else first
        return [first] if second == first else [first, second]

    def _step(self, task: Task, notes: Notes) -> ToolCall | None:
        missing = [figure for figure in task.figures if notes.figure(figure) is None]
        for metric, year in sorted(missing, key=lambda figure: -figure[1]):
            for call in self._ways(task, notes, (metric, year)):
                if call not in notes.done:
                    return call
        return None

    def _ways(self, task: Task, notes: Notes, figure: Figure) -> list[ToolCall]:
        metric, year = figure
        search = [
            self.call("search", query=f"{task.company} {metric} {year}", top_k=5),
            self.call("search", query=f"{task.company} annual report {year}", top_k=10),
        ]
        if notes.ticker is None:
            return search
        ways = []
        for filing in (year, year + 1):  # the next year's filing repeats the figure
            ways += [self.call("cat", path=path) for path in notes.unread((metric, filing))]
            ways.append(self.call("list", path=f"/filings/{notes.ticker}/{filing}"))
        return ways + search

    def _detour(self, task: Task, notes: Notes) -> ToolCall:
        metric, year = task.figures[0]
        folder = f"/filings/{notes.ticker}" if notes.ticker else "/filings"
        others = [path for path in notes.paths if not notes.was_read(path)]
        weighed = {
            self.call("search", query=f"{metric} {year}", top_k=5): 3,
            self.call("search", query=f"{task.company} {metric} in millions of dollars", top_k=10): 3,
            self.call("list", path=folder): 3,
            self.call("cat", path=f"{folder}/{year}"): 1,  # not a document
        }
        if others:
            weighed[self.call("cat", path=self.rng.choice(others))] = 12
        return self.rng.choices(list(weighed), list(weighed.values()))[0]

    # -- the answer

    def _conclude(self, task: Task, notes: Notes) -> str:
        figures = [self._read(figure, notes) for figure in task.figures]
        known = [figure for figure in figures if figure is not None]
        if len(known) < len(figures):
            return "I could not find the figures."
        try:
            value = task.kind.compute(*known)
        except ZeroDivisionError:
            return "The figures cannot be compared."
        if self._happens("slip"):
            value = self.rng.choice(_SLIPS)(value)
        answer = task.kind.style.format(value)
        return self.rng.choice(_CHATTY).format(answer) if self._happens("chatty") else answer

    def _read(self, figure: Figure, notes: Notes) -> float | None:
        value = notes.figure(figure)
        if value is None or not self._happens("misread"):
            return value
        table = next(table for table in notes.tables if figure in table)
        cells = list(table)
        at = cells.index(figure)
        return table[self.rng.choice([cells[at - 2], cells[at - 1], cells[(at + 1) % len(cells)]])]

    # -- chance

    def _happens(self, option: str) -> bool:
        return self.rng.random() < float(self.options.get(option, 0.0))

    def _tokens(self) -> int:
        mean = float(self.options.get("tokens", 300))
        return max(1, round(self.rng.gammavariate(4.0, mean / 4.0)))


_SLIPS: tuple[Callable[[float], float], ...] = (
    lambda value: -value,
    lambda value: value * 0.97,
    lambda value: value * 1.03,
)
_CHATTY = ("The answer is {}.", "It was {}, according to the filings.", "{} (as reported)", " = {}")
