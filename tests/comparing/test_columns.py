"""The lines of a run, gathered."""

from simulator.comparing.columns import columns_of
from simulator.faults import Fault
from tests.comparing.made import call, rollout


def test_every_count_is_the_lines_own():
    failed = call("search", 0.0, 30.0, fault=Fault.HTTP_5XX, attempts=4)
    refused = call("search", 10.0, 1.0, fault=Fault.CONNECT_REFUSED)
    unfinished = call("cat", 20.0, 500.0, fault=Fault.UNFINISHED)
    grade = call("grader", 50.0, 20.0)
    c = columns_of(
        [
            rollout(7, [[failed, refused], [unfinished]], state="discarded"),
            rollout(3, [[call("search", 5.0, 40.0, soft=True)]], score=0.25, grade=grade, ended_ms=70.0),
            rollout(5, [[call("search", 0.0, 2.0, fault=Fault.HTTP_4XX)]], score=0.0, began_ms=1.0),
        ]
    )
    assert c.rollout.tolist() == [3, 5, 7]
    assert c.completed.tolist() == [1, 1, 0]
    assert c.discarded.tolist() == [0, 0, 1]
    assert c.false_zero.tolist() == [0, 1, 0]
    assert c.score.tolist() == [0.25, 0, 0]
    assert c.calls.tolist() == [1, 1, 0]
    assert c.duration_s.tolist() == [0.07, 0.001, 0]
    search = c.endpoints["search"]
    assert sorted(search.s.round(6)) == [0.002, 0.03, 0.03, 0.03, 0.03, 0.04]
    assert search.attempts.tolist() == [1, 1, 5]
    assert search.faults.tolist() == [0, 1, 5]
    assert search.calls.tolist() == [1, 1, 2]
    assert search.soft_errors.tolist() == [1, 0, 0]
    assert [search.of[search.s.round(6) == s].tolist() for s in (0.04, 0.002)] == [[0], [1]]
    assert not len(c.endpoints["cat"].s)
    assert c.endpoints["cat"].attempts.sum() == 0


def test_a_group_is_flat_where_its_scores_are_one():
    def graded(number, group, score, state="graded"):
        return rollout(number, [], group=group, score=score, state=state)

    c = columns_of(
        [
            graded(0, 0, 0.5),
            graded(1, 0, 0.5),
            graded(2, 1, 0.5),
            graded(3, 1, 0.7),
            graded(4, 2, 1.0),
            graded(5, 2, 1.0, "discarded"),
        ]
    )
    assert c.several.tolist() == [1, 0, 1, 0, 0, 0]
    assert c.flat.tolist() == [1, 0, 0, 0, 0, 0]
