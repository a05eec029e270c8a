"""What can be wrong with state that is kept under a rollout's id."""

from simulator.findings.rule import Rule

STATE: tuple[Rule, ...] = (
    Rule(
        "state.shared",
        "error",
        "rollouts see each other's state",
        "Where the scenario names a call that writes and one that reads, one rollout writes and another "
        "reads. "
        "Otherwise the same calls are made by one rollout alone and by two at the same time, and compared.",
        "Some 500 rollouts at once answer with each other's data; rewards no longer belong to what was done.",
        "keep state under `trace_id`, and nowhere else",
    ),
    Rule(
        "state.lost",
        "error",
        "a rollout's state is not there on every connection",
        "The calls of a rollout are made over one connection, and then over many, which reach different "
        "workers.",
        "With several workers a rollout finds its own state or not, by chance, and is graded accordingly.",
        "keep state where all workers find it (a database, Redis), or pin rollouts to workers by trace_id",
    ),
    Rule(
        "state.acts_twice",
        "error",
        "a call that is sent again acts again",
        "The scenario's writing call is sent twice with one `call_id`, as a retry is; then what was written "
        "is "
        "read, and compared with that of a rollout which sent it once.",
        "The trainer retries whatever failed on the way back: orders are placed twice, counters count "
        "double.",
        "remember the `call_id`s that were acted on, and answer a known one with what it was answered before",
    ),
    Rule(
        "state.parallel_calls",
        "error",
        "calls of one rollout at the same time fail, or are answered otherwise",
        "The same calls are made one after another and at once.",
        "Models do call several tools in a turn: those rollouts are discarded, or get wrong outputs.",
        "guard what the calls of a rollout share, by a lock under its trace_id",
    ),
    Rule(
        "state.not_repeatable",
        "note",
        "the same calls are answered otherwise in a fresh rollout",
        "The same calls are made by two rollouts, one after the other, over one connection each.",
        "Perhaps none: dates, random results and live data do that. Perhaps the rollouts share state.",
        "if the tool should be repeatable, look for state that is not kept under `trace_id`",
    ),
)
