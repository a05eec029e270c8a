import json
from pathlib import Path

import pytest

from simulator.job.jobfile import GRADER_TYPES, endpoints_in, read_job
from simulator.model import Endpoint, Grader, Hyperparameters

from .folder import ENVIRON, JOB


def read(folder, value, environ=ENVIRON):
    text = value if isinstance(value, str) else json.dumps(value)
    (folder / "job.json").write_text(text, encoding="utf-8")
    return read_job(Path("job.json"), environ)


def reinforcement():
    return json.loads(JOB)["method"]["reinforcement"]


def test_the_whole_job(folder):
    found = read(folder, JOB)
    job = found.job
    assert job.tools == (
        Endpoint(
            "find",
            "tool",
            "http://127.0.0.1:9/find?code=c0de-of-find",
            (("Authorization", "Bearer t0ken-of-find"),),
        ),
        Endpoint("read", "tool", "http://127.0.0.1:9/read"),
    )
    assert job.grader == Grader(
        "endpoint", "endpoint", Endpoint("grader", "grader", "http://127.0.0.1:9/grade", rate_limit=50.0)
    )
    assert job.hyperparameters == Hyperparameters(batch_size=4, compute_multiplier=1.5)
    assert job.max_episode_steps == 10
    assert found.secrets == ("Bearer t0ken-of-find", "t0ken-of-find", "c0de-of-find")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda inner: inner,
        lambda inner: {"reinforcement": inner},
        lambda inner: {"type": "reinforcement", "reinforcement": inner},
        lambda inner: {"method": {"reinforcement": inner}, "suffix": None, "n": {"unknown": 1}},
    ],
)
def test_the_reinforcement_object_in_any_wrapping(folder, wrap):
    assert read(folder, wrap(reinforcement())).job == read(folder, JOB).job


@pytest.mark.parametrize("kind", sorted(GRADER_TYPES - {"endpoint"}))
def test_graders_that_the_platform_runs_are_no_endpoints(folder, kind):
    value = reinforcement() | {
        "grader": {"type": kind, "name": "marks", "pass_threshold": 0.5, "source": "?"}
    }
    assert read(folder, value).job.grader == Grader(kind, "marks", None, 0.5, value["grader"])


def test_the_graders_inside_a_multi_are_read_as_far_as_they_are_graders(folder):
    inner = {
        "exact": {"type": "string_check"},
        "odd": {"type": ["x"]},
        "mine": {"type": "endpoint", "url": "http://h/g"},
    }
    grader = read(folder, reinforcement() | {"grader": {"type": "multi", "graders": inner}}).job.grader
    assert list(grader.graders) == ["exact", "mine"]
    assert [endpoint.url for endpoint in endpoints_in(grader)] == ["http://h/g"]


def test_tools_may_share_a_url_and_have_null_headers(folder):
    tools = [{"name": name, "server_url": "http://h/", "headers": None} for name in "abc"]
    assert {tool.url for tool in read(folder, reinforcement() | {"tools": tools}).job.tools} == {"http://h/"}


def test_auto_and_null_and_absent_are_all_none(folder):
    value = reinforcement() | {
        "hyperparameters": {"batch_size": "auto", "n_epochs": None, "reasoning_effort": "low"}
    }
    assert read(folder, value).job.hyperparameters == Hyperparameters()


def test_a_job_without_tools_has_its_grader_tried(folder):
    value = reinforcement() | {"tools": None, "max_episode_steps": None}
    assert read(folder, value).job.tools == ()


def test_without_an_environment_references_stay(folder):
    assert read(folder, JOB, None).job.tools[0].url == "http://127.0.0.1:9/find?code=${FIND_CODE}"


def test_a_byte_order_mark_is_tolerated(folder):
    assert read(folder, "\ufeff" + JOB).job == read(folder, JOB).job
