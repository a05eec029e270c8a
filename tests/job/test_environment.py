import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.errors import JobError
from simulator.job.document import parse
from simulator.job.environment import expand, read_headers, read_url, references, secrets_of
from simulator.model import Endpoint

names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
plain = st.text(st.characters(codec="utf-8", exclude_characters="$"), max_size=10)


def node(value):
    return parse("job.json", json.dumps(value), JobError)


@given(st.lists(plain | names.map(lambda name: f"${{{name}}}"), min_size=1), st.text(min_size=1))
def test_each_reference_becomes_the_value_and_nothing_else_changes(parts, value):
    text = "x" + "".join(parts)
    expected = "x" + "".join(value if part.startswith("${") else part for part in parts)
    assert expand(node(text), dict.fromkeys(references(text), value)) == expected


def test_a_value_is_not_expanded_again():
    assert expand(node("${A}"), {"A": "${B}", "B": "no"}) == "${B}"


@pytest.mark.parametrize(
    "url",
    [
        "http://h", "https://h:8443/a/b?c=d", "http://[::1]:80/x", "http://127.0.0.1:7070/tool",
        "http://h/%20?q=a%26b", "HTTP://h/",
    ],
)  # fmt: skip
def test_urls_that_pass_unchanged(url):
    assert read_url(node(url), {}) == url


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("not a url", "the JSON holds a character that no URL may hold"),
        ("http://h/a\nb", "the JSON holds a character that no URL may hold"),
        ("http://h/é", "the JSON holds a character that no URL may hold"),
        ("http://evil\\@h/", "the JSON holds a character that no URL may hold"),
        ("#TOOLS_SERVER_URL#", "the JSON is no http or https URL"),
        ("ftp://h/", "the JSON is no http or https URL"),
        ("http:///path", "the JSON is no http or https URL"),
        ("http://:80/", "the JSON is no http or https URL"),
        ("http://h:99999/", "the JSON is no URL: its host or port cannot be read"),
        ("http://h:port/", "the JSON is no URL: its host or port cannot be read"),
        ("http://[::1/", "the JSON is no URL: its host or port cannot be read"),
        ("http://h:0/", "the JSON has port 0"),
        ("http://me:hidden@h/", "the JSON holds a user or password"),
        ("http://@h/", "the JSON holds a user or password"),
        ("http://h/#top", "the JSON holds a fragment, which HTTP never sends"),
    ],
)
def test_urls_that_are_refused(url, message):
    with pytest.raises(JobError) as caught:
        read_url(node(url), {})
    assert caught.value.message == message


@given(st.text(max_size=30))
def test_any_url_passes_or_is_a_job_error(text):
    try:
        read_url(node(text), {})
    except JobError as error:
        assert len(str(error).splitlines()) == 1  # noqa: PT017 most texts are refused, some are not


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3))
def test_headers_that_pass_can_be_sent(headers):
    try:
        pairs = read_headers(node(headers), {})
    except JobError:
        return
    for name, value in pairs:
        wire = f"{name}: {value}".encode("latin-1")
        assert not any(byte < 0x20 and byte != 9 for byte in wire)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "é", "Content-Length", "transfer-encoding"])
def test_header_names_that_are_refused(name):
    with pytest.raises(JobError):
        read_headers(node({name: "v"}), {})


@pytest.mark.parametrize("value", ["a\r\nX: y", "a\n", "\x00", "\x7f", "→"])
def test_a_refused_header_value_is_not_shown(value):
    with pytest.raises(JobError) as caught:
        read_headers(node({"X-Key": "${V}"}), {"V": f"hidden{value}"})
    assert '["X-Key"]' in str(caught.value) or ".X-Key" in str(caught.value) or "X-Key" in str(caught.value)
    assert "hidden" not in str(caught.value)


def test_a_variable_that_holds_the_address_is_no_secret_but_its_query_is():
    endpoint = Endpoint("find", "tool", "http://h.example:7070/find?code=s3cret")
    environ = {"BASE": "http://h.example:7070/find?code=s3cret", "HOST": "h.example", "PORT": "7070"}
    assert secrets_of([endpoint], "${BASE} ${HOST} ${PORT}", environ) == ("s3cret",)


def test_secrets_are_header_values_variables_and_query_values_longest_first():
    endpoint = Endpoint("find", "tool", "http://h/?code=qu%20ery&n=1", (("A", "Bearer t0ken"), ("B", "abc")))
    assert secrets_of([endpoint], "${UNUSED} ${USED}", {"USED": "from-environ"}) == (
        "Bearer t0ken", "from-environ", "qu%20ery", "qu ery", "t0ken",
    )  # fmt: skip
