from pathlib import Path

import pytest

from simulator.job import settings, target
from simulator.job.scenario import Overrides, embedded_endpoints, load_scenario
from simulator.job.scenariofile import EmbeddedEndpoints
from simulator.job.starter import starter_scenario
from simulator.model import Load, TrainerRules

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
    assert scenario.embedded is None
    assert (len(scenario.train), len(scenario.valid), scenario.findings) == (10, 10, ())


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


def test_embedded_endpoints_are_read_before_the_environment_is_set(folder):
    write_folder(folder, toml=TOML + ENDPOINTS)
    expected = EmbeddedEndpoints("finqa", "FINQA_URL", "FINQA_TOKEN", {"workers": 8})
    assert embedded_endpoints("scenario.toml") == expected
    assert load_scenario(".", Overrides(), ENVIRON).embedded == expected
    assert embedded_endpoints("job.json") is None


@pytest.mark.parametrize("kind", [Load, TrainerRules])
def test_every_number_has_a_range_and_every_default_is_in_it(kind):
    numbers = {
        name for name, hint in kind.__annotations__.items() if "int" in str(hint) or "float" in str(hint)
    }
    assert set(settings.LOWER_BOUNDS[kind]) == numbers
    assert list(settings.range_problems(kind())) == []


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
    (folder / "start.toml").write_text(
        uncommented(text, "gates", *settings.LOWER_BOUNDS[Load], "calls", "answer")
    )
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


def uncommented(text, *keys):
    starts = tuple(f"# {key} = " for key in keys)
    return "\n".join(line[2:] if line.startswith(starts) else line for line in text.split("\n"))


def test_a_starting_scenario_may_lie_in_another_folder(folder):
    (folder / "elsewhere").mkdir()
    text = starter_scenario(Path("job.json"), Path("elsewhere"))
    (folder / "elsewhere" / "start.toml").write_text(text, encoding="utf-8")
    assert load_scenario("elsewhere/start.toml", Overrides(), ENVIRON).job.tools
