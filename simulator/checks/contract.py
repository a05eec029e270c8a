"""The contract of one endpoint, tool or grader: an ordinary call, and requests that must be refused."""

from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits

import msgspec

from simulator.checks import wire
from simulator.checks.caller import Ask, Caller, How
from simulator.checks.prober import Headers
from simulator.checks.response import Answered, ResponseKind
from simulator.faults import Violation
from simulator.findings import found
from simulator.hosts import is_loopback
from simulator.model import Endpoint, Finding

# -- an ordinary call

_BY_STATUS: dict[int, str] = {
    401: "endpoint.credentials_refused",
    403: "endpoint.credentials_refused",
    404: "endpoint.not_there",
    405: "endpoint.not_there",
    410: "endpoint.not_there",
}
_BY_KIND: dict[ResponseKind, str] = {
    ResponseKind.REFUSED: "endpoint.refuses",
    ResponseKind.REDIRECTED: "endpoint.redirects",
    ResponseKind.CRASHED: "endpoint.fails",
    ResponseKind.HUNG: "endpoint.no_answer",
    ResponseKind.TOO_LARGE: "endpoint.answer_too_large",
    ResponseKind.MALFORMED: "endpoint.malformed",
}
_BY_VIOLATION: dict[Violation, str] = {
    Violation.MISSING_TYPE: "tool.type",
    Violation.WRONG_TYPE: "tool.type",
    Violation.MISSING_ID: "tool.missing_ids",
    Violation.MISSING_CALL_ID: "tool.missing_ids",
    Violation.WRONG_ID: "tool.wrong_ids",
    Violation.WRONG_CALL_ID: "tool.wrong_ids",
    Violation.OUTPUT_NOT_A_STRING: "tool.output_not_string",
}
_WORDS: dict[Violation, str] = {
    Violation.MISSING_TYPE: "no `type`",
    Violation.WRONG_TYPE: "another `type` than function_call_output",
    Violation.MISSING_ID: "no `id`",
    Violation.MISSING_CALL_ID: "no `call_id`",
    Violation.WRONG_ID: "another `id` than the call",
    Violation.WRONG_CALL_ID: "another `call_id` than the call",
    Violation.OUTPUT_NOT_A_STRING: "an `output` that is not a string",
}
_SAID_OF: dict[str, str] = {
    "endpoint.credentials_refused": "an ordinary call, with the job's headers, was answered with {status}",
    "endpoint.not_there": "an ordinary call was answered with {status}",
    "endpoint.refuses": "an ordinary call was answered with {status}",
    "endpoint.redirects": "an ordinary call was answered with {status}",
    "endpoint.fails": "an ordinary call ended with {told}",
    "endpoint.no_answer": "an ordinary call got no answer within {seconds:.2g} s",
    "endpoint.answer_too_large": "the answer to an ordinary call is larger than 1 MB",
    "endpoint.malformed": "an ordinary call was answered with {status} and no `output`",
    "grader.no_score": "an ordinary answer was graded with {status}, without a finite number in `score`",
    "wire.not_http": "what came back is not HTTP",
    "wire.dns": "the host's name, or the proxy's, could not be resolved",
    "wire.refused": "nothing listened at the address, or at the proxy's",
    "wire.unreachable": "no connection to the host, or to the proxy",
    "wire.tls": "the TLS handshake, or the certificate's verification, failed",
    "limits.throttled": "an ordinary call was answered with 429, again and again",
}


def judge_ordinary(caller: Caller, endpoint: Endpoint, answered: Answered) -> Iterator[Finding]:
    """Yield what is wrong with the answer to an ordinary call."""
    evidence = caller.evidence(answered)
    code = _code_of(endpoint, answered)
    if code is not None:
        seen = answered.seen
        message = _SAID_OF[code].format(status=seen.status, told=answered.told, seconds=seen.seconds)
        yield found(code, message, endpoint=endpoint.name, evidence=evidence)
    codes: dict[str, list[str]] = {}
    for violation in answered.reading.violations:
        codes.setdefault(_BY_VIOLATION[violation], []).append(_WORDS[violation])
    for code, violations in codes.items():
        message = f"the answer to an ordinary call has {' and '.join(violations)}"
        yield found(code, message, endpoint=endpoint.name, evidence=evidence)
    kind = answered.seen.content_type.partition(";")[0].strip().lower()
    if answered.reading.fault is None and not (kind == "application/json" or kind.endswith("+json")):
        named = f"is {caller.shown(kind)}" if kind else "has no content-type"
        message = f"the answer {named}"
        yield found("endpoint.content_type", message, endpoint=endpoint.name, evidence=evidence)


def is_usable(answered: Answered) -> bool:
    """Tell whether variations on this ordinary call are worth sending."""
    return _BY_STATUS.get(answered.seen.status) is None and answered.kind in {
        ResponseKind.ANSWERED,
        ResponseKind.SOFT_ERROR,
        ResponseKind.REFUSED,
        ResponseKind.MALFORMED,
        ResponseKind.TOO_LARGE,
    }


