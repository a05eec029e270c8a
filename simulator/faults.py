"""What can go wrong with an attempt: a closed list, and the table that classifies a status.

A *fault* is what went wrong with one attempt. It is not yet what the trainer makes of it: that is
`plan.retry`. A *violation* is an answer that could be used although it breaks the contract.
"""

from enum import StrEnum


class Fault(StrEnum):
    """What went wrong with one attempt."""

    DNS = "dns"
    CONNECT_REFUSED = "connect_refused"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_FAILED = "connect_failed"
    TLS = "tls"
    RESET = "reset"
    TRUNCATED = "truncated"
    MALFORMED_HTTP = "malformed_http"
    TIMEOUT = "timeout"
    TOO_LARGE = "too_large"
    REQUEST_TOO_LARGE = "request_too_large"
    HTTP_3XX = "http_3xx"
    HTTP_4XX = "http_4xx"
    HTTP_5XX = "http_5xx"
    MALFORMED_ANSWER = "malformed_answer"
    NO_SOCKET = "no_socket"
    UNFINISHED = "unfinished"


MEANING: dict[Fault, str] = {
    Fault.DNS: "the host's name could not be resolved",
    Fault.CONNECT_REFUSED: "nothing listened at the address",
    Fault.CONNECT_TIMEOUT: "no connection within the connect time limit",
    Fault.CONNECT_FAILED: "the network refused the connection (unreachable, no free port, ...)",
    Fault.TLS: "the TLS handshake or the certificate's verification failed",
    Fault.RESET: "the connection was closed or reset before an answer began",
    Fault.TRUNCATED: "the connection ended inside the answer",
    Fault.MALFORMED_HTTP: "what came back is not HTTP/1.1",
    Fault.TIMEOUT: "no complete answer within the call's time limit",
    Fault.TOO_LARGE: "the answer was larger than the trainer accepts; reading stopped there",
    Fault.REQUEST_TOO_LARGE: "the request was larger than the trainer sends; it was not sent",
    Fault.HTTP_3XX: "a redirect, which the trainer is not known to follow",
    Fault.HTTP_4XX: "a 4xx status",
    Fault.HTTP_5XX: "a 5xx status",
    Fault.MALFORMED_ANSWER: "a 2xx answer without what the contract asks for",
    Fault.NO_SOCKET: "this machine had no socket left to send it on",
    Fault.UNFINISHED: "no answer yet when the run was stopped",
}

NEVER_ANSWERED = frozenset(
    {
        Fault.NO_SOCKET,
        Fault.UNFINISHED,
        Fault.DNS,
        Fault.CONNECT_REFUSED,
        Fault.CONNECT_TIMEOUT,
        Fault.CONNECT_FAILED,
        Fault.TLS,
        Fault.RESET,
        Fault.REQUEST_TOO_LARGE,
    }
)
"""Faults of attempts that have no service time: the endpoint's own code never spoke."""


class Violation(StrEnum):
    """A breach of the contract in an answer that could still be used."""

    MISSING_TYPE = "missing_type"
    WRONG_TYPE = "wrong_type"
    MISSING_ID = "missing_id"
    WRONG_ID = "wrong_id"
    MISSING_CALL_ID = "missing_call_id"
    WRONG_CALL_ID = "wrong_call_id"
    OUTPUT_NOT_A_STRING = "output_not_a_string"


_BY_STATUS_CLASS: dict[int, Fault | None] = {
    2: None,
    3: Fault.HTTP_3XX,
    4: Fault.HTTP_4XX,
    5: Fault.HTTP_5XX,
}


def fault_of_status(status: int) -> Fault | None:
    """Return the fault an HTTP status stands for; None for 2xx, MALFORMED_HTTP outside 200-599."""
    return None if status == 200 else _BY_STATUS_CLASS.get(status // 100, Fault.MALFORMED_HTTP)
