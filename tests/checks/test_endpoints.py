"""Each code is raised by its server, and by no healthy one."""

import msgspec
import pytest

from simulator.checks import contract, limits, wire
from simulator.checks.conduct import Orders
from simulator.findings import CHECKED
from simulator.findings.files import FILES
from simulator.model import Endpoint

from . import broken
from .healthy import KEY, Healthy
from .lab import AGENT, HASTY, QUICK, TOOL, WITH_RATE, check_server, codes


def test_nothing_is_found_of_a_healthy_server(tmp_path):
    endpoints = Healthy()
    summary, findings = check_server(endpoints, tmp_path)
    assert findings == []
    assert summary.left_out == ()
    assert summary.requests == endpoints.requests
    assert summary.requests < 250
    assert all(trace.startswith("trace_preflight") for trace in endpoints.traces)
    tool, judge = summary.endpoints
    assert (tool.name, tool.http_version, tool.keep_alive) == ("look_up", "1.1", True)
    assert tool.bad_arguments["no JSON"] == "soft error"
    assert judge.bad_answers["a near miss"] == "scored 0.5"


SLOW = {"limits.at_once": pytest.mark.slow}


@pytest.mark.parametrize("code", [pytest.param(code, marks=SLOW.get(code, ())) for code in broken.BROKEN])
def test_a_broken_server_is_found_out(code, tmp_path):
    server = broken.BROKEN[code]()
    _, findings = check_server(
        server, tmp_path, HASTY if isinstance(server, broken.contract.Hangs) else QUICK
    )
    assert codes(findings) == {code}
    assert all(finding.endpoint in {"look_up", "judge"} for finding in findings)


@pytest.mark.parametrize("name", broken.arguments.CRASHES)
def test_a_tool_that_crashes_on_some_arguments(name, tmp_path):
    summary, (finding,) = check_server(broken.arguments.CrashesOn(broken.arguments.CRASHES[name]), tmp_path)
    assert (finding.code, finding.endpoint) == ("tool.crashes_on_arguments", "look_up")
    assert f"{name}: 500" in finding.message
    assert summary.endpoints[0].bad_arguments[name] == "500"


@pytest.mark.parametrize("name", broken.grader.ODD_ANSWERS)
def test_a_grader_that_crashes_on_some_answers(name, tmp_path):
    _, (finding,) = check_server(broken.grader.CrashesOnAnswers(broken.grader.ODD_ANSWERS[name]), tmp_path)
    assert finding.code == "grader.crashes_on_answer"
    assert f"{name}: 500" in finding.message


def test_answers_that_differ_by_chance_are_not_taken_for_state(tmp_path):
    _, findings = check_server(broken.state.OtherwiseAtTimes(), tmp_path)
    assert codes(findings) <= {"state.not_repeatable"}


@pytest.mark.slow
def test_calls_that_are_refused_as_too_many_are_told_as_that_alone(tmp_path):
    _, findings = check_server(broken.state.Guarded(), tmp_path)
    assert codes(findings) == {"limits.throttled"}


def test_a_grader_that_crashes_on_the_policys_own_answer(tmp_path):
    _, findings = check_server(broken.grader.NumbersAlone(), tmp_path)
    assert codes(findings) == {"grader.crashes_on_answer"}
    assert "the policy's answer: 500, while the reference is graded" in findings[0].message


def test_a_grader_that_quietly_gives_a_rollout_nothing_the_second_time(tmp_path):
    summary, findings = check_server(broken.grader.ForgetsQuietly(), tmp_path)
    assert codes(findings) == {"grader.grades_once"}
    assert summary.endpoints[1].bad_answers["the reference"] == "scored 1"


def test_a_score_that_is_no_number_at_all(tmp_path):
    _, findings = check_server(broken.grader.NaNScore(), tmp_path)
    assert codes(findings) == {"grader.no_score"}


def test_a_policy_that_uses_all_its_calls_still_comes_to_its_answer(tmp_path):
    answers = set()

    class Listening(Healthy):
        def grade(self, call):
            answers.add(call["sample"]["output_text"])
            return super().grade(call)

    agent = AGENT.replace('yield self.ask("look_up", query="coats", tokens=1)', "\n        ".join(
        f'yield self.ask("look_up", query="coats {n}", tokens=1)' for n in range(9)
    ))  # fmt: skip
    _, findings = check_server(Listening(), tmp_path, agent=agent)  # with the other one, 10 calls
    assert findings == []
    assert "a blue coat" in answers