def _code_of(endpoint: Endpoint, answered: Answered) -> str | None:
    if answered.kind is ResponseKind.THROTTLED:
        return "limits.throttled"
    if answered.reading.fault in wire.CODES:
        return wire.CODES[answered.reading.fault]
    if answered.kind is ResponseKind.REFUSED and answered.seen.status in _BY_STATUS:
        return _BY_STATUS[answered.seen.status]
    if answered.kind in {ResponseKind.REFUSED, ResponseKind.MALFORMED} and endpoint.kind == "grader":
        return "grader.no_score"
    return _BY_KIND.get(answered.kind)


def judge_flaky(caller: Caller) -> Iterator[Finding]:
    """Yield endpoints some of whose calls failed, or were refused as too many, and otherwise succeed."""
    for name, failed in caller.flaky.items():
        said = ", ".join(dict.fromkeys(answered.told for answered in failed))
        calls = "1 call" if len(failed) == 1 else f"{len(failed)} calls"
        message = f"{calls} failed ({said}) that succeed when they are made again"
        yield found("endpoint.flaky", message, endpoint=name, evidence=caller.evidence(failed[0]))
    for name, refused in caller.throttled.items():
        message = f"{len(refused)} of the check's own calls were answered with 429"
        yield found("limits.throttled", message, endpoint=name, evidence=caller.evidence(refused[0]))


# -- requests that must be refused


class Refusal(msgspec.Struct, frozen=True):
    """A request that is none: how it differs, and the finding where it is answered as if it were one.

    `how` is None where the endpoint gives no occasion for it.
    """

    name: str
    accepted: str
    how: Callable[[Endpoint], How | None]


def _wrong(endpoint: Endpoint) -> How | None:
    if not endpoint.headers:
        return None
    return How(headers=tuple((name, disguised(value)) for name, value in endpoint.headers), query=False)


def disguised(value: str) -> str:
    """Return another value of the same form: a scheme before the token stays."""
    scheme, space, token = value.rpartition(" ")
    other = token.translate(_NEXT)
    return scheme + space + (other if other != token else f"{token}x")


_NEXT = str.maketrans(
    ascii_letters + digits,
    "".join(chars[1:] + chars[:1] for chars in (ascii_lowercase, ascii_uppercase, digits)),
)


def _without_credentials(endpoint: Endpoint) -> How | None:
    none: Headers = ()
    return How(headers=none, query=False) if endpoint.headers or "?" in endpoint.url else None


REFUSALS: tuple[Refusal, ...] = (
    Refusal("no credentials", "endpoint.open", _without_credentials),
    Refusal("wrong credentials", "endpoint.wrong_credentials", _wrong),
    Refusal("a GET", "endpoint.answers_get", lambda _: How(method="GET", body=b"")),
    Refusal("an empty body", "endpoint.accepts_empty_body", lambda _: How(body=b"")),
    Refusal("half of a call", "endpoint.accepts_empty_body", lambda _: How(body=b'{"type":"function_ca')),
)
_CRASHES = "endpoint.crashes_on_bad_request"


async def check_refusals(
    caller: Caller, endpoint: Endpoint, ask: Ask, ordinary: Answered
) -> AsyncIterator[Finding]:
    """Yield what is wrong with the answers to requests that are none; `ordinary` is that to a right one."""
    hows = {refusal.name: how for refusal in REFUSALS if (how := refusal.how(endpoint)) is not None}
    answers = await caller.several(endpoint, {name: partial(ask, how) for name, how in hows.items()})
    told = set[str]()
    for refusal in REFUSALS:
        answered = answers.get(refusal.name)
        if answered is None or refusal.accepted in told or not _is_taken_for_a_call(answered, ordinary):
            continue
        told.add(refusal.accepted)
        if refusal.accepted == "endpoint.open":
            told.add("endpoint.wrong_credentials")  # it follows
        yield found(
            refusal.accepted,
            f"{refusal.name}: answered with {answered.seen.status}",
            endpoint=endpoint.name,
            evidence=caller.evidence(answered),
            severity="warning" if is_loopback(endpoint.url) else None,  # nobody else can reach it
        )
    crashed = {
        name: one for name, one in answers.items() if one.kind in {ResponseKind.CRASHED, ResponseKind.HUNG}
    }
    if crashed:
        message = "; ".join(f"{name}: {answered.told}" for name, answered in crashed.items())
        evidence = caller.evidence(next(iter(crashed.values())))
        yield found(_CRASHES, message, endpoint=endpoint.name, evidence=evidence)


def _is_taken_for_a_call(answered: Answered, ordinary: Answered) -> bool:
    """Tell whether a request got in: by its answer, or by the very error that the ordinary call is told."""
    if answered.kind is ResponseKind.SOFT_ERROR:
        return answered.reading.output == ordinary.reading.output
    return answered.kind is ResponseKind.ANSWERED
