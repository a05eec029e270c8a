"""A run's files are enough for all of its reports, and several runs' for one."""

import json
import shutil

import pytest

from simulator.cli.main import invoke
from tests.cli.jobs import write_job
from tests.cli.test_run import report_in, rollouts_in
from tests.servers import obliging, plain_server


@pytest.fixture(autouse=True)
def _key(monkeypatch):
    monkeypatch.setenv("FUNC_KEY", "a-functions-key")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Play two small runs, of which the second fails now and then."""
    folder, count = tmp_path_factory.mktemp("runs"), iter(range(10**6))

    def flaky(path, body):
        return (404, {}) if path == "/t" and next(count) % 7 == 3 else obliging(path, body)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FUNC_KEY", "a-functions-key")
        for name, answer in (("good", obliging), ("flaky", flaky)):
            with plain_server(answer) as url:
                job = str(write_job(folder, url, tool_path="/t", grader_path="/grade"))
                options = ["--compute-multiplier", "0.1", "--time-scale", "0", "--out", str(folder / name)]
                invoke(["run", "--skip-checks", job, *options])
            shutil.copytree(folder / name, folder / f"{name}-untouched")
            trust(folder / name / "report.json")
    return folder


def trust(path):
    """Whatever else this machine does meanwhile, the generator is to be trusted here."""
    report = json.loads(path.read_text())
    report["generator"] |= {"trustworthy": True, "reasons": []}
    report["verdict"] = "pass" if all(gate["ok"] for gate in report["gates"]) else "fail"
    path.write_text(json.dumps(report))
    assert invoke(["report", str(path.parent)]) == 0


def test_every_file_is_written_again_and_the_same(runs, tmp_path, capsys):
    out = tmp_path / "again"
    before = runs / "flaky-untouched"
    assert invoke(["report", str(before), "--out", str(out)]) == 0
    written = {path.name for path in out.iterdir()}
    assert written == {path.name for path in before.iterdir()} - {"rollouts.jsonl"}
    for name in written:
        assert (out / name).read_bytes() == (before / name).read_bytes(), name
    assert report_in(before)["verdict"].upper() in capsys.readouterr().out


def test_without_its_rollouts_a_run_still_has_its_reports(runs, tmp_path):
    (tmp_path / "report.json").write_bytes((runs / "good" / "report.json").read_bytes())
    assert invoke(["report", str(tmp_path)]) == 0
    page = (tmp_path / "report.html").read_text()
    assert 'id="percentiles"' in page
    assert 'id="slowest"' not in page


def test_several_runs_become_one_that_is_judged_anew(runs, tmp_path):
    out = tmp_path / "both"
    assert invoke(["report", str(runs / "good"), str(runs / "flaky"), "--out", str(out)]) == 1
    both, parts = report_in(out), [report_in(runs / name) for name in ("good", "flaky")]
    assert both["runs"] == 2
    assert both["rollouts"]["planned"] == sum(part["rollouts"]["planned"] for part in parts)
    for number, endpoint in enumerate(both["endpoints"]):
        for key in ("attempts", "retries", "given_up", "connections_reused"):
            assert endpoint[key] == sum(part["endpoints"][number][key] for part in parts), key
    assert both["verdict"] == "fail"
    assert [line["rollout"] for line in rollouts_in(out)] == list(range(both["rollouts"]["planned"]))
    assert invoke(["report", str(out), "--gate", "rollouts.discarded_rate < 100%"]) == 0


def test_a_price_changes_the_cost_and_nothing_else(runs, tmp_path):
    out = tmp_path / "dear"
    assert invoke(["report", str(runs / "good"), "--price-per-hour", "1000", "--out", str(out)]) == 0
    before, after = report_in(runs / "good"), report_in(out)
    assert (before.pop("price_per_hour"), after.pop("price_per_hour")) == (100.0, 1000.0)
    assert before == after


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "FOLDER: is missing"),
        (["{}/nowhere"], "nowhere/report.json: cannot be read"),
        (["{}/good", "{}/good"], "good: is named twice"),
        (["{}/good", "{}/flaky", "--out", "{}/good"], "good: is the folder of one of the runs"),
        (["{}/broken"], "is no report of this program"),
        (["{}/old"], "has schema_version 0"),
        (["{}/bare", "{}/good"], "rollouts.jsonl: is missing"),
        (["{}/good", "--gate", "nothing.p99 < 1s"], "unknown subject `nothing`"),
        (["{}/good", "--price-per-hour", "-1"], "--price-per-hour: must be from 0"),
    ],
)
def test_what_cannot_be_used_is_one_line(runs, arguments, complaint, capsys):
    for name, text in (
        ("broken", '{"schema_version": 1, "verdict": "pass", "scenario": 3}'),
        ("old", '{"schema_version": 0}'),
        ("bare", (runs / "good" / "report.json").read_text()),
    ):
        (runs / name).mkdir(exist_ok=True)
        (runs / name / "report.json").write_text(text)
    assert invoke(["report", *(argument.format(runs) for argument in arguments)]) == 2
    told = capsys.readouterr().err
    assert complaint in told
    assert told.count("\n") == 1


def test_the_report_says_how_it_was_made_and_how_to_repeat_it(runs):
    report = report_in(runs / "good")
    assert report["command"].startswith("rft-preflight run ")
    assert report["command"].endswith("--compute-multiplier 0.1 --time-scale 0.0 --skip-checks")
    settings = report["settings"]
    assert settings["trainer"]["tool_retries"] == 3
    assert settings["endpoints"]["search_catalog"]["headers"] == ["X-Functions-Key"]
    assert "a-functions-key" not in json.dumps(report)


def test_quiet_says_nothing_and_an_error_is_said_all_the_same(runs, tmp_path, capsys):
    assert invoke(["report", str(runs / "good"), "--out", str(tmp_path), "--quiet"]) == 0
    assert (tmp_path / "report.html").is_file()
    assert capsys.readouterr() == ("", "")
    assert invoke(["--quiet", "report", str(tmp_path / "nowhere")]) == 2
    assert capsys.readouterr().err.startswith("rft-preflight: ")
    assert invoke(["report", str(tmp_path)]) == 0
    assert "PASS" in capsys.readouterr().out


@pytest.mark.parametrize(("options", "coloured"), [([], True), (["--no-color"], False)])
def test_no_color_leaves_colours_out(runs, capsys, monkeypatch, options, coloured):
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert invoke(["report", str(runs / "good"), *options]) == 0
    assert ("\x1b[1;32m" in capsys.readouterr().out.replace("\x1b[1;30;42m", "\x1b[1;32m")) is coloured


def test_the_schema_is_printed(capsys):
    assert invoke(["report", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "report.json of rft-preflight"
