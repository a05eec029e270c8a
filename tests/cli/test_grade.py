"""`rft-preflight grade`, and what a run says of its rewards."""

import json

import pytest

from simulator.cli.main import invoke
from tests.cli.jobs import row, write_job
from tests.servers import plain_server

QUICK = ["--rollouts", "24", "--repeats", "2", "--in-flight", "8"]
EXACT = {
    "type": "string_check",
    "name": "exact",
    "operation": "eq",
    "input": "{{sample.output_text}}",
    "reference": "{{item.reference_answer}}",
}


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("FUNC_KEY", "a-functions-key")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


@pytest.fixture
def graded(tmp_path):
    """Grade a job whose tool and grader are served by `answer`."""

    def grade(answer, *options, command="grade", scenario="", **job):
        out = tmp_path / "out"
        with plain_server(answer) as url:
            target = write_job(tmp_path, url, tool_path="/t", grader_path="/grade", **job)
            if scenario:
                target = tmp_path / "scenario.toml"
                target.write_text('job = "job.json"\n' + scenario)
            code = invoke([command, str(target), *options, "--out", str(out)])
        return code, out

    return grade


def report_in(folder):
    return json.loads((folder / "report.json").read_text())


def lines_in(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def by_row(path: str, body: dict) -> tuple[int, dict]:
    """Answer tool calls, and grade by the row's number: every fourth row is right."""
    if path == "/grade":
        number = int(body["item"]["messages"][0]["content"].split()[-1].rstrip("?"))
        return 200, {"score": 0.25 * (number % 4)}
    return 200, {"id": body["id"], "call_id": body["call_id"], "type": "function_call_output", "output": "x"}


def test_a_study_writes_what_it_found(graded, capsys):
    code, out = graded(by_row, *QUICK)
    said, report = capsys.readouterr().out, report_in(out)
    assert (code, report["verdict"], report["kind"]) == (0, "pass", "grade")
    grader = report["grader"]
    assert (report["samples"], report["groups"], report["calls"]) == (24, 12, 24 * 5)
    assert grader["repeatability"]["repeats"] == 2
    assert grader["repeatability"]["max_spread"] == grader["load"]["shift"]["value"] == 0.0
    assert 1 <= grader["load"]["in_flight"] <= 8
    assert grader["load"]["samples"] == 24
    assert grader["workers"]["found"] is False
    assert grader["learnability"]["flat_groups"]["value"] == 1.0
    assert [finding["code"] for finding in report["findings"]] == ["reward.flat_groups"]
    assert "100% of the groups would teach nothing" in said
    assert "24 samples graded 2 times: always the same score" in said
    scores = lines_in(out / "scores.jsonl")
    assert [len(scores[0][phase]) for phase in ("before", "load", "after")] == [2, 2, 1]
    assert {line["trace_id"] for line in scores} == {
        line["trace_id"] for line in lines_in(out / "rollouts.jsonl")
    }
    assert {line["score"] for line in lines_in(out / "rollouts.jsonl")} == {None}
    assert "a-functions-key" not in "".join(path.read_text() for path in out.iterdir())


@pytest.mark.slow
def test_another_grader_is_compared_with(graded, tmp_path, capsys):
    (tmp_path / "exact.json").write_text(json.dumps(EXACT))
    code, out = graded(by_row, *QUICK, "--no-load", "--against", str(tmp_path / "exact.json"))
    (agreement,) = report_in(out)["grader"]["agreement"].values()
    assert code == 0
    assert agreement["pairs"] == 24
    assert (agreement["confusion"]["grader_only"], agreement["confusion"]["reference_only"]) == (0, 12)
    assert report_in(out)["grader"]["load"] is None
    said = capsys.readouterr().out
    assert "load: left out as asked for" in said
    assert "workers: connections are not told apart" not in said


@pytest.mark.slow
def test_connections_that_are_not_told_apart_are_said(graded, capsys):
    code, out = graded(by_row, "--rollouts", "12", "--repeats", "1")
    assert code == 0
    assert report_in(out)["grader"]["workers"] is None
    assert "workers: connections are not told apart" in capsys.readouterr().out


def test_gates_decide(graded, capsys):
    gates = ["--gate", "learnability.flat_groups < 50%", "--gate", "grader.repeatability.max_spread <= 0.05"]
    code, out = graded(by_row, *QUICK, *gates)
    assert (code, [gate["ok"] for gate in report_in(out)["gates"]]) == (1, [False, True])
    assert "learnability.flat_groups < 50%" in capsys.readouterr().out
    assert 'failures="1"' in (out / "junit.xml").read_text()


def test_a_grader_that_fails_ends_the_study(graded, capsys):
    def fails(path, body):
        return (400, {"error": "no"}) if path == "/grade" else by_row(path, body)

    code, out = graded(fails, *QUICK, scenario="[trainer]\nretry_backoff_s = 0\n")
    assert code == 1
    assert report_in(out)["grader"]["scores"]["mean"] is None
    assert "unresponsive_reward_error" in capsys.readouterr().out


@pytest.mark.slow
def test_an_earlier_run_can_be_graded_again(graded, tmp_path, capsys):
    _, first = graded(by_row, *QUICK)
    kept = tmp_path / "kept.jsonl"
    kept.write_bytes((first / "rollouts.jsonl").read_bytes())
    code, out = graded(by_row, "--samples", str(kept), "--no-load", "--repeats", "1")
    assert (code, report_in(out)["source"]) == (0, str(kept))
    assert not (out / "rollouts.jsonl").exists()
    assert invoke(["grade", str(kept), "--out", str(tmp_path / "alone")]) == 3  # nothing was graded
    assert "none" in capsys.readouterr().out
    (tmp_path / "exact.json").write_text(json.dumps(EXACT))
    refused = tmp_path / "refused"
    assert invoke(["grade", str(kept), "--grader", str(tmp_path / "exact.json"), "--out", str(refused)]) == 2
    assert not refused.exists()
    said = capsys.readouterr().err
    assert "these rollouts do not hold their dataset rows" in said
    assert "pass this with --samples" in said


def export(scores):
    return "".join(
        json.dumps(
            {
                "run_id": "r",
                "item": row(number),
                "sample": {"outputs": [{"content": "This is a synthetic answer."}]},
                "grades": {"judge": score},
            }
        )
        + "\n"
        for number, group in enumerate(scores)
        for score in group
    )


def test_recorded_scores_are_looked_at_alone(tmp_path, capsys):
    (tmp_path / "step.jsonl").write_text(export([[0, 0, 0], [1, 1, 1], [0, 0.5, 1], [0, 0, 1]]))
    assert invoke(["grade", str(tmp_path / "step.jsonl"), "--out", str(tmp_path / "out")]) == 0
    learning = report_in(tmp_path / "out")["grader"]["learnability"]
    assert (learning["items"], learning["groups"], learning["flat_groups"]["value"]) == (4, 4, 0.5)
    assert learning["mean"]["value"] == pytest.approx(5.5 / 12, abs=1e-6)
    assert [(one["k"], round(one["value"], 4)) for one in learning["pass_at"]] == [
        (1, round((0 + 1 + 2 / 3 + 1 / 3) / 4, 4)), (2, round((0 + 1 + 1 + 2 / 3) / 4, 4)), (3, 0.75)
    ]  # fmt: skip
    assert "only recorded scores were looked at" in capsys.readouterr().out


def test_recorded_scores_are_compared_with_a_grader(tmp_path):
    (tmp_path / "step.jsonl").write_text(export([[1, 1], [0, 1]]))
    (tmp_path / "exact.json").write_text(json.dumps(EXACT))
    options = ["--grader", str(tmp_path / "exact.json"), "--out", str(tmp_path / "out")]
    assert invoke(["grade", str(tmp_path / "step.jsonl"), *options]) == 0
    grader = report_in(tmp_path / "out")["grader"]
    assert grader["scores"]["one"] == 4
    assert grader["agreement"]["recorded"]["exact"]["value"] == 0.75


@pytest.mark.slow
def test_answers_and_human_scores_may_stand_in_the_rows(graded, tmp_path):
    def rows_with_answers(path, body):
        return by_row(path, body)

    with plain_server(rows_with_answers) as url:
        target = write_job(tmp_path, url, tool_path="/t", grader_path="/grade")
        rows = [
            json.dumps({**row(n), "draft": f"answer {n}", "review": {"score": 0.25 * (n % 4)}})
            for n in range(12)
        ]
        (tmp_path / "train.jsonl").write_text("\n".join(rows))
        options = ["--answer", "draft", "--recorded", "review.score", "--no-load", "--repeats", "1"]
        assert invoke(["grade", str(target), *options, "--out", str(tmp_path / "out")]) == 0
    report = report_in(tmp_path / "out")
    assert report["samples"] == 12
    assert report["grader"]["agreement"]["recorded"]["exact"]["value"] == 1.0


PYTHON = "def grade(sample, item):\n    return float(item['reference_answer'] in sample['output_text'])\n"
STEALS = "import socket\ndef grade(sample, item):\n    socket.socket()\n    return 1.0\n"


@pytest.mark.parametrize("grader", [EXACT, {"type": "python", "name": "mine", "source": PYTHON}])
def test_a_job_whose_grader_the_platform_runs_is_played_and_graded(graded, grader):
    code, out = graded(by_row, "--skip-checks", "--time-scale", "0", command="run", grader=grader)
    report, rollouts = report_in(out), lines_in(out / "rollouts.jsonl")
    assert code == 0
    assert report["rollouts"]["graded"] == len(rollouts) == 4 * 32 + 10 * 2
    assert {(line["state"], line["score"]) for line in rollouts} == {("graded", 1.0)}
    assert report["grader"]["scores"]["mean"] == 1.0
    assert report["grader"]["learnability"]["all_one_groups"] == 1.0


@pytest.mark.slow
def test_a_python_grader_that_opens_a_socket_fails_the_run(graded, capsys):
    grader = {"type": "python", "name": "mine", "source": STEALS}
    quick = ["--skip-checks", "--time-scale", "0", "--compute-multiplier", "0.1"]
    code, out = graded(by_row, *quick, command="run", grader=grader)
    report = report_in(out)
    assert (code, report["verdict"]) == (1, "fail")
    assert report["grader"]["ungraded"] == {"python_grader_runtime_error": 32}
    assert report["grader"]["scores"]["zero"] == 32  # as the platform scores it
    assert "reward.missing" in capsys.readouterr().out


@pytest.mark.slow
def test_a_run_can_be_graded_again(graded):
    options = ["--skip-checks", "--time-scale", "0", "--regrade", "40"]
    code, out = graded(by_row, *options, command="run")
    grader = report_in(out)["grader"]
    assert code == 0
    assert grader["repeatability"]["samples"] == grader["load"]["samples"]
    assert 20 <= grader["load"]["samples"] <= 40
    assert grader["load"]["shift"]["value"] == 0.0
    assert grader["learnability"]["rollouts"] == 148


@pytest.mark.slow
def test_a_run_compares_its_scores_with_what_the_scenario_names(graded, capsys):
    exact = "\n".join(f"{name} = {json.dumps(value)}" for name, value in EXACT.items())
    scenario = f"""
gates = ["grader.agreement.order >= 95%"]
[load]
time_scale = 0.0
evaluation = false
[grade]
against = ["text"]
[graders.text]
{exact}
"""
    code, out = graded(by_row, "--skip-checks", command="run", scenario=scenario)
    agreement = report_in(out)["grader"]["agreement"]["text"]
    assert code == 1
    assert agreement["pairs"] == 128
    assert agreement["confusion"]["reference_only"] == 64
    assert "text passes all of the" in capsys.readouterr().out


@pytest.mark.slow
def test_the_string_grader_of_finqa_misses_right_answers_for_their_format(tmp_path, capsys):
    options = [
        "--grader",
        "text",
        "--against",
        "job",
        "--rollouts",
        "64",
        "--repeats",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    assert invoke(["grade", "finqa", *options]) == 0
    report = report_in(tmp_path / "out")
    agreement = report["grader"]["agreement"]["job"]
    misses = agreement["grader_misses"]
    assert misses["of"] == agreement["confusion"]["both"] + agreement["confusion"]["reference_only"]
    assert sum(misses["reasons"].values()) == agreement["confusion"]["reference_only"] > 0
    assert all(reason.startswith("format: ") for reason in misses["reasons"])
    assert agreement["order"]["value"] < 0.8
    assert {"reward.format", "reward.order"} <= {finding["code"] for finding in report["findings"]}
    assert "text fails" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--repeats", "0"], "--repeats: must be from 1 to 1000"),
        (["--in-flight", "5000"], "--in-flight: must be from 1 to 1000"),
        (["--tolerance", "-1"], "--tolerance: must be from 0"),
        (
            ["--grader", "nobody"],
            '--grader: "nobody" is neither a grader of the scenario nor a file; known: job',
        ),
        (["--against", "nobody"], '--against: "nobody" is neither'),
        (["--answer", "draft"], '--answer: no row has a field "draft"'),
        (["--samples", "missing.jsonl"], "missing.jsonl: no such file"),
        (["--gate", "tools.p99 < 2s"], "--gate: `tools.p99 < 2s`: unknown subject `tools`; known: "),
        (["--gate", "grader.agreement.nothing > 1"], "`grader.agreement` has no `nothing`; known: "),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(graded, capsys, options, said):
    code, _ = graded(by_row, *options)
    err = capsys.readouterr().err
    assert code == 2
    assert said in err
    assert len(err.strip().splitlines()) == 1


def test_a_model_grader_wants_a_server(graded, capsys):
    grader = {"type": "score_model", "name": "m", "model": "x", "input": [{"role": "user", "content": "?"}]}
    for command in ("grade", "run"):
        code, _ = graded(by_row, command=command, grader=grader)
        assert code == 2
        assert "pass --model-url, or set OPENAI_BASE_URL" in capsys.readouterr().err


def test_a_model_grader_is_asked_at_the_url_that_is_named(graded, monkeypatch):
    def answer(path, body):
        if path == "/v1/chat/completions":
            return 200, {"choices": [{"message": {"content": '{"result": 0.75}'}}]}
        return by_row(path, body)

    grader = {"type": "score_model", "name": "m", "model": "x", "input": [{"role": "user", "content": "?"}]}
    with plain_server(answer) as url:
        code, out = graded(by_row, *QUICK, "--model-url", f"{url}/v1", grader=grader)
    assert code == 0
    assert report_in(out)["grader"]["scores"]["mean"] == 0.75
