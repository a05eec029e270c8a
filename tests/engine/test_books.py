"""The books say at last what an entry at a time would have said, and never lag far behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.engine.books import Books
from simulator.measure.tally import Tally
from simulator.plan.rollout import rollout
from simulator.plan.trainer import endpoints_of
from simulator.testing import replay, reply_to
from tests.making import Turns, answer, ask, job, spec, trainer


def play(number, keep):
    """Play the number-th rollout, of so many calls and one that fails, and have its attempts put by."""

    def serve(send):
        failed = send.endpoint == 0 and b'{\\"n\\":1}' in send.body
        return reply_to(send, 500 if failed else 200, b'{"output":"x","score":1}', seconds=0.25)

    of = trainer(record=keep)
    return replay(rollout(of, spec(number), Turns(ask(), ask("search", "search"), answer()), 0.5), serve)


def by_hand(rollouts):
    tally = Tally(endpoints_of(job()))
    for number in range(rollouts):
        tally.add_started(spec(number))
        tally.add_transcript(play(number, tally.add_attempt))
    return tally


@given(st.integers(0, 40), st.sets(st.integers(0, 40)))
def test_all_is_entered_whenever_somebody_looks(rollouts, looks):
    tally, written = Tally(endpoints_of(job())), []
    books = Books(tally, written.append)
    for number in range(rollouts):
        tally.add_started(spec(number))
        books.put_transcript(play(number, books.put_attempt))
        if number in looks:
            books.enter()
            assert tally.ended == len(written) == number + 1
    books.enter()
    assert tally.to_bytes() == by_hand(rollouts).to_bytes()
    assert [transcript.spec.index for transcript in written] == list(range(rollouts))


@pytest.mark.parametrize("rollouts", [1, 40])
def test_what_is_put_by_stays_little(rollouts):
    tally, written = Tally(endpoints_of(job())), []
    books = Books(tally, written.append)
    for number in range(rollouts):
        tally.add_started(spec(number))
        books.put_transcript(play(number, books.put_attempt))
    whole = by_hand(rollouts)
    attempts = (sum(e.attempts for e in t.endpoints.values()) for t in (whole, tally))
    assert next(attempts) - next(attempts) < 64
    assert rollouts - len(written) < 8
