"""Secrets in plain text are found, and never told."""

import json

import pytest

from simulator.job.lint.tokens import (
    SHAPES,
    conceal,
    is_credential,
    is_query_credential,
    possible_in,
    token_in,
)
from tests.job.folder import ENVIRON, FIND, JOB

from .studio import at, findings, only, rows

pytestmark = pytest.mark.usefixtures("folder")

LONG = "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8s9T0"
TOKENS = {
    "a key of OpenAI's form": f"sk-proj-{LONG}",
    "a GitHub token": f"ghp_{LONG}",
    "a GitLab token": f"glpat-{LONG[:20]}",
    "an AWS access key": "AKIA" + LONG[:16].upper(),
    "a Google key": f"AIza{LONG[:35]}",
    "an Azure storage key": f"AccountKey={(LONG * 3)[:86]}==",
    "a Hugging Face token": f"hf_{LONG}",
    "an npm token": f"npm_{LONG[:36]}",
    "a Slack token": f"xoxb-{LONG}",
    "a Stripe key": f"sk_live_{LONG}",
    "a JSON web token": f"eyJ{LONG}.eyJ{LONG}.{LONG}",
    "a private key": "-----BEGIN RSA PRIVATE KEY-----",
}
NO_TOKENS = (
    "a risk-free-and-task-oriented-2-step-Sk-approach", "sk-learn-pipelines-and-other-estimators",
    "desk-" + LONG, "ghp_short", "xAKIA" + LONG[:16].upper(), "eyJhbGciOi", "-----BEGIN PUBLIC KEY-----",
    "AccountKey=...;", "hf_transfer",
)  # fmt: skip


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("around", ["{}", "key: {}.", '"{}"', "\n{}\n", "密钥{}", "“{}”", "\t{} "])
def test_tokens_are_known_wherever_they_stand(kind, around):
    text = around.format(TOKENS[kind])
    assert token_in(text) == kind
    assert TOKENS[kind] not in conceal(text)
    for ensure_ascii in (True, False):
        assert kind in [
            shape.name for shape in possible_in(json.dumps(text, ensure_ascii=ensure_ascii).encode())
        ]


@pytest.mark.parametrize("text", NO_TOKENS)
def test_what_only_begins_like_a_token_is_none(text):
    assert token_in(text) == ""
    assert conceal(text) == text


def test_every_shape_has_its_example():
    assert {shape.name for shape in SHAPES} == set(TOKENS)


@pytest.mark.parametrize(
    "name",
    ["Authorization", "X-Functions-Key", "x-api-key", "ApiKey", "Cookie", "X-Access-Token", "X-Auth",
     "Ocp-Apim-Subscription-Key", "client_secret", "X-Key", "Proxy-Authorization", "X-Password"],
)  # fmt: skip
def test_headers_that_carry_credentials(name):
    assert is_credential(name)
    assert is_query_credential(name)


@pytest.mark.parametrize(
    "name", ["Content-Type", "X-Monkey", "X-Author", "Idempotency-Key", "X-Max-Tokens", "X-Token-Limit"]
)  # fmt: skip
def test_headers_that_do_not(name):
    assert not is_credential(name)


def test_the_code_in_a_query_is_a_credential_and_in_a_header_is_not():
    assert is_query_credential("code")
    assert is_query_credential("sig")
    assert not is_credential("X-Code")


@pytest.mark.parametrize("value", ["Bearer pla1n", "pla1n", "Basic dTpw"])
def test_a_literal_header(value):
    job = JOB.replace("Bearer ${FIND_TOKEN}", value)
    finding = only("job.plain_secret", job=job)
    assert finding.where == at(job, value)
    assert finding.message.endswith("tools[0].headers.Authorization holds credentials in plain text")
    assert value.split()[-1] not in str(finding)


def test_a_literal_header_that_carries_no_credentials_is_fine():
    assert findings(job=JOB.replace("Authorization", "X-Version").replace("Bearer ${FIND_TOKEN}", "v2")) == ()


