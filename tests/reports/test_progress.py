import io
import re
import threading

from msgspec.structs import replace
from rich.console import Console
from rich.text import Text

from reports.progress import progress
from simulator.measure.summary import Snapshot

SNAPSHOT = Snapshot(
    elapsed_s=0.0,
    kind="training",
    step=1,
    steps=2,
    planned=512,
    ended=0,
    discarded=0,
    in_flight=512,
    calls_per_s=0.0,
    faults={},
    left_s=None,
)
BUSY = replace(
    SNAPSHOT,
    elapsed_s=31.2,
    ended=212,
    discarded=12,
    in_flight=300,
    calls_per_s=181.7,
    faults={"http_5xx": 21, "timeout": 3},
    left_s=63.4,
)


def told(*snapshots, **console):
    screen = Console(file=io.StringIO(), width=80, **console)
    with progress(screen) as update:
        for snapshot in snapshots:
            update(snapshot)
    return screen.file.getvalue()


def test_elsewhere_a_line_every_five_seconds_and_for_every_phase():
    moments = [replace(SNAPSHOT, elapsed_s=n / 4, ended=n) for n in range(50)]
    evaluation = replace(SNAPSHOT, elapsed_s=12.5, kind="evaluation", planned=50, in_flight=32)
    idle = "512 in flight, 0 calls/s, 0 discarded, no faults"
    busy = "300 in flight, 182 calls/s, 12 discarded, http_5xx 21, timeout 3, 63 s left"
    assert told(*moments, evaluation, BUSY).splitlines() == [
        f"[   0 s] training, step 1 of 2: 0 of 512 rollouts, {idle}",
        f"[   5 s] training, step 1 of 2: 20 of 512 rollouts, {idle}",
        f"[  10 s] training, step 1 of 2: 40 of 512 rollouts, {idle}",
        "[  12 s] evaluation, step 1 of 2: 0 of 50 rollouts, 32 in flight, 0 calls/s, 0 discarded, no faults",
        f"[  31 s] training, step 1 of 2: 212 of 512 rollouts, {busy}",
    ]


def test_a_load_that_only_time_ends():
    steady = replace(BUSY, kind="steady", planned=None)
    assert told(steady).startswith("[  31 s] steady load: 212 rollouts ended, 300 in flight")


def test_on_a_terminal_two_lines_that_move_and_then_go():
    drawn = told(SNAPSHOT, BUSY, force_terminal=True, force_interactive=True, color_system=None)
    assert re.search(r"training, step 1 of 2  ━+╸? +212 of 512 rollouts  63 s left", drawn)
    assert "  300 in flight, 182 calls/s, 12 discarded, http_5xx 21, timeout 3" in drawn
    assert drawn.endswith("\x1b[2K")


def test_a_terminal_too_narrow_for_all_faults_keeps_its_two_lines():
    many = replace(BUSY, faults={f"fault_{'x' * n}": n for n in range(10, 40)})
    drawn = Text.from_ansi(told(many, force_terminal=True, force_interactive=True, color_system=None)).plain
    assert all(len(line) <= 80 for line in drawn.splitlines())
    assert "…" in drawn


def test_watching_starts_no_thread():
    screen = Console(file=io.StringIO(), force_terminal=True, force_interactive=True)
    before = threading.active_count()
    with progress(screen) as update:
        update(BUSY)
        assert threading.active_count() == before


def test_fault_names_cannot_act_on_the_terminal():
    assert "\x07" not in told(replace(BUSY, faults={"\x1b]0;x\x07[red]": 1}))
    assert "[red]" in told(replace(BUSY, faults={"\x1b]0;x\x07[red]": 1}))
