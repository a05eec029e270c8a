import contextlib
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints_mock.settings import (
    EndpointSettings,
    FaultRate,
    LoadShift,
    MockSettings,
    behaviour_of,
    build_settings,
    decode_settings,
    is_biased,
    parse_fault,
    parse_fault_rate,
    parse_service,
)
from endpoints_mock.wire_faults import FAULTS
from simulator.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("search:http_500=5%", ("search", FaultRate("http_500", 0.05))),
        ("search:http_500=0.05", ("search", FaultRate("http_500", 0.05))),
        ("search:http_500=5%:call", ("search", FaultRate("http_500", 0.05, sticky=True))),
        ("*:hang=100%:attempt", ("*", FaultRate("hang", 1.0))),
        (" grade-brittle:reset=0 ", ("grade-brittle", FaultRate("reset", 0.0))),
    ],
)
def test_faults_as_written(text, expected):
    assert parse_fault(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "names no endpoint"),
        ("http_500=5%", "names no endpoint"),
        ("search", "names no endpoint"),
        ("search:http_500", "is no fault rate"),
        ("search:http_500=5%:always", "is no fault rate"),
        ("search:http_501=5%", "unknown fault `http_501`; known are http_500,"),
        ("search:http_500=150%", "is no rate"),
        ("search:http_500=-1%", "is no rate"),
        ("search:http_500=nan", "is no rate"),
        ("search:http_500=", "is no rate"),
    ],
)
def test_wrong_faults_are_told_apart(text, message):
    with pytest.raises(InputError, match=message):
        parse_fault(text)


@given(st.sampled_from(sorted(FAULTS)), st.floats(0, 1), st.booleans())
def test_a_fault_rate_survives_being_written(kind, rate, sticky):
    assert parse_fault_rate(f"{kind}={rate!r}{':call' if sticky else ''}") == FaultRate(kind, rate, sticky)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text):
    for parse in (parse_fault, parse_fault_rate, parse_service, decode_settings):
        with contextlib.suppress(InputError):
            parse(text)


@given(st.text(alphabet="0123456789.:+*%=,-einfax ", max_size=30), st.integers(0, 1 << 32))
def test_what_is_taken_for_a_service_time_is_never_negative(text, seed):
    try:
        service = parse_service(text)
    except InputError:
        return
    assert service.draw(random.Random(seed)) >= 0


def test_service_time_names_the_option_and_the_forms():
    with pytest.raises(InputError, match=r"service_ms of search: .*lognormal:MEDIAN:SIGMA"):
        build_settings(service_ms=["search=lognormal:50"])


def test_settings_from_texts_equal_those_from_json():
    built = build_settings(
        service_ms=["20", "search=lognormal:50:1"],
        workers=["search=8"],
        cold_start=["*=2.5"],
        faults=["search:http_500=5%", "*:reset=1%:call", "search:hang=1%"],
        order="random",
        seed=3,
    )
    assert built == decode_settings("""{
        "seed": 3,
        "defaults": {"service_ms": "20", "order": "random", "cold_start_s": 2.5, "faults": ["reset=1%:call"]},
        "endpoints": {"search": {
            "service_ms": "lognormal:50:1", "workers": 8, "faults": ["http_500=5%", "hang=1%"]}}
    }""")
    assert msgspec.json.decode(msgspec.json.encode(built), type=MockSettings) == built


def test_an_endpoints_own_settings_come_before_the_defaults():
    settings = MockSettings(
        defaults=EndpointSettings(service_ms=20, workers=4, faults=("http_500=1%", "missing_type=2%")),
        endpoints={"search": EndpointSettings(workers=0, faults=("http_500=5%",))},
    )
    search = behaviour_of(settings, "search", is_tool=True)
    assert (search.service_ms.mean, search.workers, search.order) == (20, 0, "fifo")
    assert search.faults == (FaultRate("http_500", 0.05), FaultRate("missing_type", 0.02))
    grader = behaviour_of(settings, "grade", is_tool=False)
    assert (grader.workers, grader.faults) == (4, (FaultRate("http_500", 0.01),))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (EndpointSettings(workers=-1), "workers of grade: must be"),
        (EndpointSettings(cold_start_s=-1.0), "cold_start_s of grade: must be"),
        (EndpointSettings(service_ms="soon"), "service_ms of grade: `soon` is no distribution"),
        (EndpointSettings(faults=("wrong_ids=5%",)), "faults of grade: a grader cannot have `wrong_ids`"),
        (EndpointSettings(faults=("reset=60%", "hang=60%")), "add up to more than 100%"),
    ],
)
def test_unusable_settings_name_what_is_wrong(settings, message):
    with pytest.raises(InputError, match=message):
        behaviour_of(MockSettings(endpoints={"grade": settings}), "grade", is_tool=False)


@pytest.mark.parametrize(
    "texts",
    [
        {"workers": ["x"]},
        {"workers": ["search=-1"]},
        {"workers": ["1.5"]},
        {"cold_start": ["soon"]},
        {"cold_start": ["search=nan"]},
    ],
)
def test_unusable_texts_are_refused(texts):
    with pytest.raises(InputError):
        build_settings(**texts)


@pytest.mark.parametrize(
    "json", ["", "[]", '{"sede": 1}', '{"endpoints": {"search": {"order": "lifo"}}}', "[" * 100_000]
)
def test_unusable_json_is_refused(json):
    with pytest.raises(InputError, match="settings: "):
        decode_settings(json)


def test_flaws_of_a_grader_are_read():
    settings = build_settings(
        noise=["grade=0.1"], load_shift=["grade=-0.07 above 40"], worker_shift=["grade=0.2"]
    )
    behaviour = behaviour_of(settings, "grade", is_tool=False)
    assert (behaviour.noise, behaviour.worker_shift) == (0.1, 0.2)
    assert behaviour.load_shift == LoadShift(-0.07, 40)
    assert not is_biased(behaviour_of(settings, "search", is_tool=True))
    assert not is_biased(behaviour_of(settings, "other", is_tool=False))


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ({"noise": ["grade=much"]}, "`much` is no number"),
        ({"noise": ["grade=nan"]}, "`nan` is no number"),
        ({"load_shift": ["grade=-0.07"]}, "`-0.07` is no shift under load; write `-0.07 above 40`"),
        ({"load_shift": ["grade=-0.07 above -1"]}, "is no shift under load"),
        ({"load_shift": ["grade=x above 4"]}, "is no shift under load"),
        ({"worker_shift": ["grade=inf"]}, "`inf` is no number"),
    ],
)
def test_flaws_that_cannot_be_are_refused(texts, said):
    with pytest.raises(InputError, match=said):
        build_settings(**texts)


def test_noise_is_not_negative():
    settings = MockSettings(endpoints={"grade": EndpointSettings(noise=-1.0)})
    with pytest.raises(InputError, match="noise of grade: must be a finite number"):
        behaviour_of(settings, "grade", is_tool=False)
