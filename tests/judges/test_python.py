"""A Python grader: what it may, what it may not, and what is left of it in the end."""

import sys
from pathlib import Path

import pytest
import trio

from simulator.errors import PreflightError
from simulator.judges import process as process_module
from simulator.judges.python import Limits, PythonJudge
from tests.judges.hostile import (
    HASTY,
    NAMES,
    RUNTIME,
    SERVER,
    SMALL,
    grading,
    judged,
    judged_twice,
    kernel_only,
)


@pytest.mark.parametrize(
    ("body", "score"),
    [
        ("return 0.5", 0.5),
        ("return 3", 3.0),
        ("return True", 1.0),
        ("return sample['output_json']['colour'] == item['reference']", 1.0),
        ("from fractions import Fraction\nreturn Fraction(1, 4)", 0.25),
        ("from dataclasses import dataclass\n@dataclass\nclass A:\n  x: 'int'\nreturn A(4).x", 4.0),
        ("import sqlite3\nreturn sqlite3.connect(':memory:').execute('select 7').fetchone()[0]", 7.0),
        ("return len(open('/etc/passwd').read()) > 0", 1.0),
        (
            "import concurrent.futures as f\nwith f.ThreadPoolExecutor(4) as p: return sum(p.map(int, '12'))",
            3.0,
        ),
    ],
)
async def test_a_number_is_a_score(body, score):
    judgement = await judged(grading(body), limits=Limits())
    assert (judgement.score, judgement.error, judgement.details) == (score, None, "")


async def test_libraries_can_be_imported_under_the_fence():
    first = "import numpy as np, scipy.stats, ctypes"
    assert (
        await judged(grading("return np.float32(np.ones(4).mean())", first=first), limits=Limits())
    ).score == 1


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ("return None", "`grade` returned None, which is no number"),
        ("return '1.0'", "`grade` returned a str, which is no number"),
        ("return [1]", "`grade` returned a list, which is no number"),
        ("return 1j", "`grade` returned a complex, which is no number"),
        ("return float('nan')", "`grade` returned nan, which is no finite number"),
        ("return float('-inf')", "`grade` returned -inf, which is no finite number"),
        ("return 10 ** 400", "`grade` returned a number too large for a float"),
        (
            "raise ValueError('no\\nsuch   thing')",
            "it raised ValueError at line 3 of the source: no such thing",
        ),
        ("import sys\nsys.exit(0)", "it raised SystemExit at line 4 of the source: 0"),
        ("raise KeyboardInterrupt", "it raised KeyboardInterrupt at line 3 of the source"),
        (
            "class E(Exception):\n  def __str__(self): raise self\nraise E",
            "it raised something that cannot be shown",
        ),
        ("return 'a' * 10 ** 10", "it ran out of memory"),
    ],
)
async def test_what_is_no_number_is_a_runtime_error(body, details):
    judgement = await judged(grading(body))
    assert (judgement.score, judgement.error, judgement.details) == (None, RUNTIME, details)


async def test_details_are_short_and_printable():
    details = (await judged(grading("raise ValueError('\\x1b[2J' * 10 ** 6)"))).details
    assert len(details) <= 300
    assert details.isprintable()


@pytest.mark.parametrize(
    ("source", "details"),
    [
        ("x = 1", "it defines no `grade` that can be called"),
        ("grade = 1", "it defines no `grade` that can be called"),
        (
            "def grade(sample, item:\n  return 1",
            "it raised SyntaxError at line 1 of the source: '(' was never closed",
        ),
        ("\n1 / 0", "it raised ZeroDivisionError at line 2 of the source: division by zero"),
        ("import no_such_library", "No module named 'no_such_library'"),
        ("\udc80", "'utf-8' codec can't decode"),
        ("(" * 5000, "too many nested parentheses"),
    ],
)
async def test_a_source_that_does_not_run_is_a_runtime_error_for_every_sample(source, details):
    async with PythonJudge(source, SMALL) as judge:
        for _ in range(2):
            judgement = await judge.judge(NAMES)
            assert judgement.error == RUNTIME
            assert details in judgement.details


async def test_a_source_over_the_limit_is_not_run():
    judgement = await judged("#" * 256_000, limits=Limits())
    assert (judgement.error, judgement.details) == (
        RUNTIME,
        "the source has 256000 bytes, and must have less than 256000",
    )


@pytest.mark.parametrize(
    ("body", "first"),
    [
        ("while True: pass", ""),
        ("try:\n    while True: pass\n  except BaseException:\n    pass", ""),
        ("import time; time.sleep(60)", ""),
        ("import signal; signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); 10 ** 10 ** 9", ""),
    ],
)
async def test_what_takes_too_long_is_killed_and_the_next_is_graded(body, first):
    judgement = await judged_twice(body, first, HASTY)
    assert (judgement.error, judgement.details) == (SERVER, "grading took longer than 0.4 s")


