"""Trajectories of agents in ATIF, of its older and newer versions."""

import copy

import pytest
from hypothesis import given

from simulator.job.traces.format import BROKEN
from simulator.job.traces.formats.atif import ATIF
from simulator.job.traces.recording import key_of

from .mutating import anything, assert_read_or_broken, fuzz, mutated


def at(second):
    return f"2025-10-16T14:30:{second:02}Z"


def asks(*calls):
    return [
        {"tool_call_id": call_id, "function_name": name, "arguments": {"of": call_id}}
        for call_id, name in calls
    ]


def answers(**outputs):
    return {"results": [{"source_call_id": call_id, "content": text} for call_id, text in outputs.items()]}


STEPS = [
    {"step_id": 1, "source": "system", "message": "Be brief.", "timestamp": at(0)},
    {"step_id": 2, "source": "user", "message": "Which colour?", "timestamp": at(0)},
    {"step_id": 3, "source": "agent", "message": "I will look.", "timestamp": at(2),
     "reasoning_content": "Where could it be?", "metrics": {"prompt_tokens": 9}},
    {"step_id": 4, "source": "agent", "message": "", "timestamp": at(5),
     "tool_calls": asks(("a", "find"), ("b", "read")), "observation": answers(b="second", a="first")},
    {"step_id": 5, "source": "agent", "message": "One more.", "timestamp": at(20),
     "tool_calls": asks(("c", "read")), "observation": answers(c="third")},
    {"step_id": 6, "source": "agent", "message": "Light or dark?", "timestamp": at(30)},
    {"step_id": 7, "source": "user", "message": "Dark.", "timestamp": at(50)},
    {"step_id": 8, "source": "agent", "message": "Blue.", "timestamp": at(54)},
]  # fmt: skip
WHOLE = {
    "schema_version": "ATIF-v1.4", "session_id": "run-1",
    "agent": {"name": "terminus-2", "version": "2.0", "model_name": "some"}, "steps": STEPS,
    "final_metrics": {"total_steps": 8, "extra": {"reward": 0.5}}, "extra": {"task": "colours"},
}  # fmt: skip


def read(value):
    assert ATIF.is_one(value)
    reader = ATIF.reader()
    (one,) = reader.read(copy.deepcopy(value))
    assert list(reader.rest()) == []
    return one


def with_step(number, **changes):
    return WHOLE | {"steps": [step | changes if step["step_id"] == number else step for step in STEPS]}


def names(one):
    return [[call.name for call in turn.calls] for turn in one.turns]


