import msgspec
import pytest

from reports.sentences import MOST_REASONS, REASONS, headline, reasons
from simulator.faults import Fault
from simulator.gates import GateResult, Verdict
from tests.reports.played import SEARCH, Played
from tests.reports.runs import (
    CASES,
    crowded,
    failing,
    interrupted,
    invalid,
    passing,
    toolless,
    unmeasured,
)


def every_reason(summary, verdict):
    return [sentence for reason in REASONS for sentence in reason(summary, verdict)]


@pytest.mark.parametrize(
    ("case", "said"),
    [
        (passing, "0 of 32 rollouts per step discarded (0.0%); the endpoints held up"),
        (failing, "13 of 480 rollouts per step would have been discarded (2.7%)"),
        (
            invalid,
            (
                "the generator itself, and not only the endpoints, made these numbers;"
                " 0 of 32 rollouts per step discarded (0.0%)"
            ),
        ),
        (
            interrupted,
            (
                "stopped after 12 of 32 rollouts; of those that ended, 0 would have been discarded (0.0%);"
                " every gate holds so far"
            ),
        ),
        (unmeasured, "nothing was measured: 0 of 32 planned rollouts ended, 0 discarded (0.0%)"),
        (toolless, "0 of 1 rollout per step discarded (0.0%), but 2 of 4 gates do not hold"),
        (crowded, "36 of 204 rollouts would have been discarded (17.6%)"),
    ],
)
def test_the_headline(case, said):
    assert headline(*case()) == said


def test_the_headline_of_an_interrupted_run_that_cannot_be_trusted_says_so_instead_of_the_gates():
    summary, verdict = interrupted()
    late = msgspec.structs.replace(summary, generator=invalid()[0].generator)
    assert headline(late, verdict) == (
        "stopped after 12 of 32 rollouts; of those that ended, 0 would have been discarded (0.0%);"
        " the generator itself, and not only the endpoints, made these numbers"
    )


def test_discarded_rollouts_that_the_gates_allow():
    summary, _ = failing()
    gates = (GateResult("rollouts.discarded_rate < 5%", 0.027, "share", True),)
    assert headline(summary, Verdict("pass", gates)).endswith("discarded (2.7%), which the gates allow")


def test_a_pass_without_gates_claims_nothing():
    assert headline(passing()[0], Verdict("pass", ())).endswith("(0.0%); no gate was set")


def test_a_good_run_needs_no_reasons():
    assert reasons(*passing()) == []


def test_every_reason_of_a_bad_run_most_important_first():
    assert every_reason(*failing()) == [
        "13 of 60 groups would have been incomplete",
        "a step samples for 41 s instead of 4.0 s (10.2 times as long)",
        "12 of 467 graded rollouts are false zeros (2.6%): graded zero after an endpoint had failed",
        "search answers about 51 calls per second, however many are sent: it is the bottleneck",
        (
            "search failed in 64 of 519 attempts (12.3%), most often with http_5xx: a 5xx status;"
            " 13 calls given up on"
        ),
        "gate `tools.error_rate < 1%` does not hold: 6.5%",
        (
            "467 soft errors from cat (100% of its calls): answered 200 with an error text,"
            " so no HTTP metric shows them"
        ),
        "cat answers usably, but not by the contract: missing type 467",
        "8 rollouts cut short: more calls were wanted than max_episode_steps allows",
    ]


@pytest.mark.parametrize("case", CASES.values())
def test_never_more_reasons_than_can_be_read(case):
    assert len(reasons(*case())) <= MOST_REASONS


def test_what_the_generator_caused_is_not_held_against_the_endpoints():
    summary, verdict = failing()
    doubtful = msgspec.structs.replace(summary.generator, trustworthy=False, reasons=("too slow",))
    said = every_reason(msgspec.structs.replace(summary, generator=doubtful), verdict)
    assert said[0] == "too slow"
    assert not any("bottleneck" in s or "samples for" in s or "gate" in s for s in said)


def test_groups_that_an_interruption_left_incomplete_are_no_reason():
    assert interrupted()[0].rollouts.groups_incomplete
    assert not any("group" in sentence for sentence in reasons(*interrupted()))


def test_the_slowest_of_several_plateaus_is_the_bottleneck():
    summary, verdict = failing()
    level = tuple(
        msgspec.structs.replace(e, plateau_per_s=3.14159) if e.name in {"search", "cat"} else e
        for e in summary.endpoints
    )
    said = every_reason(msgspec.structs.replace(summary, endpoints=level), verdict)
    assert [s for s in said if "bottleneck" in s] == [
        "search answers about 3.1 calls per second, however many are sent: it is the bottleneck"
    ]


def test_compressed_think_time_is_told_where_it_makes_steps_look_worse():
    assert any("with think time compressed to 0.1 of real time" in s for s in reasons(*crowded()))


def test_an_endpoint_that_never_worked_once():
    run = Played()
    run.play([[(SEARCH, 0.1, Fault.MALFORMED_ANSWER)]], score=0.5)
    assert (
        "search failed in all of 1 attempt, always with malformed_answer:" in every_reason(*run.judged())[0]
    )


def test_a_fault_that_this_version_does_not_know_is_still_named():
    summary, verdict = failing()
    search = msgspec.structs.replace(summary.endpoints[0], faults={"http_6xx": 64})
    said = every_reason(msgspec.structs.replace(summary, endpoints=(search,)), verdict)
    assert any("always with http_6xx; 13 calls given up on" in s for s in said)


def test_gates_with_nothing_to_measure_share_a_sentence():
    assert reasons(*unmeasured()) == ["4 gates without anything to measure"]
