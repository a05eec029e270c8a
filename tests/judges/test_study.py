"""A whole study over real sockets, of graders whose flaws are known, and of some that are none."""

from functools import partial

import msgspec
import pytest
import trio
import trio.testing

from endpoints_mock.domains.echo import echo_domain
from endpoints_mock.server import serve
from endpoints_mock.settings import MockSettings, build_settings
from simulator.dialects.openai import OpenAI
from simulator.grading.judgement import Case, Sample
from simulator.grading.results import Terms, first_scores, grader_summary
from simulator.grading.told import findings_of
from simulator.judges.conduct import Studied, conduct_study
from simulator.judges.opening import Means
from simulator.judges.study import HOPELESS, Orders, dealt
from simulator.model import Endpoint, Grader, Item, TrainerRules
from simulator.testing import RawRequest, ScriptServer, http, serving

SAMPLES, GROUPS, LANES = 96, 32, 44
ROW = {"messages": [{"role": "user", "content": "?"}], "reference_answer": "blue"}
ITEM = Item(0, "train", 1, msgspec.Raw(msgspec.json.encode(ROW)), ROW)
CASES = [Case(item=str(n % GROUPS), group=str(n % GROUPS), answer="blue") for n in range(SAMPLES)]
RULES = TrainerRules(retry_backoff_s=0.0)
ORDERS = Orders(repeats=3, lanes=LANES, load=True, seed=1)


def samples(count=SAMPLES, answer="blue"):
    return [
        Sample(OpenAI().grader_request(answer, [], f"trace_{n:032x}", ITEM, as_json=False))
        for n in range(count)
    ]


def endpoint(url):
    return Grader("endpoint", "judge", Endpoint("judge", "grader", f"{url}/grade"))


async def studied(grader, orders=ORDERS, *, against=None, count=SAMPLES, time_limit_s=600.0) -> Studied:
    means = Means(RULES, OpenAI(), {})
    return await conduct_study(
        grader, against or {}, samples(count), orders, means, lambda _: None, time_limit_s
    )


async def study_of_mock(settings: MockSettings, orders=ORDERS) -> Studied:
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(partial(serve, echo_domain(), settings))
        found = await studied(endpoint(listening.url), orders)
        nursery.cancel_scope.cancel()
    return found


def flawed(seed, **flaws):
    return build_settings(service_ms=["grade=20"], seed=seed, **flaws)


QUICK_S, PATIENT_S = 0.001, 0.004
"""How long nothing must have moved before time jumps: on a busy machine bytes may take longer than the first,
and then fewer calls meet in the mock than really would."""


def summary_of(settings, seed, pause_s):
    clock = trio.testing.MockClock(autojump_threshold=pause_s)
    found = trio.run(study_of_mock, settings, msgspec.structs.replace(ORDERS, seed=seed), clock=clock)
    return grader_summary("endpoint", CASES, found.sheet.marks, {}, Terms(seed, 0.5, in_flight=LANES))


FLAWS = {"noise": ["grade=0.1"], "load_shift": ["grade=-0.07 above 40"], "worker_shift": ["grade=0.1"]}


def holds(estimate, value):
    return estimate.low is not None and estimate.low <= value <= estimate.high


def found_within_its_interval(seed):
    found = summary_of(flawed(seed, **FLAWS), seed, PATIENT_S)
    codes = {finding.code for finding in findings_of(found, "judge")}
    return (
        holds(found.repeatability.sd, 0.1),
        holds(found.load.shift, -0.07) and "reward.load_shift" in codes,
        holds(found.workers.shift, 0.1) and "reward.worker_shift" in codes,
    )


def flaws_found(seed, pause_s, **flaws):
    found = summary_of(flawed(seed, **flaws), seed, pause_s)
    codes = {finding.code for finding in findings_of(found, "judge")}
    return codes & {"reward.load_shift", "reward.after_load", "reward.worker_shift", "reward.noisy"}


@pytest.mark.slow
def test_noise_load_and_workers_are_told_apart():
    found = summary_of(flawed(3, **FLAWS), 3, QUICK_S)
    assert found.repeatability.sd.value == pytest.approx(0.1, abs=0.02)
    assert found.load.shift.value == pytest.approx(-0.07, abs=0.02)
    assert (found.workers.found, found.workers.kinds) == (True, 2)
    assert found.workers.shift.value == pytest.approx(0.1, abs=0.02)
    assert found.workers.connections == LANES


@pytest.mark.parametrize(
    ("flaw", "told"),
    [({"load_shift": ["grade=-0.07 above 40"]}, {"reward.load_shift"}),
     pytest.param({"worker_shift": ["grade=0.1"]}, {"reward.worker_shift"}, marks=pytest.mark.slow)],
)  # fmt: skip
def test_each_flaw_is_told_as_what_it_is(flaw, told):
    assert flaws_found(5, QUICK_S, **flaw) == told


@pytest.mark.slow
def test_flaws_lie_within_their_intervals_in_nineteen_of_twenty_seeds():
    tries = [found_within_its_interval(seed) for seed in range(20)]
    assert all(sum(one) >= 19 for one in zip(*tries, strict=True)), tries


@pytest.mark.slow
def test_flaws_that_are_not_there_are_not_told_in_nineteen_of_twenty_seeds():
    told = [flaws_found(seed, PATIENT_S, noise=["grade=0.1"]) - {"reward.noisy"} for seed in range(20)]
    assert sum(map(bool, told)) <= 1, told


# -- the order of things


