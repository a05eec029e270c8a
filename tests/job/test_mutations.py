"""Whatever is done to the files, what comes out is a scenario, or one line of ours without a secret."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.job.scenario import Overrides, load_scenario

from .folder import ENVIRON, TOML, row, rows, write_folder
from .mutations import SECRET_JOB, assert_one_safe_line, fuzz, mutations


def load(**files):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(folder, **files)
        try:
            load_scenario(str(folder / "scenario.toml"), Overrides(), ENVIRON)
        except InputError as error:
            return str(error)
    return ""


@fuzz
@given(mutations(SECRET_JOB))
def test_jobs(job):
    assert_one_safe_line(load(job=job))


@fuzz
@given(mutations(row()))
def test_rows(mutated):
    assert_one_safe_line(load(train="\n".join([*rows(2), mutated])))


@fuzz
@given(st.binary(max_size=40))
def test_bytes(data):
    assert_one_safe_line(load(train=row().encode() + b"\n" + data))


@fuzz
@given(
    st.integers(0, len(TOML)),
    st.integers(0, 12),
    st.text(st.characters(codec="utf-8"), max_size=4)
    | st.sampled_from(["-1", "nan", "[x]", "''", "1979-05-27"]),
)
def test_scenarios(at, size, new):
    assert_one_safe_line(load(toml=TOML[:at] + new + TOML[at + size :]))


@pytest.mark.parametrize(
    "toml",
    [
        'job = "a\x85b.json"',
        TOML.replace("quick", '"qu\\nick"').replace('policy = ""qu\\nick""', ""),
        TOML.replace("uniform:2:4", "a\\nb"),
        TOML + '"un\\nknown" = 1',
    ],
)
def test_line_breaks_in_names_do_not_break_the_line(toml):
    message = load(toml=toml)
    assert len(message.splitlines()) == 1 or not message


@pytest.mark.parametrize("value", ["{secret}\n", "{secret}→", "{secret}${{", "{secret} ${{UNSET}}"])
@pytest.mark.parametrize("field", ["X-Key", "server_url"])
def test_a_secret_beside_what_is_wrong_is_not_shown(field, value):
    job = json.loads(SECRET_JOB)
    tool = job["method"]["reinforcement"]["tools"][1]
    (tool if field == "server_url" else tool["headers"])[field] = value.format(
        secret="http://h/?k=pla1n-secret"
    )
    message = load(job=json.dumps(job))
    assert message
    assert_one_safe_line(message)
