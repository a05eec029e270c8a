"""Recorded rollouts of every format, replayed against a server that notes what it is sent, and when."""

import heapq
import json

import pytest
import trio

from simulator.dialects.openai import OpenAI
from simulator.engine.journal import Journal
from simulator.engine.session import conduct
from simulator.engine.shard import Setup, Tools
from simulator.job.replay import replay_of
from simulator.job.replayed import compare
from simulator.job.scenario import Overrides, load_scenario
from simulator.plan.schedule import schedule
from simulator.redaction import redactor
from simulator.testing import ScriptServer, http, serving
from simulator.transport.http11 import Http11
from tests.job.traces import played, stories

SERVICE_S = 0.05
SCALE = 0.05  # virtual time is not for nothing: what watches a run has its say four times a second


class Recorder:
    """A server that answers after SERVICE_S, as the story has it, and notes what came when."""

    def __init__(self):
        self.server = ScriptServer(self._answer)
        self.seen: list[tuple[float, str, str, str]] = []
        self.graded: list[dict] = []

    def _answer(self, request):
        body = request.json()
        if request.target == "/grade":
            self.graded.append(body)
            return [http(200, b'{"score":0.75}')]
        self.seen.append((trio.current_time(), body["trace_id"], body["name"], body["arguments"]))
        ids = {"id": body["id"], "call_id": body["call_id"]}
        said = {"type": "function_call_output", **ids, "output": stories.OUTPUTS[body["arguments"]]}
        return [SERVICE_S, http(200, json.dumps(said).encode())]

    def sets(self):
        """Return what came together, set by set."""
        moments = sorted({round(moment, 2) for moment, *_ in self.seen})
        return [
            sorted((name, arguments) for moment, _, name, arguments in self.seen if round(moment, 2) == at)
            for at in moments
        ]


def scenario_in(folder, url, toml="", **overrides):
    tools = [{"name": name, "server_url": f"{url}tool"} for name in ("search", "cat")]
    job = {
        "training_file": "rows.jsonl",
        "validation_file": "rows.jsonl",
        "method": {"type": "reinforcement", "reinforcement": {
            "tools": tools,
            "grader": {"type": "endpoint", "name": "judge", "url": f"{url}grade"},
            "hyperparameters": {"batch_size": 1},
        }},
    }  # fmt: skip
    (folder / "job.json").write_text(json.dumps(job))
    (folder / "rows.jsonl").write_text(json.dumps(stories.ROW) + "\n")
    (folder / "scenario.toml").write_text('job = "job.json"\n' + toml)
    return load_scenario(str(folder / "scenario.toml"), Overrides(**overrides), {})


async def play(folder, recorder, story, toml="", *, time_scale=SCALE, **overrides):
    recording = folder / "recording"
    recording.write_text(story)
    async with serving(recorder.server):
        overrides |= {"traces": (str(recording),), "time_scale": time_scale}
        scenario = scenario_in(folder, recorder.server.url, toml, **overrides)
        replay = replay_of(scenario)
        setup = Setup(
            scenario="s",
            job=scenario.job,
            load=scenario.load,
            rules=scenario.rules,
            dialect=OpenAI(),
            phases=schedule(scenario.job, scenario.load, scenario.train, (), replay.recorded),
            policy=scenario.policy,
            make_policy=replay.make_policy,
            seed=1,
            started_at="2026-01-01T00:00:00Z",
            run_key="a-run",
            digests=True,
        )
        with Journal(folder / "rollouts.jsonl") as journal:
            summary = await conduct(setup, Tools(Http11, journal, redactor([])), lambda _: None)
        compared, scores = compare(journal.path, replay, summary, redactor([]))
    return summary, compared, scores


@pytest.mark.parametrize("name", stories.STORIES)
async def test_what_was_recorded_is_sent_again_in_the_same_sets(clock, tmp_path, name):
    recorder = Recorder()
    summary, _, _ = await play(tmp_path, recorder, stories.STORIES[name](), as_recorded=True)
    assert recorder.sets() == [sorted(together) for together in stories.SETS]
    assert len({trace for _, trace, _, _ in recorder.seen}) == 1
    (graded,) = recorder.graded
    assert graded["sample"]["output_text"] == stories.ANSWER
    assert graded["item"] == stories.ROW
    assert summary.rollouts.graded == 1


@pytest.mark.parametrize("scale", [0.05, 0.1])
async def test_thinking_takes_as_long_as_was_recorded(clock, tmp_path, scale):
    recorder = Recorder()
    await play(tmp_path, recorder, stories.evaluation(), as_recorded=True, time_scale=scale)
    moments = sorted({round(moment, 2) for moment, *_ in recorder.seen})
    assert moments[1] - moments[0] == pytest.approx(SERVICE_S + 2.0 * scale, abs=0.02)


async def test_a_burst_replays_what_was_recorded_under_fresh_ids(clock, tmp_path):
    recorder = Recorder()
    toml = "[load]\ngroup_size = 3\nevaluation = false\n"
    summary, compared, _ = await play(tmp_path, recorder, stories.chat(), toml)
    traces = [trace for _, trace, _, _ in recorder.seen]
    assert len(set(traces)) == 3
    assert {traces.count(trace) for trace in traces} == {3}
    assert (compared.recordings, compared.rollouts, compared.tools.calls) == (1, 3, 9)
    assert (compared.pass_then_s, compared.pass_ratio) == (None, None), "a burst is not the recorded pass"
    assert summary.load.mode == "training"