def test_the_calls_of_a_step_are_a_set():
    one = read(WHOLE)
    assert names(one) == [["find", "read"], ["read"], []]
    assert (one.answer, one.score, one.trace_id, one.finished) == ("Blue.", 0.5, "run-1", True)
    assert (
        one.key
        == one.group
        == key_of([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Which colour?"}])
    )
    assert one.item is None
    assert one.fields["agent"] == WHOLE["agent"]


def test_a_gap_is_the_models_unless_calls_came_before_it():
    one = read(WHOLE)
    assert [turn.think_s for turn in one.turns] == [2 + 3, None, None]
    assert one.ended - one.started == 54
    assert [call.seconds for call in one.recorded_calls] == [None, None, None]


def test_the_time_of_a_user_is_not_the_models():
    steps = [STEPS[1], *STEPS[5:]]
    (turn,) = read(WHOLE | {"steps": steps}).turns
    assert (turn.calls, turn.think_s) == ((), 30 + 4)


def test_results_find_their_calls_by_id_or_in_their_order():
    by_id = [(call.call_id, call.arguments, call.output) for call in read(WHOLE).recorded_calls]
    assert by_id == [
        ("a", '{"of":"a"}', "first"),
        ("b", '{"of":"b"}', "second"),
        ("c", '{"of":"c"}', "third"),
    ]
    in_order = {"results": [{"content": "first"}, {"source_call_id": None, "content": "second"}]}
    assert [call.output for call in read(with_step(4, observation=in_order)).recorded_calls[:2]] == [
        "first",
        "second",
    ]


@pytest.mark.parametrize(
    ("content", "output"),
    [
        (
            [
                {"type": "text", "text": "fi"},
                {"type": "image", "source": {}},
                {"type": "text", "text": "rst"},
            ],
            "first",
        ),
        ("", ""),
        (None, None),
        ({"rows": 2}, '{"rows":2}'),
    ],
)
def test_contents(content, output):
    (call, *_) = read(with_step(4, observation=answers(a=content))).recorded_calls
    assert call.output == output


def test_messages_of_newer_versions_have_parts():
    parts = [{"type": "text", "text": "Bl"}, {"type": "text", "text": "ue."}]
    assert read(with_step(8, message=parts)).answer == "Blue."


def test_what_a_trajectory_that_breaks_off_does_not_have():
    one = read(WHOLE | {"steps": STEPS[:4]})
    assert names(one) == [["find", "read"]]
    assert (one.answer, one.finished, one.ended) == ("", False, None)


@pytest.mark.parametrize("observation", [None, {"results": []}, answers(z="another's")])
def test_the_gap_after_calls_is_nobodys_though_no_result_was_recorded(observation):
    assert read(with_step(4, observation=observation)).turns[1].think_s is None


def test_calls_without_arguments_have_none():
    calls = [{"tool_call_id": "c", "function_name": "read", "arguments": None}]
    assert read(with_step(5, tool_calls=calls)).recorded_calls[2].arguments == "{}"


def test_copied_steps_are_what_was_known_before():
    copied = [step | {"is_copied_context": True} for step in STEPS[:4]]
    one = read(WHOLE | {"steps": [*copied, *STEPS[4:]]})
    assert (names(one), one.key) == ([["read"], []], read(WHOLE).key)
    assert one.turns[0].think_s is None
    assert one.ended - one.started == 54 - 20


def test_a_document_may_have_an_id_of_its_own_where_the_run_has_none():
    assert read(WHOLE | {"session_id": None, "trajectory_id": "doc-1"}).trace_id == "doc-1"
    assert read(WHOLE | {"trajectory_id": "doc-1"}).trace_id == "run-1"


def test_steps_need_no_moments():
    bare = [{name: value for name, value in step.items() if name != "timestamp"} for step in STEPS]
    one = read(WHOLE | {"steps": bare})
    assert [turn.think_s for turn in one.turns] == [None, None, None]
    assert (one.started, one.ended) == (None, None)


def test_sub_agents_are_not_read():
    ref = [{"trajectory_id": "child", "trajectory_path": "child.json"}]
    result = {"source_call_id": "c", "content": "third", "subagent_trajectory_ref": ref}
    child = WHOLE | {"trajectory_id": "child"}
    one = read(with_step(5, observation={"results": [result]}) | {"subagent_trajectories": [child]})
    assert names(one) == names(read(WHOLE))


def test_observations_without_calls_say_nothing():
    on_system = with_step(1, observation={"results": [{"content": "a checkpoint"}]})
    assert read(on_system).turns == read(WHOLE).turns
    on_agent = with_step(3, observation={"results": [{"content": "a screen"}]})
    assert read(on_agent).turns == read(WHOLE).turns


@pytest.mark.parametrize(
    ("fields", "score"),
    [
        ({"extra": {"reward": 1}}, 1.0),
        ({"final_metrics": {"reward": 0.25}}, 0.25),
        ({"final_metrics": {"extra": {"score": 0.75}}}, 0.75),
        ({"reward": 0.5, "extra": {"reward": 1}}, 0.5),
        ({"extra": {"reward": "high"}}, None),
        ({"final_metrics": None, "extra": None}, None),
    ],
)
def test_scores(fields, score):
    assert read(WHOLE | {"final_metrics": {}, "extra": {}} | fields).score == score


@pytest.mark.parametrize("version", ["ATIF-v1.0", "ATIF-v1.7", None])
def test_all_versions_are_known(version):
    assert names(read(WHOLE | {"schema_version": version})) == names(read(WHOLE))


def test_a_version_tells_a_trajectory_that_has_no_steps_yet():
    one = read({"schema_version": "ATIF-v1.7", "steps": []})
    assert (one.turns, one.key, one.answer, one.trace_id) == ((), "", "", "")


@pytest.mark.parametrize(
    "value",
    [
        {"schema_version": "ATIF-v1.4"},
        {"schema_version": "ATIF-v1.4", "steps": {}},
        {"steps": []},
        {"steps": [{"source": "elsewhere"}]},
        {"steps": [{"source": ["agent"]}]},
        {"steps": ["agent"]},
        STEPS,
        [WHOLE],
        {},
        None,
        "ATIF",
    ],
)
def test_what_is_no_trajectory(value):
    assert not ATIF.is_one(value)


@pytest.mark.parametrize(
    "broken",
    [
        {"tool_calls": 7},
        {"tool_calls": [{"tool_call_id": "a", "arguments": {}}]},
        {"tool_calls": [{"tool_call_id": "a", "function_name": 7}]},
        {"tool_calls": [{"tool_call_id": {}, "function_name": "find"}]},
        {"tool_calls": ["find"]},
        {"observation": [7]},
        {"observation": {"results": ["first"]}},
    ],
)
def test_what_is_broken(broken):
    with pytest.raises(BROKEN):
        read(with_step(4, **broken))


def test_a_step_without_a_source_is_broken():
    with pytest.raises(BROKEN):
        read(WHOLE | {"steps": [*STEPS, {"step_id": 9, "message": "Blue."}]})


@fuzz
@given(mutated(WHOLE))
def test_any_part_may_be_anything(value):
    assert_read_or_broken(ATIF, value)


@fuzz
@given(anything)
def test_a_look_never_raises(value):
    for given_value in (value, {"steps": value}, {"steps": [value], "schema_version": value}):
        assert ATIF.is_one(given_value) in (False, True)
