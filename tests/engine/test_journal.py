"""`rollouts.jsonl` grows in whole lines."""

import json
import multiprocessing
import resource
import threading
import tracemalloc
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
                add(journal, added, size=step)
                added += 1
            data = path.read_bytes()
            assert data == b"" or data.endswith(b"\n")
            rollouts = [json.loads(line)["rollout"] for line in data.splitlines()]
            assert rollouts == list(range(len(rollouts)))
            assert len(rollouts) >= flushed


def test_a_flush_is_one_system_call_that_appends_whole_lines(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    with Journal(path) as journal, path.open("rb") as reader:
        journal.add(b"a")
        journal.add(b"b")
        assert reader.read() == b""
        journal.flush()
        assert reader.read() == b"a\nb\n"
        journal.flush()
        assert reader.read() == b""


def test_the_finished_file_is_in_the_order_of_the_rollouts(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    with Journal(path) as journal:
        for rollout in (3, 0, 2):
            add(journal, rollout, size=rollout)
        journal.flush()
        add(journal, 1)
        journal.put_in_order()
    assert lines_of(path) == [0, 1, 2, 3]
    assert names_in(tmp_path) == ["rollouts.jsonl"]


def test_a_new_journal_replaces_an_old_one(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    path.write_text("old\n")
    with Journal(path) as journal:
        journal.add(b"new")
        journal.flush()
    assert path.read_text() == "new\n"


def test_a_disk_that_refuses_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Journal(tmp_path / "missing" / "rollouts.jsonl")
    with Journal(tmp_path / "rollouts.jsonl") as journal, files_of_at_most(2):
        journal.add(b"line")
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
        journal.add(json.dumps({"rollout": rollout, "text": "x" * size}).encode())


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


# -- several at once


def test_what_is_added_while_another_thread_flushes_is_neither_lost_nor_written_twice(tmp_path):
    path, over = tmp_path / "rollouts.jsonl", threading.Event()
    with Journal(path) as journal:

        def flush():
            while not over.is_set():
                journal.flush()

        flushing = [threading.Thread(target=flush) for _ in range(2)]
        for thread in flushing:
            thread.start()
        add(journal, *range(5000), size=1)
        over.set()
        for thread in flushing:
            thread.join()
        journal.flush()
        assert sorted(lines_of(path)) == list(range(5000))


def append(path, first, last):
    with Journal.joining(path) as journal:
        for rollout in range(first, last):
            add(journal, rollout, size=rollout % 500)
            if rollout % 10 == 0:
                journal.flush()
        journal.flush()


def test_several_processes_append_whole_lines_to_one_file(tmp_path):
    path, spawning = tmp_path / "rollouts.jsonl", multiprocessing.get_context("spawn")
    with Journal(path) as journal:
        add(journal, 0)
        journal.flush()
        workers = [
            spawning.Process(target=append, args=(path, first, first + 1000)) for first in (1, 1001, 2001)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert sorted(lines_of(path)) == list(range(3001))
        journal.put_in_order()
    assert lines_of(path) == list(range(3001))


def test_only_a_journal_that_is_there_can_be_joined(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        Journal.joining(tmp_path / "rollouts.jsonl")


def test_a_write_that_fails_takes_nothing_back_that_another_has_written(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    with Journal(path) as journal, Journal.joining(path) as other:
        add(journal, 1)
        journal.flush()
        add(other, 0)
        other.flush()
        whole = path.read_bytes()
        with files_of_at_most(len(whole) + 50):
            add(journal, 2)
            with pytest.raises(OSError, match="File too large"):
                journal.flush()
        assert path.read_bytes() == whole
        add(other, 3)
        other.flush()
        assert lines_of(path) == [1, 0, 3]


@pytest.mark.parametrize(
    "part", [b"{", b'{"rollout":1,"text":"', b'{"rollout":1,"turns":[{"a":{}}', b'{"rollout":1}']
)
def test_part_of_a_line_that_a_killed_process_left_is_ended_and_left_out(tmp_path, part):
    path = tmp_path / "rollouts.jsonl"
    with Journal(path) as journal:
        add(journal, 3, 0)
        journal.flush()
        with path.open("ab") as killed:
            killed.write(part)
        add(journal, 2)
        journal.flush()
        assert [line.startswith(b'{"rollout": ') for line in path.read_bytes().splitlines()].count(True) == 3
        with path.open("ab") as killed:
            killed.write(part)
        journal.put_in_order()
    assert set(lines_of(path)) - {1} == {0, 2, 3}


def test_sorting_takes_memory_for_the_number_of_rollouts_and_not_for_their_lines(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    with Journal(path) as journal:
        for rollout in reversed(range(4000)):
            add(journal, rollout, size=4000)
            if rollout % 100 == 0:
                journal.flush()
        tracemalloc.start()
        journal.put_in_order()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert path.stat().st_size > 16_000_000
    assert most < 4_000_000
    assert lines_of(path) == list(range(4000))
