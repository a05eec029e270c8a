"""Whatever is done to the files, what comes out is a scenario, or one line of ours without a secret."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulator.errors import InputError
from simulator.job.scenario import Overrides, load_scenario

from .folder import ENVIRON, JOB, TOML, row, rows, write_folder

SECRETS = ("c0de-of-find", "t0ken-of-find", "pla1n-secret")

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["${", "${UNSET}", "http://h:x/", "x" * 5000, "a\0b", "auto"])
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def places(value, path=()):
    """Yield the path of every value."""
    yield path
    members = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in members:
        yield from places(inner, (*path, key))


def changed(value, path, new):
    """Return a copy with what is at the path replaced."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


def mutations(text):
    """Texts with one value replaced, or with a slice of the characters replaced."""
    value = json.loads(text)
    by_value = st.builds(
        lambda path, new: json.dumps(changed(value, path, new)),
        st.sampled_from(list(places(value))),
        anything,
    )
    by_character = st.builds(
        lambda at, size, new: text[:at] + new + text[at + size :],
        st.integers(0, len(text)),
        st.integers(0, 8),
        st.text(st.characters(codec="utf-8"), max_size=3) | st.sampled_from(['"', "}", "NaN", "\\ud800"]),
    )
    return by_value | by_character


def load(**files):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_folder(folder, **files)
        try:
            load_scenario(str(folder / "scenario.toml"), Overrides(), ENVIRON)
        except InputError as error:
            return str(error)
    return ""


def assert_one_safe_line(message):
    assert len(message.splitlines()) <= 1
    for secret in SECRETS:
        assert secret not in message


fuzz = settings(
    max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
SECRET_JOB = JOB.replace('{"name": "read",', '{"name": "read", "headers": {"X-Key": "pla1n-secret"},')


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
