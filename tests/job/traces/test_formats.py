"""The same rollout in every format; and what each has of its own that the files beside this do not test."""

import gzip
import json

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.job.traces.formats import FORMATS
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
