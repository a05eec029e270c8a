"""From recordings to what a run replays: items, names of tools, order, and what is refused."""

import json

import pytest

from simulator.errors import InputError, ScenarioError
from simulator.job import replay as module
from simulator.job.replay import replay_of
from simulator.job.scenario import Overrides, load_scenario
from simulator.model import RolloutSpec

from .folder import ENVIRON, rows, write_folder

TOML = """\
job = "job.json"
policy = "again"

[policies.again]
kind = "recorded"
traces = ["traces/*.jsonl"]
"""


def conversation(question, *names, answer="done", begins=None, seconds=10.0):
    """A recorded rollout that calls these tools in one turn."""
    calls = [{"id": name, "function": {"name": name, "arguments": '{"query":"x"}'}} for name in names]
    moments = {} if begins is None else {"timestamp": begins}
    later = {} if begins is None else {"timestamp": begins + seconds}
    return {
        "messages": [
            {"role": "system", "content": "A prompt of its own."},
            {"role": "user", "content": question, **moments},
            {"role": "assistant", "tool_calls": calls, **moments},
            *({"role": "tool", "tool_call_id": name, "content": "found", **later} for name in names),
            {"role": "assistant", "content": answer, **later},
        ]
    }


def read(folder, *recorded, toml=TOML, **overrides):
    write_folder(folder, toml=toml)
    (folder / "traces").mkdir(exist_ok=True)
    lines = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in recorded)
    (folder / "traces" / "some.jsonl").write_text(lines)
    scenario = load_scenario("scenario.toml", Overrides(**overrides), ENVIRON)
    return scenario, replay_of(scenario)


def spec_of(item, place=0):
    return RolloutSpec(place, 1, "training", 0, item, place=place)


def question(number):
    return json.loads(rows()[number])["messages"][0]["content"]


def test_recordings_go_with_the_rows_they_are_of(folder):
    asked = [conversation(question(number), "find", answer=f"to {number}") for number in (4, 2, 4)]
    scenario, replay = read(folder, *asked)
    assert replay.take_of(spec_of(scenario.train[2])).answer == "to 2"
    assert replay.take_of(spec_of(scenario.train[4])).answer == "to 4"
    assert replay.casting.is_repeated(spec_of(scenario.train[4], 1)), "both recordings are alike"
    anything = {replay.take_of(spec_of(scenario.train[7], place)).answer for place in range(2)}
    assert anything == {"to 2", "to 4"}


def test_what_is_of_no_row_is_said_and_goes_with_any(folder):
    scenario, replay = read(folder, conversation("something else", "find"), conversation(question(1), "read"))
    assert any("of no row of the job's, and go with any: 1" in note for note in replay.notes)
    assert replay.recorded.items[0] in scenario.train


def test_tools_that_the_job_does_not_have_are_listed_with_the_way_out(folder):
    with pytest.raises(ScenarioError) as caught:
        read(folder, conversation("?", "look", "find"), conversation("?", "look", "fetch"))
    said = str(caught.value)
    assert "calls tools that the job does not have" not in said
    assert "the job does not have: look (2x), fetch (1x); name them in the policy's table" in said
    assert '`tools = {"look" = "..."}`, "none" leaving its calls out; the job has: find, read' in said


def test_tools_can_be_renamed_and_left_out(folder):
    toml = TOML + 'tools = {look = "find", fetch = "none"}\n'
    _, replay = read(folder, conversation("?", "look", "fetch"), toml=toml)
    (turn, _) = replay.takes[0].turns
    assert [call.name for call in turn.calls] == ["find"]


def test_a_turn_of_which_no_call_is_left_goes_on_thinking(folder):
    toml = TOML + 'tools = {fetch = "none"}\n'
    _, replay = read(folder, conversation("?", "fetch", begins=0.0), toml=toml)
    (turn,) = replay.takes[0].turns
    assert turn.calls == ()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('tools = {look = "fly"}', 'scenario.toml:7: the job has no endpoint "fly"; known: find, read'),
        ("think_cap_s = -1", "scenario.toml:7: think_cap_s must be from 0 to 1000000"),
        ("broken = 2", "scenario.toml:7: broken must be from 0 to 1"),
        ('tokens = "many"', "scenario.toml:7: tokens: `many` is no distribution"),
        ('trace = "x"', 'scenario.toml:7: unknown key "trace" in [policies.again]'),
    ],
)
def test_settings_that_cannot_be_used(folder, line, said):
    with pytest.raises(ScenarioError) as caught:
        read(folder, conversation("?", "find"), toml=TOML + line + "\n")
    assert str(caught.value).startswith(said)


