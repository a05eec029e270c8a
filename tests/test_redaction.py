import json
from urllib.parse import quote, quote_plus

from hypothesis import example, given
from hypothesis import strategies as st

from simulator.redaction import REDACTED, redactor


def test_every_secret_is_replaced_wherever_it_stands():
    redact = redactor(["t0ken", "hunter2"])
    assert redact("Bearer t0ken, t0kent0ken and hunter2") == "Bearer ***, ****** and ***"


def test_a_longer_secret_goes_first_so_that_none_leaves_a_rest():
    for order in (["abc", "abcdef"], ["abcdef", "abc"]):
        assert redactor(order)("abcdef abc") == "*** ***"


def test_secrets_are_taken_literally_and_not_as_patterns():
    assert redactor([".*", "a+b", "$1(", "\\"])(".* ab a+b $1( \\ x") == "*** ab *** *** *** x"


def test_without_secrets_a_text_stays_as_it_is():
    assert redactor([])("text") == redactor(["", ""])("text") == "text"


@given(st.lists(st.text(alphabet="abcdé+.", min_size=1), min_size=1), st.text(alphabet="abcdé+. "))
def test_no_secret_is_left_in_any_text(secrets, text):
    redacted = redactor(secrets)(text)
    for rest in redacted.split(REDACTED):
        assert not any(secret in rest for secret in secrets)


SECRETS = st.lists(st.text(min_size=1), min_size=1, max_size=3)


def escaped(secret, *, times):
    """Return a secret as it stands in a JSON string, in a JSON string within that, and so on."""
    forms = [secret]
    for _ in range(times):
        forms += [json.dumps(form, ensure_ascii=only)[1:-1] for form in forms for only in (True, False)]
    return forms


def survives(secret, text):
    """Tell whether a secret stands in a text; stars that took its place, or another's, are none of it."""
    return any(secret in rest for rest in text.split(REDACTED))


@given(SECRETS, st.text(), st.text(), st.booleans())
@example(['say "hi"\\n'], "no ", " works", True)
@example(["sécret\n"], "", "", True)
@example(["\U0001d11e\x7f"], "", "", False)
def test_no_secret_is_left_in_json_however_it_is_escaped(secrets, before, after, ascii_only):
    redact = redactor(secrets)
    said = before + secrets[0] + after
    once = json.dumps({"output": said}, ensure_ascii=ascii_only)
    for text in (said, once, json.dumps(once), json.dumps(once, ensure_ascii=False)):
        redacted = redact(text)
        for secret in secrets:
            assert not any(survives(form, redacted) for form in escaped(secret, times=2))


@given(st.text(min_size=1), st.text(alphabet="ab/?&="))
@example("a key/with+all=of&it", "?code=")
@example("sécret 100%", "/")
def test_no_secret_is_left_in_a_url_that_has_encoded_it(secret, before):
    redact = redactor([secret])
    for encode in (lambda text: quote(text, safe=""), quote_plus):
        redacted = redact(f"http://tools.example/{before}{encode(secret)}")
        assert not survives(encode(secret), redacted)


def test_an_escaped_secret_is_replaced_as_a_whole():
    redact = redactor(['p"w\\d é'])
    assert redact('{"error": "the key p\\"w\\\\d é is not valid"}') == '{"error": "the key *** is not valid"}'
    assert redact('{"error": "the key p\\"w\\\\d \\u00e9 is not valid"}') == (
        '{"error": "the key *** is not valid"}'
    )
    assert redact("GET /?code=p%22w%5Cd%20%C3%A9&x=1 and ?code=p%22w%5Cd+%C3%A9") == (
        "GET /?code=***&x=1 and ?code=***"
    )
