"""What can be wrong with an endpoint's capacity, as far as ten seconds at the recommended rate show it."""

from simulator.findings.rule import Rule

_AT_THE_RATE = (
    "Ordinary calls are sent for 10 s at the recommended 50 per second, or at the job's rate_limit."
)

LIMITS: tuple[Rule, ...] = (
    Rule(
        "limits.rate_not_reached",
        "warning",
        "the endpoint does not keep up with the recommended 50 requests per second",
        _AT_THE_RATE
        + " Answers are counted while calls are coming in. It is an error where one call of each of "
        "a step's rollouts would take over a minute.",
        "The rollouts of a step queue for the rest, each call behind hundreds of others.",
        "add workers or instances, or let blocking work leave the event loop",
    ),
    Rule(
        "limits.errors",
        "error",
        "calls fail at the recommended 50 requests per second that work one by one",
        _AT_THE_RATE + " Faults are counted. It is a warning where fewer than 1% fail.",
        "A step's burst is ten times as many at once: rollouts are retried, then discarded.",
        "find what runs out first: workers, database connections, memory, the quota of a model",
    ),
    Rule(
        "limits.at_once",
        "error",
        "calls fail when two dozen rollouts make them at once",
        "24 rollouts make the same two calls at the same time; alone, and as many in turn, they succeed.",
        "A step begins with hundreds of rollouts at once: they are retried, then discarded.",
        "find what runs out first: workers, database connections, memory; let calls wait, not fail",
    ),
    Rule(
        "limits.throttled",
        "warning",
        "the endpoint answers 429 at the recommended 50 requests per second",
        _AT_THE_RATE + " 429s and their Retry-After are counted.",
        "A tool's 429 is shown to the model as if it had made a mistake; a grader's is retried three times, "
        "then the rollout is discarded. The trainer is not known to heed Retry-After.",
        "raise the limit for the job's key, or queue instead of refusing",
    ),
    Rule(
        "limits.time_limit",
        "error",
        "at the pace seen, the calls of a step's burst would wait for over 10 minutes",
        _AT_THE_RATE + " The step's rollouts are divided by the rate reached.",
        "The last ones in the queue run into the trainer's time limit, and their rollouts are discarded.",
        "add workers or instances before the job is submitted",
    ),
    Rule(
        "check.unfinished",
        "warning",
        "the check ran out of time",
        "All probes together have a time limit.",
        "What was not probed may still be wrong.",
        "see which endpoint is slow, or pass a longer --time-limit",
    ),
)