async def test_a_source_that_never_ends_is_killed_before_it_grades():
    judgement = await judged("while True: pass", limits=HASTY)
    assert (judgement.error, judgement.details) == (SERVER, "running the source took longer than 0.4 s")


@pytest.mark.parametrize(
    ("body", "details"),
    [
        ("import os; os._exit(3)", "its process ended with status 3"),
        ("import ctypes; ctypes.memset(1, 0, 1)", "its process died of SIGSEGV"),
    ],
)
async def test_a_process_that_dies_is_a_server_error_and_the_next_is_graded(body, details):
    judgement = await judged_twice(body)
    assert (judgement.error, judgement.details) == (SERVER, details)


async def test_deep_recursion_is_a_runtime_error():
    judgement = await judged_twice("(f := lambda: f())()")
    assert judgement.error == RUNTIME
    assert "RecursionError" in judgement.details


@pytest.mark.parametrize("how", ["x = 'a' * 10 ** 10", "x = []\n  while True: x.append(bytes(10 ** 6))"])
async def test_what_eats_memory_is_stopped_and_the_next_is_graded(how):
    judgement = await judged_twice(how)
    assert (judgement.error, judgement.details) == (RUNTIME, "it ran out of memory")


async def test_print_does_not_reach_the_protocol():
    first = "import os, sys\nprint('hello')"
    body = "print('x' * 10 ** 7); sys.stderr.write('y' * 10 ** 6); os.write(1, b'z' * 10 ** 5); input"
    assert (await judged(grading(f"{body}\nreturn 0.5", first=first))).score == 0.5


async def test_input_is_empty_and_there_is_no_environment(monkeypatch):
    monkeypatch.setenv("PREFLIGHT_SECRET", "hush")
    source = grading("import os, sys\nreturn sys.stdin.read() == '' and 'PREFLIGHT_SECRET' not in os.environ")
    assert (await judged(source)).score == 1


TO_EVERY_PIPE = "import os\nfor fd in range(3, 9):\n  try: os.write(fd, {})\n  except OSError: pass"


@pytest.mark.parametrize("frame", ["{}", '{"id": 1, "score": 1e999}', '{"id": 7, "score": 1}', "[", "\\xff"])
async def test_a_forged_answer_is_a_server_error(frame):
    forged = f"f = '{frame}'.encode('latin-1')\n{TO_EVERY_PIPE.format('len(f).to_bytes(4) + f')}\nreturn 1"
    judgement = await judged(grading(forged))
    assert (judgement.score, judgement.error) == (None, SERVER)


async def test_a_flood_on_the_pipe_to_us_is_cut_off():
    flood = TO_EVERY_PIPE.format("b'z' * 10 ** 7")
    assert (await judged(grading(flood))).error == SERVER


FORBIDDEN = {
    "import socket; socket.socket()": "open a socket",
    "import socket; socket.create_connection(('127.0.0.1', 9))": "open a socket",
    "import socket; socket.getaddrinfo('example.invalid', 80)": "open a socket",
    "open('made', 'w').write('x')": "write a file",
    "import os; os.open('made', os.O_CREAT | os.O_RDWR)": "write a file",
    "open('there', 'r+').write('x')": "write a file",
    "import tempfile; tempfile.TemporaryFile()": "write a file",
    "import os; os.truncate('there', 0)": "change files",
    "import os; os.remove('there')": "change files",
    "import pathlib; pathlib.Path('there').unlink()": "change files",
    "import os; os.rename('there', 'made')": "change files",
    "import os; os.symlink('there', 'made')": "change files",
    "import os; os.mkdir('made')": "change files",
    "import os; os.chmod('there', 0)": "change files",
    "import os; os.utime('there', (0, 0))": "change files",
    "import shutil; shutil.copy('there', 'made')": "change files",
    "import sqlite3; sqlite3.connect('made')": "open a database file",
    "import os; os.fork()": "start a process",
    "import os; os.system('touch made')": "start a process",
    "import subprocess; subprocess.run(['touch', 'made'])": "start a process",
    "import os; os.execv('/bin/true', ['true'])": "start a process",
    "import os; os.posix_spawn('/bin/true', ['true'], {})": "start a process",
    "import multiprocessing as m; m.get_context('fork').Process(target=print).start()": "start a process",
    "import os; os.kill(os.getppid(), 9)": "send a signal",
    "import os; os.killpg(os.getpgid(os.getppid()), 9)": "send a signal",
    "import ctypes; ctypes.CDLL(None)": "call C through ctypes",
    "import ctypes; ctypes.pythonapi.Py_Exit": "call C through ctypes",
    "import ctypes; ctypes.string_at(0)": "call C through ctypes",
    "import resource as r; r.setrlimit(r.RLIMIT_AS, (-1, -1))": "change the limits of a process",
    "import fcntl; fcntl.flock(0, fcntl.LOCK_EX)": "control a device or lock a file",
    "import os; open(f'/proc/{os.getppid()}/environ').read()": "look into another process",
}
"""What is tried, and how that is told."""


