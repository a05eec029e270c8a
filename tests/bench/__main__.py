"""`python -m tests.bench`: ours beside other clients, on this machine, in one run.

The figures are this machine's, at this moment: compare the ratios of one run, not the figures of two.
"""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.children import BenchError
from tests.bench.machine import TARGET_CORE, allow_many_files, description, only_one_core, pinned
from tests.bench.options import Options
from tests.bench.rounds import say
from tests.bench.soak import soak
from tests.bench.tables import Table
from tests.bench.targets import has_nginx
from tests.bench.thinking import thinking
from tests.bench.throughput import https, same_post
from tests.bench.truth import truth
from tests.bench.work import write_body

_TOPICS: dict[int, Callable[[Options], Table]] = {1: same_post, 2: https, 3: thinking, 4: truth, 5: soak}
_SOAK = 5
_IDLE = 0.5
_NO_NGINX = "nginx is not installed (apt-get install nginx wrk hey); the mock is called instead"
_ONE_CORE = "only one core: client and target share it, and every figure is the worse for it"
_BUSY = "others use this machine at the same time (load {:.1f}): the figures are worse than they need be"


def main() -> int:
    """Measure and print the tables, and write them as Markdown; 1 when a topic could not be measured."""
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that children are ended then, too
    allow_many_files()
    head = [f"{datetime.now(UTC):%Y-%m-%d}, {description()}", *_hints()]
    topics = _topics(arguments)
    if topics != [_SOAK]:
        head.append(f"medians of {arguments.rounds} round(s) of {arguments.seconds:g} s, everyone in turn")
    print("\n".join(head), flush=True)
    with tempfile.TemporaryDirectory() as folder, pinned(TARGET_CORE):
        body = write_body(Path(folder))
        options = Options(arguments.rounds, arguments.seconds, arguments.soak, body)
        tables = [_measured(topic, options) for topic in topics]
    done = [table for table in tables if table is not None]
    _write(arguments.markdown, head, done)
    return 0 if len(done) == len(tables) else 1


def _hints() -> list[str]:
    """Return what a reader of the figures should know of the machine."""
    load = os.getloadavg()[0]
    known = ((_NO_NGINX, not has_nginx()), (_ONE_CORE, only_one_core()), (_BUSY.format(load), load > _IDLE))
    return [hint for hint, true in known if true]


def _measured(topic: int, options: Options) -> Table | None:
    """Measure and print one topic at once: a person waits for it."""
    say(f"\n{topic}. {_TOPICS[topic].__name__}")
    try:
        table = _TOPICS[topic](options)
    except BenchError as problem:
        say(f"  not measured: {problem}")
        return None
    print(f"\n{topic}. {table.to_text()}", flush=True)
    return table


def _write(path: Path, head: list[str], tables: list[Table]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = "; ".join(head)
    path.write_text("\n\n".join([f"Measured {lines}.", *(table.to_markdown() for table in tables)]) + "\n")
    say(f"\nwritten: {path}")


def _topics(arguments: argparse.Namespace) -> list[int]:
    if arguments.only:
        return [int(number) for number in arguments.only.split(",")]
    return [_SOAK] if arguments.soak else [topic for topic in _TOPICS if topic != _SOAK]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured (3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long each is measured (5)")
    topics = ", ".join(f"{number} {topic.__name__}" for number, topic in _TOPICS.items())
    parser.add_argument("--only", metavar="1,3", help=f"only these tables: {topics}")
    parser.add_argument("--soak", type=float, default=0.0, metavar="SECONDS", help="the soak, and only it")
    parser.add_argument("--markdown", type=Path, default=Path("out/bench.md"), help="where the tables go")
    arguments = parser.parse_args()
    if any(topic not in map(str, _TOPICS) for topic in (arguments.only or "1").split(",")):
        parser.error(f"--only takes numbers of tables: {topics}")
    if str(_SOAK) in (arguments.only or "").split(",") and not arguments.soak:
        parser.error("the soak needs --soak SECONDS")
    if arguments.rounds < 1 or arguments.seconds < 1:
        parser.error("at least one round of one second")
    return arguments


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
