"""Values of files of any size: a line each, or the elements of one list, with the lines they stand on."""

import gzip
import json

import pytest
import zstandard

from simulator.errors import InputError
from simulator.job.traces import opening
from simulator.job.traces import values as module
from simulator.job.traces.reading import Traces, is_recording
from simulator.job.traces.values import elements, values
from tests.job.traces import stories

ROW = json.loads(stories.training())


def evaluation(count, indent=None, **head):
    row = json.loads(stories.evaluation())["items"][0]
    return json.dumps({"run_id": "r", **head, "items": [row] * count}, indent=indent)


@pytest.fixture
def large(monkeypatch):
    """Have every file be too large to be decoded as a whole."""
    monkeypatch.setattr(module, "_WHOLE", 100)


def written(tmp_path, text):
    path = tmp_path / "x"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("indent", [None, 1])
def test_the_elements_of_a_large_file_come_one_by_one(tmp_path, large, indent, pack):
    path = written(tmp_path, pack(evaluation(5, indent, more=[1], items2=[{}]).encode()))
    found = list(values(path))
    assert [one.value["results"][0]["score"] for one in found] == [stories.SCORE] * 5
    assert found[2].of == "items[2]"
    assert len({one.line for one in found}) == (5 if indent else 1)
    assert len(list(Traces([path]))) == 5


def test_a_large_list_is_a_list_of_records(tmp_path, large):
    path = written(tmp_path, json.dumps([ROW] * 3))
    assert [one.of for one in values(path)] == ["[0]", "[1]", "[2]"]
    assert is_recording(path)


def test_a_large_file_of_lines_is_read_line_by_line(tmp_path, large):
    path = written(tmp_path, "\n".join([json.dumps(ROW)] * 3))
    assert [one.line for one in values(path)] == [1, 2, 3]


@pytest.mark.parametrize("size", ["small", "large"])
def test_a_broken_first_line_is_only_one_of_many(tmp_path, monkeypatch, size):
    if size == "large":
        monkeypatch.setattr(module, "_WHOLE", 2 * len(json.dumps(ROW)))
    path = written(tmp_path, "\n".join(['{"broken', *[json.dumps(ROW)] * 3]))
    assert [bool(one.problem) for one in values(path)] == [True, False, False, False]


def test_large_values_without_a_list_of_records_are_read_whole_up_to_a_limit(tmp_path, large, monkeypatch):
    path = written(tmp_path, stories.atif())
    assert len(list(Traces([path]))) == 1
    monkeypatch.setattr(module, "_LARGEST", 1_000)
    (found,) = values(path)
    assert found.problem.startswith("one value of over 1,000 bytes, without a list that is named items, ")


@pytest.mark.parametrize("size", ["small", "large"])
def test_what_breaks_off_is_read_so_far(tmp_path, monkeypatch, size):
    if size == "large":
        monkeypatch.setattr(module, "_WHOLE", 100)
    whole = evaluation(4, 1)
    path = written(tmp_path, whole[:-600])
    *found, last = values(path)
    assert len(found) == 3
    assert (last.of, last.problem) == ("items[3]", "not JSON, or it breaks off")
    assert last.line == pytest.approx(whole[:-600].count("\n") + 1, abs=1)


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_compressed_data_that_break_off_say_so(tmp_path, pack):
    lines = "\n".join(json.dumps({**ROW, "n": number}) for number in range(3_000)).encode()
    path = written(tmp_path, pack(lines)[:-2_000])
    *found, last = values(path)
    assert len(found) > 100
    assert "compressed data" in last.problem or last.problem == "not JSON"
    assert len(list(Traces([path]))) == len(found)


def test_a_line_beyond_all_measure_is_skipped(tmp_path, monkeypatch):
    monkeypatch.setattr(opening, "LONGEST_LINE", 2_000)
    lines = ['{"a": 1}', json.dumps({"b": "x" * 5_000}), '{"c": 2}']
    first, second, third = values(written(tmp_path, "\n".join(lines)))
    assert (first.value, third.value) == ({"a": 1}, {"c": 2})
    assert (second.line, second.problem) == (2, "the line is longer than any record")


def test_elements_of_a_value_have_their_own_lines(tmp_path):
    text = '{"run_id": 1,\n "items": [\n  {"a": 1},\n\n  {"a": 1}, {"b":\n 2}]}'
    (whole,) = values(written(tmp_path, text))
    assert [(one.line, one.of, one.value) for one in elements(whole)] == [
        (3, "items[0]", {"a": 1}), (5, "items[1]", {"a": 1}), (5, "items[2]", {"b": 2})
    ]  # fmt: skip


def test_a_byte_order_mark_is_no_part_of_the_first_value(tmp_path):
    for pack in (bytes, gzip.compress):
        path = written(tmp_path, pack(b"\xef\xbb\xbf" + json.dumps(ROW).encode()))
        assert len(list(Traces([path]))) == 1


def test_lists_within_lists_end_somewhere(tmp_path):
    path = written(tmp_path, "[" * 500 + "]" * 500)
    with pytest.raises(InputError, match="is no rollout of any format"):
        list(Traces([path]))
    assert not is_recording(path)


def test_a_folder_stands_for_the_recordings_in_it(tmp_path):
    (tmp_path / "deep").mkdir()
    written(tmp_path, stories.chat())
    written(tmp_path / "deep", stories.atif())
    (tmp_path / "result.json").write_text('{"reward": 1}')
    traces = Traces([tmp_path])
    assert len(list(traces)) == traces.files == 2
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds no rollouts"):
        list(Traces([tmp_path / "empty"]))


def test_the_share_of_broken_records_decides(tmp_path):
    path = written(tmp_path, "\n".join([json.dumps(ROW)] * 9 + ["{}"]))
    traces = Traces([path], 0.1)
    assert len(list(traces)) == 9
    assert traces.examples == [f"{path}:10: is no rollout of any format that is known"]
    with pytest.raises(InputError, match=r"x:10: is no rollout of any format that is known; mend"):
        list(Traces([path], 0.09))


def test_far_too_many_broken_records_are_refused_before_the_end(tmp_path):
    path = written(tmp_path, "{}\n" * 5_000 + json.dumps(ROW))
    traces = Traces([path], 0.5)
    with pytest.raises(InputError, match="the first of 1,000 of 1,000 records"):
        list(traces)