@pytest.mark.parametrize("attempt", FORBIDDEN)
async def test_what_is_forbidden_is_stopped_and_told_and_the_next_is_graded(attempt, tmp_path):
    (tmp_path / "there").write_text("as it was")
    before = (tmp_path / "there").stat()
    attempt_there = attempt.replace("'there'", f"'{tmp_path}/there'").replace("'made'", f"'{tmp_path}/made'")
    attempt_there = attempt_there.replace("touch made", f"touch {tmp_path}/made")
    judgement = await judged_twice(attempt_there, limits=Limits())
    assert judgement.error == RUNTIME
    assert judgement.details.startswith(f"it tried to {FORBIDDEN[attempt]}")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "as it was"
    after = (tmp_path / "there").stat()
    assert (after.st_mode, after.st_mtime, after.st_size) == (before.st_mode, before.st_mtime, before.st_size)


async def test_what_is_forbidden_is_told_although_the_source_goes_on():
    body = "try:\n    import socket; socket.socket()\n  except PermissionError: pass\n  return 1.0"
    assert (await judged_twice(body)).details == "it tried to open a socket"


async def test_what_is_forbidden_while_the_source_runs_is_told():
    judgement = await judged(
        grading("return 1", first="import os\ntry: os.system('true')\nexcept OSError: pass")
    )
    assert (judgement.error, judgement.details) == (RUNTIME, "it tried to start a process")


# -- processes -------------------------------------------------------------------------------------------


def children():
    found = set()
    for task in Path("/proc/self/task").iterdir():
        found |= set((task / "children").read_text().split())
    return found


def lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


def open_files():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@kernel_only
async def test_nothing_is_left_over():
    await judged(grading("return 1"))
    before = children(), open_files()
    for body in ("return 1", "import os; os._exit(0)", "'a' * 10 ** 10", "while True: pass"):
        await judged(grading(body), limits=HASTY)
    assert (children(), open_files()) == before


@kernel_only
async def test_a_cancelled_grading_is_killed():
    others = children()
    async with PythonJudge(grading("while True: pass"), SMALL) as judge:
        own = children() - others
        with trio.move_on_after(0.3):
            await judge.judge(NAMES)
        assert len(own) == 1
        assert not own & children()


@kernel_only
async def test_a_fenced_process_dies_with_its_parent():
    program = (
        "import trio, os\nfrom simulator.judges.python import PythonJudge\n"
        "async def main():\n"
        "  async with PythonJudge('while True: pass') as judge, trio.open_nursery() as n:\n"
        "    n.start_soon(judge.judge, {})\n"
        "    await trio.sleep(0.2)\n"
        "    print(judge._idle == [], open(f'/proc/self/task/{os.getpid()}/children').read(), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "trio.run(main)\n"
    )
    ended = await trio.run_process([sys.executable, "-c", program], capture_stdout=True, check=False)
    working, child = ended.stdout.split()
    assert working == b"True"
    for _ in range(200):
        if not lives(int(child)):
            return
        await trio.sleep(0.01)
    pytest.fail("the fenced process lives on")


@pytest.mark.parametrize("processes", [1, 2])
async def test_several_tasks_may_ask_at_once(processes):
    scores = {}
    async with (
        PythonJudge(grading("return item['n']"), SMALL, processes=processes) as judge,
        trio.open_nursery() as nursery,
    ):

        async def ask(n):
            scores[n] = (await judge.judge({"sample": {}, "item": {"n": n}})).score

        for n in range(50):
            nursery.start_soon(ask, n)
    assert scores == {n: n for n in range(50)}


async def test_a_source_is_run_once_for_many_samples():
    source = grading("times.append(1)\nreturn len(times)", first="times = []")
    async with PythonJudge(source, SMALL) as judge:
        scores = [(await judge.judge(NAMES)).score for _ in range(200)]
    assert scores == list(range(1, 201))


async def test_a_large_sample_is_passed_whole():
    names = {"sample": {"output_text": "x" * 3_000_000}, "item": None}
    assert (await judged(grading("return len(sample['output_text'])"), names)).score == 3_000_000


async def test_a_machine_that_starts_no_process_is_told(monkeypatch):
    monkeypatch.setattr(process_module.sys, "executable", "/no/such/python")
    with pytest.raises(PreflightError, match="it did not start: No such file"):
        await judged("")