def test_a_schema_that_nothing_can_be_generated_from_leaves_the_rest_to_be_checked(tmp_path):
    hard = {
        "type": "function",
        "function": {
            "name": "hard",
            "parameters": {
                "type": "object",
                "properties": {"x": {"type": "string", "pattern": "^[^\\s@]+@[^\\s@]+$"}},
                "required": ["x"],
            },
        },
    }
    summary, findings = check_server(Healthy(), tmp_path, tools=[TOOL, hard])
    assert findings == []
    assert any('for the tool "hard"' in sentence for sentence in summary.left_out)
    assert summary.endpoints[0].bad_arguments


@pytest.mark.parametrize("name", broken.grader.TRICKED)
def test_a_grader_that_rewards_a_trick(name, tmp_path):
    _, (finding,) = check_server(broken.grader.Hackable(broken.grader.TRICKED[name]), tmp_path)
    assert finding.code == "grader.hackable"
    assert f"{name}: 1" in finding.message


@pytest.mark.slow
def test_an_endpoint_that_answers_late_is_slow(tmp_path, monkeypatch):
    monkeypatch.setattr(wire, "SLOW_S", 0.03)
    _, findings = check_server(broken.limits.Slow(), tmp_path)
    assert codes(findings) == {"endpoint.slow"}


@pytest.mark.slow
def test_a_first_answer_that_took_much_longer_is_a_cold_start(tmp_path, monkeypatch):
    monkeypatch.setattr(wire, "COLD_S", 0.2)
    _, (finding,) = check_server(broken.limits.StartsCold(), tmp_path)
    assert finding.code == "wire.cold_start"
    assert "the first answer took 1.0 s" in finding.message


@pytest.fixture
def _never_late(monkeypatch):
    monkeypatch.setattr(limits, "MOST_LATE_S", 60.0)  # whatever else the machine does


@pytest.mark.usefixtures("_never_late")
def test_the_rate_is_tried_at_all_endpoints_at_once(tmp_path):
    endpoints = Healthy()
    summary, findings = check_server(endpoints, tmp_path, WITH_RATE)
    assert codes(findings) <= {"limits.rate_not_reached"}  # on a busy machine
    assert summary.rate_requests == 2 * 25
    assert summary.requests + summary.rate_requests == endpoints.requests
    assert all(endpoint.rate_asked_per_s == 50.0 for endpoint in summary.endpoints)
    assert all(endpoint.rate_per_s > 1 for endpoint in summary.endpoints)


@pytest.mark.usefixtures("_never_late")
@pytest.mark.parametrize(
    ("server", "found"),
    [
        (broken.limits.Busy, {"limits.errors", "limits.rate_not_reached"}),
        (broken.limits.Throttled, {"limits.throttled"}),
        (broken.limits.OneByOne, {"limits.rate_not_reached"}),
    ],
)
def test_a_server_that_cannot_keep_up(server, found, tmp_path):
    _, findings = check_server(server(), tmp_path, WITH_RATE)
    assert codes(findings) == found


