"""The same rollout in every format; and what each has of its own that the files beside this do not test."""

import gzip
import json

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.job.traces.formats import FORMATS, otlp
from simulator.job.traces.formats.atif import ATIF
from simulator.job.traces.formats.otlp import OTLP
from simulator.job.traces.formats.tau2 import TAU2
from simulator.job.traces.reading import Traces, is_recording
from simulator.job.traces.recording import PARALLEL, RecordedCall, key_of, unwrapped
from simulator.job.traces.survey import Survey
from simulator.job.traces.told import findings_of
from simulator.measure.recorded import Reading
from tests.job.traces import stories
from tests.job.traces.mutating import assert_sound, fuzz, mutated

UNTIMED_AFTER_CALLS = {"atif"}  # it does not record when calls end
WITHOUT_ROW = {"own", "tau2"}  # they name the row, or its task


def read(path, story):
    path.write_bytes(story if isinstance(story, bytes) else story.encode())
    traces = Traces([path])
    return list(traces), traces


@pytest.mark.parametrize("name", stories.STORIES)
def test_the_story_is_the_same_in_every_format(tmp_path, name):
    (one,), traces = read(tmp_path / "x", stories.STORIES[name]())
    asked = [[(call.name, call.arguments) for call in turn.calls] for turn in one.turns]
    assert [sorted(together) for together in asked] == [*map(sorted, stories.SETS), []]
    assert (one.answer, one.score, one.finished) == (stories.ANSWER, stories.SCORE, True)
    outputs = {call.arguments: call.output for call in one.recorded_calls}
    assert outputs == stories.OUTPUTS
    if name not in WITHOUT_ROW:
        assert one.key == key_of(stories.QUESTION)
    seconds = [[call.seconds for call in turn.calls] for turn in one.turns[:-1]]
    if name in UNTIMED_AFTER_CALLS:
        assert [turn.think_s for turn in one.turns] == [pytest.approx(3.0), None, None]
        assert seconds == [[None, None], [None]]
    else:
        assert [turn.think_s for turn in one.turns] == pytest.approx(stories.THINK_S, abs=1e-5)
        assert [sorted(together) for together in seconds] == [
            pytest.approx(sorted(together), abs=1e-5) for together in stories.SECONDS
        ]
        assert one.ended - one.started == pytest.approx(9.0, abs=0.01)
    assert len(traces.formats) == 1


@pytest.mark.parametrize("name", stories.STORIES)
@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress], ids=["gzip", "zstd"])
def test_compressed_files_are_told_by_their_content(tmp_path, name, pack):
    path = tmp_path / "recording.txt"
    (one,), _ = read(path, pack(stories.STORIES[name]().encode()))
    assert len(one.calls) == 3
    assert is_recording(path)


@pytest.mark.parametrize("name", stories.STORIES)
def test_no_two_formats_claim_the_same_value(name):
    value = json.loads(stories.STORIES[name]())
    lists = [value[key] for key in ("items", "simulations") if key in value]
    claimed = [kind.name for kind in FORMATS if kind.is_one(lists[0][0] if lists else value)]
    first, others = claimed[0], claimed[1:]
    assert not others or (name, others) == ("tau2", ["chat completions"])
    assert first


# -- OpenTelemetry


def spans_of(story):
    return json.loads(story)["resourceSpans"][0]["scopeSpans"][0]["spans"]


def export(*spans):
    return {"resourceSpans": [{"scopeSpans": [{"spans": list(spans)}]}]}


def test_spans_of_a_trace_may_lie_in_many_exports_and_come_twice():
    reader, spans = OTLP.reader(), spans_of(stories.otlp())
    for span in (*reversed(spans), spans[0]):
        assert list(reader.read(export(span))) == []
    (one,) = reader.rest()
    assert len(one.calls) == 3
    assert one.score == stories.SCORE
    assert list(reader.rest()) == []


