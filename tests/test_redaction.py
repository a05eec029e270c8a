from hypothesis import given
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
