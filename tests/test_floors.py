"""Imports go down only: the floors of the house, held by walking the sources.

0  model errors faults redaction hosts findings   the nouns
1  dialects plan measure grading comparing gates metrics  decisions and counting: no clock, no socket, no trio
2  job · reports · endpoints_mock       files · what a person reads · a server to practise on
3  clock arrival timers · transport     time · the wire
4  engine                               Trio
5  checks · judges · locust_plugin      probes · whoever gives scores · gevent, and so never trio
6  cli                                  everything
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("simulator", "endpoints_mock", "reports", "scenarios")

FLOOR_0 = {f"simulator.{room}" for room in ("model", "errors", "faults", "redaction", "hosts", "findings")}
FLOOR_1 = {
    f"simulator.{room}"
    for room in ("dialects", "plan", "measure", "grading", "comparing", "gates", "metrics")
}
CLOCKS = {"simulator.arrival", "simulator.clock", "simulator.timers"}
TRANSPORT = {*CLOCKS, "simulator.transport"}
WAITING = {"trio", "socket", "time", "httpx", "asyncio", "threading", "gevent", "ssl", "select", "httptools"}

# What a room may import of ours, besides itself. A name stands for all below it.
MAY_IMPORT: dict[str, set[str]] = {
    **dict.fromkeys(FLOOR_0, FLOOR_0),
    **dict.fromkeys(FLOOR_1, FLOOR_0 | FLOOR_1),
    "simulator.job": FLOOR_0 | FLOOR_1,
    "reports": FLOOR_0
    | {
        "simulator.measure.summary",
        "simulator.measure.detail",
        "simulator.measure.histogram",
        "simulator.measure.meters",
        "simulator.measure.metering",
        "simulator.measure.lines",
        "simulator.measure.graded",
        "simulator.measure.recorded",
        "simulator.measure.replayed",
        "simulator.measure.checked",
        "simulator.measure.comparison",
        "simulator.measure.trust",
        "simulator.gates",
        "simulator.metrics",
    },
    "endpoints_mock": FLOOR_0 | FLOOR_1 | {"simulator.arrival"},
    **{clock: set() for clock in CLOCKS},
    "simulator.transport": FLOOR_0 | CLOCKS,
    "simulator.engine": FLOOR_0
    | FLOOR_1
    | {"simulator.clock", "simulator.timers", "simulator.transport.base"},
    **dict.fromkeys(
        ("simulator.checks", "simulator.judges"),
        FLOOR_0 | FLOOR_1 | TRANSPORT | {"simulator.job", "simulator.engine"},
    ),
    "simulator.locust_plugin": FLOOR_0 | FLOOR_1 | {"simulator.job"},
    "simulator.testing": FLOOR_0 | FLOOR_1,
    "simulator.cli": {"simulator", *PACKAGES},
    # A scenario's policy sees what a customer's own would; its questions come from the mock's documents.
    "scenarios": FLOOR_0 | FLOOR_1 | {"endpoints_mock.domains"},
}

# What a room may not import of anybody's.
MUST_NOT: dict[str, set[str]] = {
    **dict.fromkeys((*FLOOR_0, *FLOOR_1), WAITING),
    "simulator.job": {"trio", "socket", "httpx"},
    "reports": {"trio", "socket", "httpx"},
    "simulator.timers": {"time"},
    "simulator.transport": {"time"},
    "simulator.locust_plugin": {"trio"},
}


def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports_of(module: str, source: str) -> set[str]:
    """Return the names of everything that is imported, wherever in the module, relative names resolved."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            package = module.split(".")[: -node.level] if node.level else []
            base = ".".join([*package, *([node.module] if node.module else [])])
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def room_of(module: str) -> str | None:
    """Return the most precise room that the module stands in."""
    return max((room for room in MAY_IMPORT if within(module, room)), key=len, default=None)


def violations(module: str, source: str) -> list[str]:
    room = room_of(module)
    if room is None:
        return [f"{module} stands in no room"] if module != "simulator" else []
    allowed, forbidden = MAY_IMPORT[room] | {room}, MUST_NOT.get(room, set())
    return [
        f"{module} imports {name}"
        for name in sorted(imports_of(module, source))
        if any(within(name, other) for other in forbidden)
        or (name.split(".")[0] in PACKAGES and not any(within(name, room) for room in allowed))
    ]


@pytest.mark.parametrize(("module", "path"), sorted(modules().items()), ids=str)
def test_every_module_imports_downwards_only(module, path):
    assert violations(module, path.read_text()) == []


def test_only_trio_tells_the_time_in_the_engine():
    engine = [path.read_text() for module, path in modules().items() if within(module, "simulator.engine")]
    assert engine
    for clock in ("time.time(", "time.monotonic(", "perf_counter(", "datetime.now(", "time.sleep("):
        assert not any(clock in source for source in engine)


@pytest.mark.parametrize(
    ("module", "source", "caught"),
    [
        ("simulator.model", "import simulator.plan.retry", "simulator.plan.retry"),
        ("simulator.model", "import trio", "trio"),
        ("simulator.faults", "import time", "time"),
        ("simulator.plan.retry", "from trio import sleep", "trio.sleep"),
        ("simulator.plan.retry", "def f():\n    import socket", "socket"),
        ("simulator.plan.retry", "from time import monotonic", "time.monotonic"),
        ("simulator.plan.retry", "from simulator.engine import run", "simulator.engine.run"),
        ("simulator.plan.retry", "from ..engine import run", "simulator.engine.run"),
        ("simulator.plan.retry", "from simulator import transport", "simulator.transport"),
        ("simulator.gates", "import httpx", "httpx"),
        ("simulator.job.dataset", "import trio", "trio"),
        ("simulator.job.dataset", "from simulator.cli.main import main", "simulator.cli.main.main"),
        ("reports.html", "from simulator.measure.tally import Tally", "simulator.measure.tally.Tally"),
        ("reports.html", "from simulator.plan import retry", "simulator.plan.retry"),
        ("endpoints_mock.server", "import simulator.transport.http11", "simulator.transport.http11"),
        (
            "simulator.transport.http11",
            "from simulator.plan.retry import react",
            "simulator.plan.retry.react",
        ),
        (
            "simulator.engine.run",
            "from simulator.transport.http11 import Http11",
            "simulator.transport.http11.Http11",
        ),
        ("simulator.engine.run", "import simulator.testing", "simulator.testing"),
        ("simulator.locust_plugin.user", "import trio", "trio"),
        ("simulator.locust_plugin.user", "from simulator.engine import run", "simulator.engine.run"),
    ],
)
def test_a_module_that_climbs_is_caught(module, source, caught):
    assert violations(module, source) == [f"{module} imports {caught}"]


def test_a_module_outside_every_room_is_caught():
    assert violations("simulator.attic", "") == ["simulator.attic stands in no room"]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("simulator.plan.retry", "from simulator.model import Job\nimport numpy"),
        ("simulator.engine.run", "import trio\nfrom simulator.transport.base import Transport"),
        (
            "endpoints_mock.server",
            "import trio, httptools\nfrom simulator.plan.distribution import Distribution",
        ),
        ("simulator.cli.run", "from reports.json import write\nimport simulator.engine.run"),
    ],
)
def test_a_module_that_does_not_climb_is_not_caught(module, source):
    assert violations(module, source) == []