def test_every_sample_is_dealt_once_a_round_and_evenly():
    deal = dealt(100, 8, range(3), seed=1)
    assert len(deal) == 300
    for number in range(3):
        of_round = deal[100 * number : 100 * number + 100]
        assert sorted(sample for sample, _ in of_round) == list(range(100))
        lanes = [lane for _, lane in of_round]
        assert {lanes.count(lane) for lane in range(8)} == {12, 13}
    assert deal == dealt(100, 8, range(3), seed=1) != dealt(100, 8, range(3), seed=2)


@pytest.mark.slow
def test_marks_count_only_while_every_lane_is_busy(clock):
    in_flight, most_calm, under_load = 0, 0, []

    async def play() -> Studied:
        nonlocal in_flight

        def respond(request: RawRequest):
            nonlocal in_flight, most_calm
            in_flight += 1
            seen.append(in_flight)
            yield 0.05
            in_flight -= 1
            yield http(200, b'{"score":1.0}')

        seen: list[int] = []
        server = ScriptServer(respond)
        async with serving(server):
            orders = Orders(repeats=1, lanes=16, load=True, seed=1)
            found = await studied(endpoint(f"http://127.0.0.1:{server.port}"), orders, count=48)
        most_calm, under_load[:] = max(seen[:48]), seen[48 + 16 :]
        return found

    found = trio.run(play, clock=clock)
    assert most_calm <= 4
    assert [
        sum(mark.phase == phase for mark in found.sheet.marks) for phase in ("before", "load", "after")
    ] == [48] * 3
    assert under_load[:48] == [16] * 48
    assert 10 < found.sheet.in_flight <= 16


@pytest.mark.slow
def test_a_rate_limit_keeps_fewer_in_flight_and_that_is_told(clock):
    async def play() -> Studied:
        server = ScriptServer(lambda _request: [0.05, http(200, b'{"score":1.0}')])
        async with serving(server):
            url = f"http://127.0.0.1:{server.port}/grade"
            limited = Grader("endpoint", "judge", Endpoint("judge", "grader", url, rate_limit=40.0))
            return await studied(limited, Orders(repeats=1, lanes=16, load=True, seed=1), count=48)

    assert trio.run(play, clock=clock).sheet.in_flight == pytest.approx(2.0, abs=0.6)


def refuse(_request: RawRequest):
    return [http(500, b"{}")]


@pytest.mark.slow
def test_a_grader_that_gives_no_score_is_not_asked_for_ever(clock):
    async def play():
        server = ScriptServer(refuse)
        async with serving(server):
            return await studied(endpoint(f"http://127.0.0.1:{server.port}"))

    found = trio.run(play, clock=clock)
    assert HOPELESS <= len(found.sheet.marks) < HOPELESS + 4
    summary = grader_summary("endpoint", CASES, found.sheet.marks, {}, Terms(1))
    assert summary.scores.mean is None
    (missing,) = findings_of(summary, "judge")
    assert (missing.code, missing.severity) == ("reward.missing", "error")
    assert "unresponsive_reward_error" in missing.message
    assert "http_5xx (HTTP 500) after 4 attempts" in found.sheet.marks[0].details


@pytest.mark.slow
def test_the_time_limit_keeps_what_was_graded(clock):
    def slow(_request: RawRequest):
        return [1.0, http(200, b'{"score":1.0}')]

    async def play():
        server = ScriptServer(slow)
        async with serving(server):
            return await studied(endpoint(f"http://127.0.0.1:{server.port}"), time_limit_s=10.5)

    found = trio.run(play, clock=clock)
    assert found.unfinished
    assert len(found.sheet.marks) == 40


@pytest.mark.slow
def test_an_end_under_load_keeps_how_many_were_in_flight(clock):
    async def play():
        server = ScriptServer(lambda _request: [1.0, http(200, b'{"score":1.0}')])
        async with serving(server):
            url = f"http://127.0.0.1:{server.port}"
            orders = Orders(repeats=2, lanes=16, load=True, seed=1)
            return await studied(endpoint(url), orders, count=32, time_limit_s=18.5)

    found = trio.run(play, clock=clock)
    assert found.unfinished
    assert {mark.phase for mark in found.sheet.marks} == {"before", "load"}
    assert 4 < found.sheet.in_flight <= 16


# -- graders of other kinds


EXACT = {"type": "string_check", "operation": "eq", "input": "{{sample.output_text}}"}
EXACT |= {"reference": "{{item.reference_answer}}"}


def local(kind, settings, **graders):
    return Grader(kind, kind, settings=settings, graders=graders)


def test_graders_of_texts_python_and_formulas_need_no_endpoint():
    exact = local("string_check", EXACT)
    python = local(
        "python", {"source": "def grade(sample, item):\n    return len(sample['output_text']) / 8\n"}
    )
    multi = local("multi", {"calculate_output": "(a + 3 * b) / 4"}, a=exact, b=python)
    found = trio.run(
        partial(studied, multi, Orders(2, 1, load=False, seed=1), against={"exact": exact}, count=6)
    )
    assert first_scores(6, found.sheet.marks).tolist() == [0.625] * 6
    assert first_scores(6, found.others["exact"].marks).tolist() == [1.0] * 6
    assert {mark.connection for mark in found.sheet.marks} == {-1}


def test_a_multi_without_one_of_its_scores_has_none():
    broken = local("python", {"source": "def grade(sample, item):\n    raise KeyError('x')\n"})
    multi = local("multi", {"calculate_output": "a"}, a=broken)
    found = trio.run(partial(studied, multi, Orders(1, 1, load=False, seed=1), count=3))
    assert {(mark.score, mark.error) for mark in found.sheet.marks} == {(None, "python_grader_runtime_error")}
    assert found.sheet.marks[0].details.startswith("a: ")