async def test_then_and_now_are_compared_call_by_call(clock, tmp_path):
    recorder = Recorder()
    _, compared, scores = await play(tmp_path, recorder, stories.evaluation(), as_recorded=True)
    assert compared.tools.times.then_ms.count == 3
    assert compared.tools.times.then_ms.mean == pytest.approx(4000 / 3, rel=1e-3)
    assert compared.tools.times.now_ms.p50 == pytest.approx(50, rel=0.05)
    assert compared.tools.times.ratio == pytest.approx(0.0375, rel=0.05)
    assert compared.tools.times.ratio_at_scale == pytest.approx(0.75, rel=0.05)
    assert [(tool.name, tool.calls) for tool in compared.by_tool] == [("cat", 1), ("search", 2)]
    assert (compared.tools.outputs.equal, compared.examples) == (3, ())
    assert compared.pass_then_s == pytest.approx(9.0)
    assert compared.pass_ratio == pytest.approx((6 * SCALE + 2 * SERVICE_S) / (9 * SCALE), rel=0.05)
    assert compared.rollout.then_ms.mean == pytest.approx(9000)
    assert list(scores.values()) == [0.75]


async def test_outputs_are_equal_changed_or_errors(clock, tmp_path, monkeypatch):
    recorder = Recorder()
    changed = {'{"q":"a"}': " found a\n", '{"p":"b"}': "Error: gone", '{"q":"c"}': "found c"}
    story = stories.evaluation()
    monkeypatch.setattr(stories, "OUTPUTS", changed)
    _, compared, _ = await play(tmp_path, recorder, story, as_recorded=True)
    outputs = compared.tools.outputs
    assert (outputs.equal, outputs.changed, outputs.error_now, outputs.error_then) == (1, 0, 1, 1)
    (example,) = compared.examples
    assert (example.endpoint, example.then, example.now, example.is_error) == (
        "cat",
        "read b",
        "Error: gone",
        True,
    )
    assert (example.recording, example.arguments) == ("trace_1", '{"p":"b"}')


# -- a queue


def as_export(recording):
    """Return a recording as a row of the platform's export of a training step."""

    def span(data, begins, ends):
        return {
            "trace_id": recording.trace_id, "started_at": stories.at(begins), "ended_at": stories.at(ends),
            "span_data": data,
        }  # fmt: skip

    spans, now = [], recording.started
    for turn in recording.turns:
        spans.append(span({"type": "generation"}, now, now + turn.think_s))
        for call in turn.calls:
            data = {"type": "function", "name": call.name, "input": call.arguments, "output": call.output}
            spans.append(span(data, call.started, call.ended))
            now = call.ended
    item = {"messages": [{"role": "user", "content": recording.key}], "trace": {"spans": spans}}
    return json.dumps({"item": item, "sample": {"outputs": [{"content": "blue"}]}, "grades": {"g": 0.5}})


class Queue(Recorder):
    """A server that serves so many calls at a time, in their order, a second each at the recording's pace."""

    def __init__(self, servers):
        super().__init__()
        self.free_at = [0.0] * servers

    def _answer(self, request):
        if request.target == "/grade":
            return [http(200, b'{"score":0.5}')]
        body, now = request.json(), trio.current_time()
        begins = max(now, heapq.heappop(self.free_at))
        heapq.heappush(self.free_at, begins + SCALE_OF_QUEUE)
        ids = {"id": body["id"], "call_id": body["call_id"]}
        said = {"type": "function_call_output", **ids, "output": "ok"}
        return [begins + SCALE_OF_QUEUE - now, http(200, json.dumps(said).encode())]


SCALE_OF_QUEUE = 0.05


@pytest.fixture
def queued():
    """Recordings of 50 rollouts, 32 in flight, whose calls were served one at a time."""
    servers = played.Queue(1, lambda _: 1.0)
    return "\n".join(map(as_export, played.play(1, servers, began=0.0, tools=("search", "cat"))))


@pytest.mark.slow
async def test_the_same_queue_takes_the_same_time(clock, tmp_path, queued):
    _, compared, _ = await play(tmp_path, Queue(1), queued, as_recorded=True, time_scale=SCALE_OF_QUEUE)
    assert compared.pass_ratio == pytest.approx(1.0, abs=0.05)
    assert compared.tools.times.ratio_at_scale == pytest.approx(1.0, abs=0.1)
    for percentile in ("p50", "p90"):
        then = getattr(compared.rollout.then_ms, percentile) * SCALE_OF_QUEUE
        assert getattr(compared.rollout.now_ms, percentile) == pytest.approx(then, rel=0.15)


@pytest.mark.slow
async def test_a_wider_queue_takes_a_fraction_of_it(clock, tmp_path, queued):
    summary, compared, _ = await play(tmp_path, Queue(8), queued, as_recorded=True, time_scale=SCALE_OF_QUEUE)
    assert compared.pass_ratio < 0.5
    assert summary.steps[0].in_flight_max == 32
