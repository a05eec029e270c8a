import math
from pathlib import Path

import pytest

from simulator.errors import ScenarioError
from simulator.job import settings, target
from simulator.job.scenario import Overrides, embedded_endpoints, load_scenario
from simulator.job.scenariofile import EmbeddedEndpoints
from simulator.job.starter import starter_scenario
from simulator.model import Endpoint, Hyperparameters, Job, Load, TrainerRules

from .folder import ENVIRON, JOB, TOML, write_folder

ENDPOINTS = """
[endpoints]
mock = "finqa"
url = "FINQA_URL"
token = "FINQA_TOKEN"
[endpoints.settings]
workers = 8
"""


@pytest.mark.parametrize("name", ["scenario.toml", ".", "copy"])
def test_a_scenario_by_file_by_folder_or_by_content(folder, name):
    (folder / "copy").write_text(TOML, encoding="utf-8")
    scenario = load_scenario(name, Overrides(), ENVIRON)
    assert scenario.name == ("copy" if name == "copy" else folder.name)
    assert (scenario.seed, scenario.policy, scenario.gates) == (11, "quick", ("tools.p99 < 2s",))
    assert scenario.load == Load(steps=2, eval_in_flight_limit=None)
    assert scenario.rules == TrainerRules(tool_retries=1)
    assert scenario.policies["quick"].synthetic.calls == "uniform:2:4"
    assert set(scenario.policies) == {"quick", "synthetic"}
    assert (len(scenario.train), len(scenario.valid)) == (10, 10)


@pytest.mark.parametrize("name", ["job.json", "job"])
def test_a_bare_job_has_defaults(folder, name):
    (folder / "job").write_text("\n" + JOB, encoding="utf-8")
    scenario = load_scenario(name, Overrides(), ENVIRON)
    assert (scenario.policy, scenario.gates, scenario.load) == ("synthetic", None, Load())
    assert scenario.directory == Path()
    assert scenario.files == {"train": "train.jsonl", "valid": "valid.jsonl"}


def test_options_go_before_the_scenario(folder):
    (folder / "other.jsonl").write_text((folder / "train.jsonl").read_text() * 2)
    overrides = Overrides(
        train="other.jsonl", policy="synthetic", compute_multiplier=2, steps=3, time_scale=0, seed=5, gates=()
    )
    scenario = load_scenario("scenario.toml", overrides, ENVIRON)
    assert (scenario.policy, scenario.seed, scenario.gates) == ("synthetic", 5, ())
    assert (scenario.load.compute_multiplier, scenario.load.steps, scenario.load.time_scale) == (2, 3, 0)
    assert len(scenario.train) == 20


@pytest.mark.parametrize(
    ("toml", "overrides", "where"),
    [
        (TOML, Overrides(), "scenario.toml:4"),
        (TOML.replace('gates = ["tools.p99 < 2s"]', "gates = [\n]"), Overrides(), "scenario.toml:4"),
        (TOML, Overrides(gates=("tools.p99 < 3s",)), "--gate"),
        (TOML.replace("gates", "# gates"), Overrides(), "gate"),
        (TOML.replace("gates", "# gates"), Overrides(gates=()), "--gate"),
    ],
)
def test_a_gate_is_said_to_stand_where_it_came_from(folder, toml, overrides, where):
    write_folder(folder, toml=toml)
    assert load_scenario("scenario.toml", overrides, ENVIRON).gates_where == where


def test_the_gates_of_a_bare_job_stand_nowhere(folder):
    assert load_scenario("job.json", Overrides(), ENVIRON).gates_where == "gate"


def test_embedded_endpoints_are_read_before_the_environment_is_set(folder):
    write_folder(folder, toml=TOML + ENDPOINTS)
    expected = EmbeddedEndpoints("finqa", "FINQA_URL", "FINQA_TOKEN", {"workers": 8})
    assert embedded_endpoints("scenario.toml") == expected
    assert load_scenario(".", Overrides(), ENVIRON).name == folder.name
    assert embedded_endpoints("job.json") is None


@pytest.mark.parametrize(
    ("toml", "line"),
    [
        (
            "endpoints = 3\n" + TOML,
            "scenario.toml:1: endpoints must be a table, not a whole number; mend the value",
        ),
        ("", 'scenario.toml: no key "job"; write job = "job.json"'),
        (
            TOML + ENDPOINTS.replace("mock", "mop"),
            'scenario.toml:18: unknown key "mop" in [endpoints]; known: mock, settings, token, url',
        ),
    ],
)
def test_endpoints_that_cannot_be_read_are_refused_as_the_scenario_is(folder, toml, line):
    write_folder(folder, toml=toml)
    for read in (embedded_endpoints, lambda name: load_scenario(name, Overrides(), ENVIRON)):
        with pytest.raises(ScenarioError) as caught:
            read("scenario.toml")
        assert str(caught.value) == line


