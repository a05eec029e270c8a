"""JSON values in which some parts are something else, or gone: what files hold that nobody meant to write."""

import contextlib
import copy

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from simulator.job.traces.format import BROKEN
from simulator.job.traces.recording import Recording

fuzz = settings(
    max_examples=100, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

GONE = object()
"""In place of a new value: the part is left out."""

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([-1, 10**30, 1e308, "", "x", "\ud800", "1e999", "2024-01-01T00:00:00Z"])
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


def mutated(value):
    """Copies of a JSON value with some parts replaced by anything, or by another part, or left out."""
    parts = [part for _, part in places(value)]
    new = st.just(GONE) | anything | st.sampled_from(parts)
    changes = st.lists(
        st.tuples(st.sampled_from([path for path, _ in places(value)]), new), min_size=1, max_size=3
    )
    return changes.map(lambda some: _after(value, some))


def places(value, path=()):
    """Yield the path of every part, and the part."""
    yield path, value
    for key, inner in _members(value):
        yield from places(inner, (*path, key))


def _members(value):
    return value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()


def _after(value, changes):
    result = [copy.deepcopy(value)]
    for path, new in changes:
        with contextlib.suppress(KeyError, IndexError, TypeError):  # an earlier change took the part away
            _change(result, (0, *path), new)
    return result[0] if result else None


def _change(root, path, new):
    at = root
    for key in path[:-1]:
        at = at[key]
    if new is GONE:
        del at[path[-1]]
    else:
        at[path[-1]] = copy.deepcopy(new)


def assert_read_or_broken(kind, value):
    """Read a value by a format: every part of its rollouts has its type, or one of BROKEN is raised."""
    assert kind.is_one(value) in (False, True)
    reader = kind.reader()
    with contextlib.suppress(*BROKEN):
        for one in [*reader.read(value), *reader.rest()]:
            assert_sound(one)


def assert_sound(one):
    assert isinstance(one, Recording)
    assert isinstance(one.fields, dict)
    assert isinstance(one.item, dict | None)
    assert all(isinstance(text, str) for text in (one.key, one.group, one.trace_id, one.answer))
    seconds = [one.score, one.started, one.ended, *(turn.think_s for turn in one.turns)]
    for call in one.recorded_calls:
        assert all(isinstance(text, str) for text in (call.name, call.arguments, call.call_id))
        assert isinstance(call.output, str | None)
        assert isinstance(call.failed, bool)
        seconds += [call.started, call.ended]
    assert all(isinstance(number, float | int | None) for number in seconds)