def test_of_open_traces_only_the_last_touched_are_kept(monkeypatch):
    monkeypatch.setattr(otlp, "MOST_OPEN", 2)
    reader, (tool, *_) = OTLP.reader(), spans_of(stories.otlp())
    traces = [export(tool | {"traceId": name, "spanId": f"{name}{n}"}) for n, name in enumerate("abacd")]
    closed = [[one.trace_id for one in reader.read(trace)] for trace in traces]
    assert closed == [[], [], [], ["b"], ["a"]]
    assert [one.trace_id for one in reader.rest()] == ["c", "d"]


def test_openinference_names_and_snake_case_are_known():
    def span(number, kind, begins, ends, **more):
        attributes, code = (
            {"openinference.span.kind": kind, **more},
            "STATUS_CODE_ERROR" if number == 3 else 0,
        )
        return {
            "trace_id": "t", "span_id": f"s{number}", "start_time_unix_nano": int(begins * 1e9),
            "end_time_unix_nano": int(ends * 1e9), "status": {"code": code},
            "attributes": [{"key": k, "value": {"string_value": text}} for k, text in attributes.items()],
        }  # fmt: skip

    model = {
        "llm.input_messages.0.message.role": "user", "llm.input_messages.0.message.content": "What?",
        "llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": "So.",
    }  # fmt: skip
    arguments = {"tool.name": "look", "input.value": '{"q":1}', "output.value": "seen"}
    spans = [
        span(1, "LLM", 0, 2, **model),
        span(2, "TOOL", 2, 3, **arguments),
        span(3, "TOOL", 2.5, 4, **arguments),
    ]
    (one,) = _all(OTLP, {"resource_spans": [{"scope_spans": [{"spans": spans}]}]})
    assert [call.name for call in one.recorded_calls] == ["look", "look"]
    assert [call.failed for call in one.recorded_calls] == [False, True]
    assert (len(one.turns), one.turns[0].think_s) == (1, 2.0)
    assert (one.answer, one.key) == ("So.", key_of([{"role": "user", "content": "What?"}]))


def test_what_happens_inside_a_tool_is_its_own_affair():
    tool, *others = spans_of(stories.otlp())
    inner = [
        {**span, "spanId": f"inner{n}", "parentSpanId": tool["spanId"]}
        for n, span in enumerate((tool, others[2]))
    ]
    (one,) = _all(OTLP, export(tool, *others, *inner))
    assert len(one.calls) == 3


def test_an_evaluation_may_be_a_log_record_and_values_of_any_type():
    record = {
        "traceId": spans_of(stories.otlp())[0]["traceId"], "eventName": "gen_ai.evaluation.result",
        "attributes": [{"key": "gen_ai.evaluation.score.value", "value": {"intValue": "1"}}],
    }  # fmt: skip
    reader = OTLP.reader()
    list(reader.read(json.loads(stories.otlp())))
    list(reader.read({"resourceLogs": [{"scopeLogs": [{"logRecords": [record]}]}]}))
    assert next(iter(reader.rest())).score == 1.0


def test_a_trace_without_tools_and_models_is_no_rollout_and_a_broken_export_loses_nothing():
    reader, spans = OTLP.reader(), spans_of(stories.otlp())
    list(reader.read(export(spans[0])))
    with pytest.raises(TypeError):
        list(reader.read(export(spans[1], {**spans[2], "spanId": 7})))
    list(reader.read(export({**spans[1], "traceId": "other", "attributes": []})))
    assert [len(one.calls) for one in reader.rest()] == [1]


# -- ATIF, tau2


def _all(kind, *values):
    reader = kind.reader()
    whole = [one for value in values for one in reader.read(value)]
    return [*whole, *reader.rest()]


def test_a_gap_is_the_models_where_no_calls_came_before_it():
    steps = json.loads(stories.atif())["steps"]
    steps.insert(2, {"step_id": 9, "timestamp": stories.at(1), "source": "agent", "message": "I will look."})
    (one,) = _all(ATIF, {"schema_version": "ATIF-v1.0", "session_id": "s", "steps": steps})
    assert one.turns[0].think_s == pytest.approx(3.0), "one second, and two more"


def test_a_reward_among_the_extras_is_the_score():
    trajectory = json.loads(stories.atif()) | {"score": None, "extra": {"reward": 0.5}}
    assert _all(ATIF, trajectory)[0].score == 0.5


def simulation(**changes):
    return json.loads(stories.tau2())["simulations"][0] | changes