@pytest.mark.parametrize("kind", [Load, TrainerRules])
def test_every_number_has_a_range_and_every_default_is_in_it(kind):
    numbers = {
        name for name, hint in kind.__annotations__.items() if "int" in str(hint) or "float" in str(hint)
    }
    assert set(settings.RANGES[kind]) == numbers
    assert list(settings.range_problems(kind())) == []


@pytest.mark.parametrize("kind", [Load, TrainerRules, Hyperparameters, Endpoint, Job])
def test_every_range_holds_its_bounds_and_no_more(kind):
    for bounds in settings.RANGES[kind].values():
        lowest, highest = bounds
        assert 0 <= lowest < highest < math.inf
        assert not settings.range_problem(bounds, lowest)
        assert not settings.range_problem(bounds, highest)
        for value in (math.nextafter(lowest, -1), math.nextafter(highest, math.inf), math.inf, math.nan):
            assert settings.range_problem(bounds, value) == f"must be from {lowest} to {highest}"


def test_a_bundled_scenario_goes_before_a_folder_of_its_name(folder, monkeypatch):
    bundled = folder / "elsewhere" / "scenario.toml"
    monkeypatch.setattr(target, "bundled_scenarios", lambda: {"local": bundled})
    (folder / "local").mkdir()
    (folder / "local" / "scenario.toml").write_text(TOML)
    assert target.resolve("local").path == bundled
    assert target.resolve("./local").path == Path("local/scenario.toml")
    assert target.Target("scenario", bundled).name == "elsewhere"


def test_the_starting_scenario_loads_as_it_is_written(folder):
    (folder / "start.toml").write_text(starter_scenario(Path("job.json"), Path()), encoding="utf-8")
    scenario = load_scenario("start.toml", Overrides(), ENVIRON)
    assert (scenario.load, scenario.policy, scenario.gates) == (Load(), "synthetic-agent", None)
    assert scenario.policies["synthetic-agent"].synthetic == scenario.policies["synthetic"].synthetic


def test_the_starting_scenario_loads_with_every_comment_on_a_setting_taken_away(folder):
    text = starter_scenario(Path("job.json"), Path())
    (folder / "start.toml").write_text(uncommented(text, "gates", *settings.RANGES[Load], "calls", "answer"))
    scenario = load_scenario("start.toml", Overrides(), ENVIRON)
    assert scenario.load == Load()
    assert len(scenario.gates) == 3


def test_the_starting_scenario_says_which_dataset_it_could_not_find(folder):
    job = JOB.replace("train.jsonl", "file-abc").replace('"validation_file": "valid.jsonl",', "")
    write_folder(folder, job=job)
    text = starter_scenario(Path("job.json"), Path())
    assert '# train = "train.jsonl"  # the job names "file-abc", which is not here: name the file' in text
    (folder / "start.toml").write_text(uncommented(text, "train", "valid"))
    assert len(load_scenario("start.toml", Overrides(), ENVIRON).train) == 10


def test_the_starting_scenario_has_a_grader_to_compare_with(folder):
    text = starter_scenario(Path("job.json"), Path())
    block = text[text.index("# [grade]") :].split("\n\n")[0]
    plain = "\n".join(line.removeprefix("# ") for line in block.split("\n"))
    (folder / "start.toml").write_text(text.replace(block, plain))
    scenario = load_scenario("start.toml", Overrides(), ENVIRON)
    assert scenario.grade.against == ("exact",)
    assert scenario.graders["exact"].settings["input"] == "{{sample.output_text}}"


def uncommented(text, *keys):
    starts = tuple(f"# {key} = " for key in keys)
    return "\n".join(line[2:] if line.startswith(starts) else line for line in text.split("\n"))


def test_a_starting_scenario_may_lie_in_another_folder(folder):
    (folder / "elsewhere").mkdir()
    text = starter_scenario(Path("job.json"), Path("elsewhere"))
    (folder / "elsewhere" / "start.toml").write_text(text, encoding="utf-8")
    assert load_scenario("elsewhere/start.toml", Overrides(), ENVIRON).job.tools
