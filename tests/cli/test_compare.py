"""The command, on two small runs against the mock, and on what is none."""

import json
import shutil

import pytest

from simulator.cli.main import invoke
from tests.cli.jobs import write_job
from tests.servers import obliging, plain_server


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of one seed, of 16 rollouts each."""
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch, plain_server(obliging) as url:
        patch.setenv("FUNC_KEY", "a-functions-key")
        job = str(write_job(folder, url, tool_path="/t", grader_path="/grade"))
        for name in ("base", "now"):
            options = ["--compute-multiplier", "0.125", "--time-scale", "0", "--seed", "3"]
            assert invoke(["run", "--skip-checks", job, *options, "--out", str(folder / name)]) in {0, 3}
            report = folder / name / "report.json"
            content = json.loads(report.read_text())
            content["generator"] |= {"trustworthy": True, "reasons": []}  # whatever the machine had to do
            report.write_text(json.dumps(content | {"verdict": "pass"}))
    return folder


def compare(*arguments):
    return invoke(["compare", *map(str, arguments)])


def test_a_run_beside_itself_has_no_difference(runs, tmp_path, capsys):
    assert compare(runs / "base", runs / "base", "--out", tmp_path / "out") == 0
    assert "PASS  nothing has become worse" in capsys.readouterr().out
    report = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert {line["change"] for line in report["lines"]} <= {0, None}
    assert not {line["verdict"] for line in report["lines"]} & {"worse", "better", "changed"}
    assert not report["differences"]
    assert report["paired"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "comparison.json", "comparison.md", "junit.xml",
    }  # fmt: skip


def test_gates_alone_decide(runs, capsys):
    now = _slowed(runs, 3.0)
    assert compare(runs / "base", now) == 1
    assert "search_catalog has become slower" in capsys.readouterr().out
    assert compare(runs / "base", now, "--gate", "rollouts.discarded_rate <= base") == 0
    assert "every gate holds; search_catalog" in capsys.readouterr().out
    bounds = ("rollouts.discarded_rate <= base", "scores.mean >= 2 * base", "search_catalog.p99 < 100s")
    gates = [option for bound in bounds for option in ("--gate", bound)]
    assert compare(runs / "base", now, *gates) == 1
    assert "1 of 3 gates does not hold" in capsys.readouterr().out


def _slowed(runs, factor):
    """Return a copy of BASE in which every tool call has taken so many times as long, and 20 ms more."""
    folder = runs / f"slowed-{factor}"
    shutil.copytree(runs / "base", folder)
    lines = [json.loads(line) for line in (folder / "rollouts.jsonl").read_text().splitlines()]
    for line in lines:
        for attempt in (a for turn in line["turns"] for call in turn for a in call["attempts"]):
            took = attempt["done_ms"] - attempt["sent_ms"]
            attempt["done_ms"] = attempt["sent_ms"] + factor * took + 20
    (folder / "rollouts.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def _changed(runs, name, **changes):
    folder = runs / name
    shutil.copytree(runs / "base", folder)
    report = json.loads((folder / "report.json").read_text())
    for path, value in changes.items():
        table, _, key = path.partition("__")
        report[table] = report[table] | {key: value} if key else value
    (folder / "report.json").write_text(json.dumps(report))
    return folder


def test_a_run_that_was_stopped_or_cannot_be_trusted_gives_no_verdict(runs, capsys):
    stopped = _changed(runs, "stopped", interrupted=True)
    assert compare(stopped, runs / "now") == 3
    assert f"BASE, {stopped}" in "".join(capsys.readouterr().out.split("\n    "))
    distrusted = _changed(runs, "distrusted", generator__trustworthy=False, generator__reasons=["it dozed"])
    assert compare(runs / "base", distrusted, "--gate", "search_catalog.p99 < 100s") == 3
    assert "it dozed" in capsys.readouterr().out


def test_what_they_were_played_with_is_named_where_it_differs(runs, capsys):
    other = _changed(runs, "other", scenario="another", load__compute_multiplier=1.5, seed=9)
    assert compare(runs / "base", other) in {0, 1}
    out = capsys.readouterr().out
    for said in (
        "scenario: ",
        "another in NOW",
        "load.compute_multiplier: 0.125 in BASE, 1.5 in NOW",
        "seed: 3",
    ):
        assert said in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["BASE", "NOWHERE"], "report.json: cannot be read"),
        (["BASE", "BASE", "--gate", "nope.p99 < base"], "unknown subject `nope`"),
        (["BASE", "BASE", "--gate", "search_catalog.p99 < base base"], "is no gate"),
        (["BASE", "BASE", "--tolerance", "lots"], "--tolerance: must be a share"),
        (["BASE", "BASE", "--tolerance", "-1"], "--tolerance: must be a share"),
        (["BASE", "BASE", "--tolerance", "nan"], "--tolerance: must be a share"),
        (["BASE", "EMPTY"], "has no rollouts.jsonl"),
        (["BASE", "BROKEN"], "rollouts.jsonl:1: is no rollout of a run"),
        (["BASE"], "compare"),
    ],
)
def test_what_cannot_be_used_is_one_line(runs, tmp_path, capsys, arguments, says):
    for name, content in (("EMPTY", None), ("BROKEN", "{}\n")):
        (tmp_path / name).mkdir()
        shutil.copy(runs / "base" / "report.json", tmp_path / name)
        if content is not None:
            (tmp_path / name / "rollouts.jsonl").write_text(content)
    named = {"BASE": runs / "base", "NOWHERE": tmp_path / "no", "EMPTY": tmp_path / "EMPTY",
             "BROKEN": tmp_path / "BROKEN"}  # fmt: skip
    assert compare(*(named.get(argument, argument) for argument in arguments)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert says in line


def test_a_folder_that_cannot_be_made_is_one_line(runs, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert compare(runs / "base", runs / "base", "--out", tmp_path / "file") == 2
    assert "cannot be written" in capsys.readouterr().err