@pytest.mark.parametrize(
    "value", ["${FIND_TOKEN}", "Bearer", "Bearer <KEY>", "{{KEY}}", "#KEY#", "xxxx", "your-key", "***", ""]
)
def test_a_placeholder_is_no_secret(value):
    assert findings(job=JOB.replace("Bearer ${FIND_TOKEN}", value)) == ()


def test_one_secret_in_several_headers_is_one_finding():
    headers = '"headers": {"X-Key": "pla1n"}'
    job = JOB.replace('"name": "read",', f'"name": "read", {headers},').replace(
        '"rate_limit"', f'{headers}, "rate_limit"'
    )
    finding = only("job.plain_secret", job=job)
    assert finding.where.startswith("job.json:11:")
    assert finding.message == (
        "method.reinforcement.tools[1].headers.X-Key holds credentials in plain text; "
        "likewise on 1 more line: 13"
    )


def test_a_literal_key_in_a_url():
    job = JOB.replace("code=${FIND_CODE}", "v=1&code=pla1n")
    finding = only("job.plain_secret", job=job)
    assert finding.where == at(job, "http://127.0.0.1:9/find?v=1&code=pla1n")
    assert finding.message.endswith("tools[0].server_url holds `code=...` in plain text")
    assert "pla1n" not in str(finding)


@pytest.mark.parametrize("query", ["v=1", "code=", "code=${FIND_CODE}&v=1", "encode=x"])
def test_other_queries_are_fine(query):
    assert findings(job=JOB.replace("code=${FIND_CODE}", query)) == ()


def test_a_token_anywhere_in_the_job():
    token = TOKENS["a GitHub token"]
    job = JOB.replace('"training_file"', f'"suffix": "of {token}",\n  "training_file"')
    finding = only("job.plain_secret", job=job)
    assert (finding.where, finding.message) == (
        "job.json:2:13",
        "suffix holds what looks like a GitHub token",
    )


def test_a_token_in_a_header_is_told_once():
    job = JOB.replace("Bearer ${FIND_TOKEN}", "Bearer " + TOKENS["a JSON web token"])
    assert only("job.plain_secret", job=job).message.endswith(
        "headers.Authorization holds credentials in plain text"
    )


def test_a_token_as_a_name_is_not_told_by_name():
    token = TOKENS["a JSON web token"]
    job = JOB.replace('"training_file"', f'"metadata": {{"{token}": 1}},\n  "training_file"')
    finding = only("job.plain_secret", job=job)
    assert finding.message == "the name of a value holds what looks like a JSON web token"


@pytest.mark.parametrize("kind", TOKENS)
def test_a_token_in_rows(kind):
    train = rows("train")
    train[3]["notes"] = [{"deep": f"kept:\n{TOKENS[kind]}"}]
    train[5]["notes"] = TOKENS[kind]
    finding = only("dataset.plain_secret", train=train)
    place = json.dumps(train[3]).index('"kept:') + 1
    assert finding.where == f"train.jsonl:4:{place}"
    assert finding.message == f"the row holds what looks like {kind}; likewise on 1 more line: 6"


def test_several_tokens_in_a_row_are_one_line():
    train = rows("train")
    train[3]["notes"] = list(TOKENS.values())
    assert "likewise" not in only("dataset.plain_secret", train=train).message


@pytest.mark.parametrize("kind", TOKENS)
def test_no_message_of_another_finding_holds_a_token(kind):
    job = JOB.replace('"read"', json.dumps(TOKENS[kind]))
    bare = {split: [{**one, "tools": [FIND]} for one in rows(split)] for split in ("train", "valid")}
    found = findings(job=job, **bare)
    assert [f.code for f in found] == ["job.plain_secret", "job.tool_in_no_row"]
    assert not [f for f in found if TOKENS[kind][:40] in f.message]


def test_no_message_holds_a_value_that_came_from_the_environment():
    """Whoever names a tool like a secret's value has other troubles; ours is not to print it."""
    job = JOB.replace('"read"', json.dumps(ENVIRON["FIND_TOKEN"]))
    bare = {split: [{**one, "tools": [FIND]} for one in rows(split)] for split in ("train", "valid")}
    assert only("job.tool_in_no_row", job=job, **bare).message == 'no row declares "***"'
