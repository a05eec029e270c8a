"""A run from start to summary: what makes it give up is told in the summary, and nothing is raised."""

import itertools
import json

import pytest
import trio

from simulator.dialects.openai import OpenAI
from simulator.engine.journal import Journal
from simulator.engine.session import conduct
from simulator.engine.shard import Setup, Tools
from simulator.model import Load, TrainerRules, Turn
from simulator.plan.policy import guarded
from simulator.plan.schedule import schedule
from simulator.redaction import redactor
from simulator.testing import HANG, ScriptServer, serving
from simulator.transport.http11 import Http11
from tests.engine.stage import always_good, good, one_call
from tests.engine.test_journal import files_of_at_most, names_in
from tests.making import Turns, answer, ask, items, job

SECRET = "s3cr3t-t0ken"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "rollouts.jsonl"


async def play(path, respond=always_good, *, load=None, make_policy=one_call, watch=lambda _: None):
    server = ScriptServer(respond)
    load = load or Load(batch_size=1, group_size=4)
    async with serving(server):
        of = job(url=server.url)
        setup = Setup(
            scenario="s",
            job=of,
            load=load,
            rules=TrainerRules(),
            dialect=OpenAI(),
            phases=tuple(schedule(of, load, items(2), [])),
            policy="synthetic",
            make_policy=guarded(make_policy, [tool.name for tool in of.tools]),
            seed=1,
            started_at="2026-01-01T00:00:00Z",
            run_key="a-run",
        )
        with Journal(path) as journal:
            return await conduct(setup, Tools(Http11, journal, redactor([SECRET])), watch)


def lines_of(path):
    data = path.read_bytes()
    assert data == b"" or data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


async def test_a_run_that_goes_well_has_no_failure_and_a_journal_in_order(clock, path):
    summary = await play(path)
    assert (summary.failure, summary.interrupted, summary.rollouts.graded) == ("", False, 4)
    assert [line["rollout"] for line in lines_of(path)] == [0, 1, 2, 3]


async def test_a_policy_that_fails_is_the_summarys_failure_without_its_secrets(clock, path):
    class Leaky:
        def __init__(self):
            self.turns = iter([ask()])

        def next(self, seen):
            for turn in self.turns:
                return turn
            raise ValueError(f"the key {SECRET} of {len(seen)}")

    summary = await play(path, make_policy=lambda *_: Leaky())
    assert summary.failure.startswith("policy Leaky raised ValueError: the key *** of 1 at ")
    assert (summary.interrupted, summary.rollouts.interrupted) == (True, 4)
    assert summary.endpoints[0].attempts > 0, "what was measured is there"
    assert lines_of(path), "and what was recorded"


async def test_what_no_model_could_do_is_the_summarys_failure(clock, path):
    summary = await play(path, make_policy=lambda *_: Turns(Turn(tokens=-1)))
    assert summary.failure == "policy Turns thought for tokens=-1, think_s=0.0"


SLOW = pytest.mark.slow


@pytest.mark.parametrize("size", [pytest.param(0, marks=SLOW), 100, pytest.param(700, marks=SLOW)])
async def test_a_disk_that_fills_up_ends_the_run_and_leaves_whole_lines(clock, path, size):
    load = Load(mode="steady", in_flight=2, rollouts=1000)
    with files_of_at_most(size):
        summary = await play(path, lambda request: [1.0, good(request)], load=load)
    assert summary.failure == f"{path}: cannot be written: File too large"
    assert summary.interrupted
    assert 0 < summary.rollouts.graded < 100
    assert len(lines_of(path)) < summary.rollouts.graded + load.in_flight, "what was in flight has a line too"
    assert names_in(path.parent) == [path.name]


async def test_a_call_that_hangs_when_the_run_is_ended_is_in_the_summary_and_in_the_journal(clock, path):
    made = itertools.count()

    def failing_last(*_):
        return Turns(ask(), answer()) if next(made) else Turns(ask(think_s=1.0), Turn(tokens=-1))

    def respond(request):
        return [HANG] if request.target == "/grade" else [1.0, good(request)]

    summary = await play(path, respond, make_policy=failing_last)
    grader = summary.endpoints[1]
    assert (grader.attempts, grader.faults, grader.error_rate, grader.unfinished) == (0, {}, 0.0, 3)
    assert grader.unfinished_max_ms == pytest.approx(1000.0)
    of_grades = [line["grade"]["fault"] for line in lines_of(path) if line["grade"]]
    assert of_grades == ["unfinished"] * 3


async def test_who_watches_is_shown_the_run_as_it_goes(clock, path):
    seen = []
    await play(path, lambda request: [1.0, good(request)], watch=seen.append)
    assert max(snapshot.in_flight for snapshot in seen) == 4
    assert [s.elapsed_s for s in seen] == sorted(s.elapsed_s for s in seen)
    assert trio.current_time() >= seen[-1].elapsed_s