@pytest.mark.slow
def test_a_program_that_is_late_itself_says_nothing_of_the_rate(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MOST_LATE_S", -1.0)
    summary, findings = check_server(broken.limits.OneByOne(), tmp_path, WITH_RATE)
    assert findings == []
    assert any("this program itself was" in sentence for sentence in summary.left_out)
    assert all(endpoint.rate_per_s is None for endpoint in summary.endpoints)


@pytest.mark.parametrize(
    ("per_s", "time_limit_s", "found"),
    [
        (45.0, 600.0, {}),
        (40.0, 600.0, {"limits.rate_not_reached": "warning"}),
        (8.0, 600.0, {"limits.rate_not_reached": "error"}),
        (0.8, 600.0, {"limits.rate_not_reached": "error", "limits.time_limit": "error"}),
        (8.0, 60.0, {"limits.rate_not_reached": "error", "limits.time_limit": "error"}),
    ],
)
def test_how_bad_a_low_rate_is(per_s, time_limit_s, found):
    target = limits.Target((Endpoint("look_up", "tool", "http://127.0.0.1:9/"),), (), 50.0)
    paced = limits.Paced(target, 10.0, sent=500, answered_at=[number / per_s for number in range(1000)])
    assert paced.reached_per_s == pytest.approx(per_s, rel=0.15)
    assert {f.code: f.severity for f in limits.judge_rate(paced, 512, time_limit_s)} == found


def test_many_urls_of_one_host_share_what_it_is_sent():
    tools = [Endpoint(f"tool_{n}", "tool", f"http://127.0.0.1:9/{n}") for n in range(20)]
    paced = [
        limits.Paced(limits.Target((tool,), (), 10.0), 10.0, sent=100, answered_at=[n / 6 for n in range(60)])
        for tool in tools
    ]
    (judged,) = limits.by_share(paced)
    assert judged.target.rate_per_s == limits.MOST_PER_S
    assert judged.reached_per_s == pytest.approx(120, rel=0.05)
    (finding,) = limits.judge_rate(judged, 512, 600.0)
    assert (finding.code, finding.severity) == ("limits.rate_not_reached", "warning")
    alone = limits.Paced(limits.Target(tuple(tools[:1]), (), 50.0), 10.0)
    assert limits.by_share([alone]) == [alone]


@pytest.mark.usefixtures("_never_late")
def test_retry_after_is_told(tmp_path):
    _, findings = check_server(broken.limits.Throttled(), tmp_path, WITH_RATE)
    (finding,) = [finding for finding in findings if finding.code == "limits.throttled"]
    assert "Retry-After: 7" in finding.message


def test_a_check_that_takes_too_long_says_so(tmp_path):
    orders = Orders(rate_s=0.0, answer_limit_s=30.0, time_limit_s=0.5)
    _, findings = check_server(broken.contract.Hangs(), tmp_path, orders)
    assert codes(findings) == {"check.unfinished"}


def test_a_policy_that_fails_is_told_and_the_rest_left_alone(tmp_path):
    _, (finding,) = check_server(Healthy(), tmp_path, agent=AGENT.replace('"coats"', "1 / 0"))
    assert finding.code == "scenario.unusable"
    assert "ZeroDivisionError" in finding.message


def test_an_excluded_tool_is_never_called(tmp_path):
    endpoints = Healthy()
    summary, findings = check_server(endpoints, tmp_path, toml='[check]\nexclude = ["look_up"]\n')
    assert endpoints.counts == {}
    assert findings == []
    assert "look_up: the scenario excludes it" in summary.left_out


def test_secrets_are_not_in_what_was_seen(tmp_path):
    class Telling(broken.contract.Fails):
        def handle(self, method, path, headers, raw):
            answer = super().handle(method, path, headers, raw)
            return answer._replace(body={"error": f"not with {headers}"}) if answer.status == 503 else answer

    _, findings = check_server(Telling(), tmp_path)
    assert codes(findings) == {"endpoint.fails"}
    assert "not with" in findings[0].answer
    assert KEY not in str(msgspec.to_builtins(findings))


def test_evidence_is_cut_and_on_one_line(tmp_path):
    class Endless(broken.contract.Fails):
        def tool(self, call):
            return super().tool(call)._replace(body={"error": "a\nb" * 100_000})

    _, findings = check_server(Endless(), tmp_path, QUICK)
    for text in (findings[0].request, findings[0].answer):
        assert 0 < len(text) <= 240
        assert len(text.splitlines()) == 1


@pytest.mark.parametrize(
    ("value", "other"),
    [("x", "y"), ("Bearer zZ9-x", "Bearer aA0-y"), ("Basic eHg6", "Basic fIh7"), ("--", "--x"), ("", "x")],
)
def test_wrong_credentials_are_always_others(value, other):
    assert contract.disguised(value) == other


TESTED_ELSEWHERE = {
    "wire.dns", "wire.refused", "wire.unreachable", "wire.tls", "wire.certificate_expires",
    "state.acts_twice",
}  # fmt: skip


def test_every_code_about_endpoints_has_its_server():
    about_endpoints = {rule.code for rule in CHECKED if rule not in FILES}
    tested = broken.BROKEN.keys() | TESTED_ELSEWHERE
    tested |= {"tool.crashes_on_arguments", "grader.crashes_on_answer", "grader.hackable"}
    tested |= {"endpoint.slow", "wire.cold_start", "check.unfinished"}
    tested |= {"limits.errors", "limits.throttled", "limits.rate_not_reached", "limits.time_limit"}
    assert about_endpoints == tested
