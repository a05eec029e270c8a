"""`rollouts.jsonl` grows in whole lines."""

import json
import resource
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.journal import Journal


@given(steps=st.lists(st.integers(0, 300) | st.just("flush"), max_size=30))
def test_at_any_moment_the_file_holds_whole_lines_and_all_that_was_flushed(tmp_path_factory, steps):
    path = tmp_path_factory.mktemp("journal") / "rollouts.jsonl"
    added = flushed = 0
    with Journal(path) as journal:
        for step in steps:
            if step == "flush":
                journal.flush()
                flushed = added
            else:
                journal.add(added, json.dumps({"rollout": added, "text": "x" * step}).encode())
                added += 1
            data = path.read_bytes()
            assert data == b"" or data.endswith(b"\n")
            rollouts = [json.loads(line)["rollout"] for line in data.splitlines()]
            assert rollouts == list(range(len(rollouts)))
            assert len(rollouts) >= flushed


def test_a_flush_is_one_system_call_that_appends_whole_lines(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    with Journal(path) as journal, path.open("rb") as reader:
        journal.add(0, b"a")
        journal.add(1, b"b")
        assert reader.read() == b""
        journal.flush()
        assert reader.read() == b"a\nb\n"
        journal.flush()
        assert reader.read() == b""


def test_the_finished_file_is_in_the_order_of_the_rollouts(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    with Journal(path) as journal:
        for rollout in (3, 0, 2):
            journal.add(rollout, f"line {rollout} {'é' * rollout}".encode())
        journal.flush()
        journal.add(1, b"line 1")
        journal.put_in_order()
    assert [line.split()[1] for line in path.read_text().splitlines()] == ["0", "1", "2", "3"]
    assert names_in(tmp_path) == ["rollouts.jsonl"]


def test_a_new_journal_replaces_an_old_one(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    path.write_text("old\n")
    with Journal(path) as journal:
        journal.add(0, b"new")
        journal.flush()
    assert path.read_text() == "new\n"


def test_a_disk_that_refuses_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Journal(tmp_path / "missing" / "rollouts.jsonl")
    with Journal(tmp_path / "rollouts.jsonl") as journal, files_of_at_most(2):
        journal.add(0, b"line")
        with pytest.raises(OSError, match="File too large"):
            journal.flush()


@contextmanager
def files_of_at_most(size):
    """Let no file of this process grow beyond `size` bytes: what is written past it fails part-way."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def lines_of(path):
    data = path.read_bytes()
    assert data == b"" or data.endswith(b"\n"), "half a line is left"
    return [json.loads(line)["rollout"] for line in data.splitlines()]


def add(journal, *rollouts, size=100):
    for rollout in rollouts:
        journal.add(rollout, json.dumps({"rollout": rollout, "text": "x" * size}).encode())


@pytest.mark.parametrize("at_most", [401, 500, 599, 600])
def test_a_write_that_fails_part_way_leaves_whole_lines_and_the_next_ones_follow(tmp_path, at_most):
    path = tmp_path / "rollouts.jsonl"
    with Journal(path) as journal:
        add(journal, 2, 1, 0)
        journal.flush()
        whole = path.read_bytes()
        with files_of_at_most(at_most):
            add(journal, 5, 4, 3, size=200)
            with pytest.raises(OSError, match="File too large"):
                journal.flush()
        assert path.read_bytes() == whole
        add(journal, 7, 6)
        journal.flush()
        assert lines_of(path) == [2, 1, 0, 7, 6]
        journal.put_in_order()
    assert lines_of(path) == [0, 1, 2, 6, 7]
    assert names_in(tmp_path) == ["rollouts.jsonl"]


def test_sorting_that_fails_leaves_the_file_as_it_was_and_no_other(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    with Journal(path) as journal:
        add(journal, 2, 1, 0)
        journal.flush()
        whole = path.read_bytes()
        with files_of_at_most(len(whole) - 50), pytest.raises(OSError, match="File too large"):
            journal.put_in_order()
        assert path.read_bytes() == whole
        assert names_in(tmp_path) == ["rollouts.jsonl"]
        journal.put_in_order()
    assert lines_of(path) == [0, 1, 2]


def names_in(folder):
    return [entry.name for entry in folder.iterdir()]