def test_a_policy_without_recordings_and_a_load_without_policy(folder):
    with pytest.raises(InputError, match="the policy names no recordings; name files"):
        read(folder, conversation("?", "find"), toml=TOML.replace('traces = ["traces/*.jsonl"]\n', ""))
    with pytest.raises(InputError, match=r"^--as-recorded: there is no recording to go by; pass --traces"):
        read(folder, toml='job = "job.json"\n', as_recorded=True)
    with pytest.raises(InputError, match=r"scenario.toml:3: there is no recording"):
        read(folder, toml='job = "job.json"\n[load]\nmode = "recorded"\n')
    with pytest.raises(InputError, match="no file is named like that"):
        read(folder, toml=TOML.replace("*.jsonl", "*.gz"))


def test_traces_on_the_command_line_take_the_settings_of_the_only_recorded_policy(folder):
    write_folder(folder, toml=TOML.replace('policy = "again"', "") + 'tools = {look = "find"}\n')
    (folder / "x.jsonl").write_text(json.dumps(conversation("?", "look")))
    scenario = load_scenario("scenario.toml", Overrides(traces=("x.jsonl",)), ENVIRON)
    assert scenario.policy == "again"
    assert replay_of(scenario).takes[0].turns[0].calls[0].name == "find"


def test_in_flight_and_order_are_those_of_the_recording(folder):
    recorded = [
        conversation(question(0), "find", begins=5.0, answer="third"),
        conversation(question(1), "find", begins=1.0, answer="first", seconds=1.0),
        conversation(question(0), "find", begins=2.5, answer="second"),
    ]
    scenario, replay = read(folder, *recorded, toml=TOML + '[load]\nmode = "recorded"\n')
    answers = [replay.take_of(RolloutSpec(n, 1, "recorded", 0, scenario.train[0])).answer for n in range(3)]
    assert answers == ["first", "second", "third"]
    assert replay.recorded.groups == [0, 1, 1], "numbered as they begin"
    assert [item.index for item in replay.recorded.items] == [1, 0, 0]
    assert replay.recorded.in_flight == 2
    assert replay.pass_s == pytest.approx(13.5), "for half a second nothing was in flight"


def test_of_too_many_recordings_some_are_drawn(folder, monkeypatch):
    monkeypatch.setattr(module, "MOST_TAKES", 50)
    recorded = [conversation(question(0), "find", answer=f"{number}") for number in range(500)]
    _, replay = read(folder, *recorded)
    numbers = [int(replay.takes[n].answer) for n in range(50)]
    assert len(replay.takes) == len(set(numbers)) == 50
    assert 150 < sum(numbers) / 50 < 350, "from the whole of the file"
    assert any("of 500 recorded rollouts 50 were drawn" in note for note in replay.notes)


def test_broken_records_are_said_and_too_many_are_refused(folder):
    good = [conversation(question(0), "find")] * 39
    _, replay = read(folder, *good, "{}")
    assert any(
        "broken records, left out: 1, the first: " in note and "some.jsonl:40" in note
        for note in replay.notes
    )
    with pytest.raises(InputError, match=r"some.jsonl:1: is no rollout .*, the first of 3 of 42 records"):
        read(folder, "{}", *good, "{}", "[", seed=5)


def test_a_row_that_stands_in_both_datasets_has_its_recordings_in_both(folder):
    scenario, replay = read(
        folder, conversation(question(3), "find", answer="of 3"), conversation("?", "find")
    )
    valid = scenario.valid[3]
    assert (valid.row["messages"], valid.split) == (scenario.train[3].row["messages"], "valid")
    assert replay.take_of(spec_of(valid)).answer == "of 3"


def test_files_that_count_from_moments_of_their_own_do_not_overlap(folder):
    (folder / "traces").mkdir()
    other = conversation(question(1), "find", begins=0.0)
    (folder / "traces" / "other.jsonl").write_text(json.dumps(other))
    _, replay = read(folder, conversation(question(0), "find", begins=5.0))
    assert (replay.recorded.in_flight, replay.pass_s) == (1, pytest.approx(20.0))


def test_what_is_cut_to_the_cap_is_said(folder):
    _, replay = read(folder, conversation("?", "find", begins=0.0), toml=TOML + "think_cap_s = 0\n")
    assert not any("cut to it" in note for note in replay.notes), "there was no thinking"
    late = conversation("?", "find", begins=0.0)
    late["messages"][2]["timestamp"] = 500.0
    _, replay = read(folder, late)
    assert any(note.endswith("over 120 s, and are cut to it: 1") for note in replay.notes)