def test_calls_of_a_simulated_user_are_not_replayed_and_take_no_time_of_the_models():
    messages = simulation()["messages"]
    theirs = {"id": "u", "name": "reboot", "arguments": {}, "requestor": "user"}
    messages[2:2] = [
        {"role": "assistant", "content": "Please reboot.", "timestamp": stories.at(1)},
        {"role": "user", "tool_calls": [theirs], "timestamp": stories.at(2)},
        {"role": "tool", "id": "u", "content": "done", "requestor": "user", "timestamp": stories.at(2.5)},
    ]
    (one,) = _all(TAU2, simulation(messages=messages))
    assert [call.name for call in one.recorded_calls] == ["search", "cat", "search"]
    assert one.turns[0].think_s == pytest.approx(1.5), "one second before, half a second after the user"


def test_simulations_that_ended_in_an_infrastructure_error_are_left_out():
    assert _all(TAU2, simulation(termination_reason="infrastructure_error")) == []
    assert len(_all(TAU2, simulation(termination_reason="max_steps"))) == 1


def test_answers_of_several_tools_may_be_one_message():
    messages = simulation()["messages"]
    together = {"role": "tool", "tool_messages": messages[3:5], "timestamp": stories.at(5)}
    (one,) = _all(TAU2, simulation(messages=[*messages[:3], together, *messages[5:]]))
    assert [call.output for call in one.recorded_calls] == ["found a", "read b", "Error: no c"]


# -- calls in one


TWO_USES = """{"tool_uses": [{"recipient_name": "functions.a", "parameters": {"x": 1}},
                             {"recipient_name": "functions.b"}]}"""


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (TWO_USES, ["a", "b"]),
        ('{"tool_uses":[{"recipient_name":"a","parameters":{}},{"recipient_name":"functions.b"}]}', []),
        ("{}", []), ("nothing", []), ('{"tool_uses":[7]}', []), ("[]", []), ('{"tool_uses":{"a":1}}', []),
    ],
)  # fmt: skip
def test_parallel_calls_are_taken_apart_as_the_platform_does(arguments, names):
    inner = unwrapped(RecordedCall(PARALLEL, arguments, output='["one", {"two": 2}]', started=1.0, ended=2.0))
    assert [call.name for call in inner] == names
    if names:
        assert [(call.arguments, call.output) for call in inner] == [('{"x":1}', "one"), ("{}", '{"two":2}')]
        assert [call.seconds for call in inner] == [None, None]


# -- hostile input


def of_hostile(traces):
    """Yield the rollouts, which are sound; what else there is to say is one line."""
    try:
        for one in traces:
            assert_sound(one)
            yield one
    except InputError as error:
        said = str(error)
        assert len(said.splitlines()) == 1


@pytest.mark.parametrize("name", stories.STORIES)
@fuzz
@given(data=st.data())
def test_whatever_stands_in_a_file_is_a_rollout_or_broken(tmp_path_factory, name, data):
    value = data.draw(mutated(json.loads(stories.STORIES[name]())))
    path = tmp_path_factory.getbasetemp() / f"any-{name}"
    path.write_text(json.dumps(value))
    traces, survey = Traces([path], most_broken=1.0), Survey()
    for one in of_hostile(traces):
        survey.add(one, 1)
        assert all(isinstance(call.name, str) for _, call in one.calls)
    findings_of(survey.recorded(Reading(1, dict(traces.formats), traces.records)))


@pytest.mark.parametrize("name", stories.STORIES)
@fuzz
@given(cut=st.integers(1, 5_000), flipped=st.integers(0, 5_000), to=st.integers(0, 255))
def test_files_that_break_off_or_are_damaged_say_so_in_a_line(tmp_path_factory, name, cut, flipped, to):
    for pack in (bytes, gzip.compress):
        whole = bytearray(pack(stories.STORIES[name]().encode()))
        whole[flipped % len(whole)] = to
        path = tmp_path_factory.getbasetemp() / f"cut-{name}"
        path.write_bytes(bytes(whole[: max(1, cut % len(whole))]))
        list(of_hostile(Traces([path], most_broken=1.0)))
