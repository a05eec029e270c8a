"""What the way to an endpoint can have wrong, before its own code is reached."""

from simulator.findings.rule import Rule

_LOST = "Every rollout that calls the endpoint is retried, then discarded; the job fails in its first step."

WIRE: tuple[Rule, ...] = (
    Rule(
        "wire.dns",
        "error",
        "the host's name cannot be resolved",
        "The name is resolved as a call would do it.",
        _LOST,
        "mend the URL, or the host's DNS entry; it must resolve from outside too",
    ),
    Rule(
        "wire.refused",
        "error",
        "nothing listens at the address",
        "A connection is opened.",
        _LOST,
        "start the endpoint, or mend the URL's port",
    ),
    Rule(
        "wire.unreachable",
        "error",
        "no connection to the host could be made",
        "A connection is opened, within the connect time limit.",
        _LOST,
        "look at firewalls and routes, and mend the URL",
    ),
    Rule(
        "wire.tls",
        "error",
        "the TLS handshake or the certificate's verification fails",
        "A connection is opened with this machine's trusted authorities.",
        _LOST,
        "serve a certificate for this host with its whole chain, from an authority that everybody trusts",
    ),
    Rule(
        "wire.certificate_expires",
        "warning",
        "the certificate expires soon",
        "The days left on the certificate are read; fewer than 30 are told.",
        "A job that runs, or is resumed, past that day loses all its rollouts.",
        "renew the certificate before the job is submitted",
    ),
    Rule(
        "wire.not_http",
        "error",
        "what comes back is not HTTP",
        "An ordinary call is sent and its answer parsed.",
        _LOST,
        "mend the URL's port, or the server",
    ),
    Rule(
        "wire.http_version",
        "warning",
        "the endpoint answers in HTTP/1.0",
        "The version of an ordinary answer is read.",
        "Connections are not kept, so that every call pays for a handshake, and a burst for hundreds at "
        "once.",
        "let the server, or the proxy before it, speak HTTP/1.1",
    ),
    Rule(
        "wire.no_keep_alive",
        "warning",
        "the endpoint closes the connection after every answer",
        "Two calls are sent in turn over what would be one connection; opening one is timed.",
        "Every call pays for a handshake, and ports and file descriptors run out first in a burst.",
        "turn keep-alive on, in the server and in the load balancer",
    ),
    Rule(
        "wire.cold_start",
        "warning",
        "the first answer took far longer than the next",
        "The first call of all is timed against later ones: over 2 s, and five times as long.",
        "Between two steps the endpoint is idle for minutes: each step's burst may meet it cold.",
        "keep an instance warm for as long as the job runs",
    ),
)
