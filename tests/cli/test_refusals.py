"""Whatever cannot be used is refused with one line and exit code 2, before anything is sent."""

import json

import pytest

from simulator.cli.main import invoke
from simulator.hosts import is_loopback
from tests.cli.jobs import row, write_job
from tests.servers import plain_server


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run a job whose server must never be called, and return the one line on stderr."""
    monkeypatch.setenv("FUNC_KEY", "a-functions-key")
    called = []

    def never(path, _body):
        called.append(path)
        return 200, {}

    with plain_server(never) as url:
        job = write_job(tmp_path, url)

        def run(*options):
            code = invoke(["run", str(job), "--out", str(tmp_path / "out"), *options])
            said = capsys.readouterr()
            assert (code, said.out) == (2, "")
            (line,) = said.err.splitlines()
            return line

        yield run
    assert called == []


def edit(tmp_path, change):
    job = json.loads((tmp_path / "job.json").read_text())
    change(job["method"]["reinforcement"])
    (tmp_path / "job.json").write_text(json.dumps(job, indent=2))


def rewrite_rows(tmp_path, number, text):
    lines = (tmp_path / "train.jsonl").read_text().splitlines()
    lines[number - 1] = text
    (tmp_path / "train.jsonl").write_text("\n".join(lines) + "\n")


def test_a_missing_file(refused, tmp_path):
    (tmp_path / "train.jsonl").unlink()
    line = refused()
    assert "job.json:3" in line
    assert "--train" in line


def test_broken_json_on_line_7(refused, tmp_path):
    rewrite_rows(tmp_path, 7, '{"messages": [}')
    assert "train.jsonl:7:15" in refused()


def test_a_row_without_messages(refused, tmp_path):
    rewrite_rows(tmp_path, 3, "{}")
    line = refused()
    assert "train.jsonl:3" in line
    assert "messages" in line


def test_a_last_message_that_is_not_the_users(refused, tmp_path):
    rewrite_rows(tmp_path, 3, json.dumps({"messages": [{"role": "assistant", "content": "x"}]}))
    line = refused()
    assert "train.jsonl:3" in line
    assert "user" in line


def test_a_tool_without_server_url(refused, tmp_path):
    edit(tmp_path, lambda r: r["tools"][0].pop("server_url"))
    line = refused()
    assert "job.json:9" in line
    assert "server_url" in line


def test_a_dataset_tool_that_the_job_does_not_have(refused, tmp_path):
    other = row(1)
    other["tools"] = [{"type": "function", "function": {"name": "buy", "parameters": {"type": "object"}}}]
    rewrite_rows(tmp_path, 5, json.dumps(other))
    line = refused()
    assert "train.jsonl:5" in line
    assert "buy" in line
    assert "search_catalog" in line


def test_an_unset_variable(refused, monkeypatch):
    monkeypatch.delenv("FUNC_KEY")
    line = refused()
    assert "job.json:" in line
    assert "FUNC_KEY" in line


def test_an_unknown_gate_names_what_is_known(refused):
    line = refused("--gate", "serch.p99 < 2s")
    assert "`serch`" in line
    assert "search_catalog, tools, sku, grader, rollouts, steps, replay, scores" in line
    assert line.startswith("rft-preflight: --gate: ")


def test_an_unknown_gate_of_the_scenario_names_its_line(refused, tmp_path, capsys):
    scenario = tmp_path / "scenario.toml"
    scenario.write_text('job = "job.json"\nseed = 1\ngates = ["serch.p99 < 2s"]\n')
    assert invoke(["run", str(scenario), "--out", str(tmp_path / "out")]) == 2
    assert f"{scenario}:3: `serch.p99 < 2s`: unknown subject" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--steps", "--seed"])
def test_a_number_that_is_not_whole_is_not_rounded(refused, option):
    assert option in refused(option, "1.5")


def test_a_negative_multiplier(refused):
    assert "--compute-multiplier" in refused("--compute-multiplier", "-1")


def test_a_url_that_is_no_url(refused, tmp_path):
    edit(tmp_path, lambda r: r["tools"][0].update(server_url="no url"))
    line = refused()
    assert "job.json:" in line
    assert "tools[0].server_url" in line


def test_an_output_folder_that_is_a_file(refused, tmp_path):
    (tmp_path / "taken").write_text("")
    assert "--out" in refused("--out", str(tmp_path / "taken"))


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "finqa", "--bogus"],
        ["fly"],
        ["run", "finqa", "--steps", "x"],
        ["run", "no-such-target"],
    ],
)
def test_wrong_invocations(arguments, capsys):
    assert invoke(arguments) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("rft-preflight: ")


def test_a_host_elsewhere_is_asked_about_and_without_a_terminal_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FUNC_KEY", "a-functions-key")
    job = write_job(tmp_path, "https://tools.example.test")
    assert invoke(["run", str(job), "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert "148 rollouts" in said
    assert "https://tools.example.test: search_catalog, sku (with headers X-Functions-Key)" in said
    assert "--yes" in said
    assert "a-functions-key" not in said


@pytest.mark.parametrize(
    ("url", "here"),
    [
        ("http://127.0.0.1:1/x", True),
        ("http://127.8.9.10/x", True),
        ("http://[::1]:80/", True),
        ("http://localhost./", True),
        ("http://10.0.0.1/", False),
        ("http://0.0.0.0/", False),
        ("https://localhost.example.test/", False),
    ],
)
def test_only_this_machine_by_its_own_name_is_loopback(url, here):
    assert is_loopback(url) is here
