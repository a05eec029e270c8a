"""Files of a job, mutated: one value replaced by any other, or a slice of the characters."""

import json

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from .folder import JOB

SECRETS = ("c0de-of-find", "t0ken-of-find", "pla1n-secret")

SECRET_JOB = JOB.replace('{"name": "read",', '{"name": "read", "headers": {"X-Key": "pla1n-secret"},')

fuzz = settings(
    max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

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


def mutations(text, values=anything):
    """Texts with one value replaced by one of `values`, or with a slice of the characters replaced."""
    value = json.loads(text)
    by_value = st.builds(
        lambda path, new: json.dumps(changed(value, path, new)),
        st.sampled_from(list(places(value))),
        values,
    )
    by_character = st.builds(
        lambda at, size, new: text[:at] + new + text[at + size :],
        st.integers(0, len(text)),
        st.integers(0, 8),
        st.text(st.characters(codec="utf-8"), max_size=3) | st.sampled_from(['"', "}", "NaN", "\\ud800"]),
    )
    return by_value | by_character


def assert_one_safe_line(message, secrets=SECRETS):
    assert len(message.splitlines()) <= 1
    for secret in secrets:
        assert secret not in message
