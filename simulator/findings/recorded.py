"""What stands out in recordings of rollouts, which `traces` tells; none of it is about the job at hand."""

from simulator.findings.rule import Rule

RECORDED: tuple[Rule, ...] = (
    Rule(
        "recorded.serial",
        "warning",
        "something served the calls a few at a time, and the others waited",
        "Calls that wait for one another finish at a rate that does not follow how many are in flight, and "
        "take longer the more are. How many were served at a time is what explains both best; it is told "
        "where that is far likelier than calls that do not wait, and stops being so if the latencies of each "
        "tool are dealt again to its calls. What the pass would have taken comes of a replay of its turns.",
        "Rollouts spend their time in a queue, and a step samples for as long as that takes. Whether the "
        "endpoint or whoever called it set the pace, a recording cannot tell.",
        "let the endpoint serve more calls at a time, or find out what called it one after another",
    ),
    Rule(
        "recorded.cold_start",
        "warning",
        "at first no call finished for a long time",
        "The time from the first call's start until one finished is compared with the pace of the queue, or "
        "with what later calls took; it is told from 3 s on, and where chance would hardly make it so long.",
        "The first rollouts of a step wait for an instance to start; what has a time limit may fail.",
        "keep an instance running, or call the endpoint once before the job begins",
    ),
    Rule(
        "recorded.polled",
        "note",
        "calls take whole seconds and the same fraction of one",
        "The fractions of the latencies of more than a second lie on a circle, on which they are evenly "
        "spread unless something looks once a second; it is told where they are of many seconds and alike.",
        "Every call takes up to a second longer than it needs, and shorter latencies cannot be told apart.",
        "find out what polls: it may be a gateway, a job queue, or the platform itself",
    ),
    Rule(
        "recorded.slow_tool",
        "warning",
        "one tool takes many times as long as the others",
        "The median of each tool with ten calls or more is compared with the median of all other tools' "
        "calls; it is told from a second on, and from five times as long.",
        "Rollouts that use it last longest, and a step samples until the last of them has ended.",
        "look at this tool first: cache, index, or answer with less",
    ),
    Rule(
        "recorded.failed",
        "warning",
        "calls were recorded as errors",
        "Calls are counted that the recording itself calls failed.",
        "The model was shown an error, or the rollout was discarded.",
        "read the endpoint's log for what failed",
    ),
    Rule(
        "recorded.soft_errors",
        "note",
        "calls were answered with an error text",
        "Outputs are counted that begin like an error, as `Error: ...` or a traceback does. It is told from "
        "5% of a tool's calls on: models do ask for what does not exist.",
        "No HTTP metric shows them, and the model is left to make sense of the text.",
        "look at what was asked for: mend the tool, or describe its arguments better",
    ),
    Rule(
        "recorded.unreadable_parallel",
        "warning",
        "several calls at once reached nobody",
        "Calls of `multi_tool_use.parallel` are counted whose insides cannot be read, or name a tool without "
        "its namespace.",
        "The model got no answer to any of them, whatever the endpoints would have said.",
        "ask in the prompt for one call at a time, or set `parallel_tool_calls` to false in the rows",
    ),
    Rule(
        "recorded.undeclared_tool",
        "warning",
        "tools were called that the rollout's row does not declare",
        "The names of calls are compared with the `tools` of the recorded row, where it has any.",
        "The model makes up tools, or rows and job do not name the same ones.",
        "declare the tool in the dataset's rows, or tell the model in its prompt what there is",
    ),
    Rule(
        "recorded.bad_arguments",
        "note",
        "arguments are no JSON object",
        "The arguments of each call are read as JSON.",
        "The endpoint is sent text that it cannot read; a 5xx for that discards the rollout.",
        "answer such arguments with a sentence that says what is wrong, as `check` tries",
    ),
    Rule(
        "recorded.no_answer",
        "warning",
        "rollouts ended without an answer",
        "Rollouts are counted that did not come to their end, or whose last message has no text. It is told "
        "from 5% on.",
        "There is nothing to grade: such a rollout is discarded, or gets the lowest score.",
        "look at how they end: at a limit of steps or tokens, at a failure, or with a call",
    ),
    Rule(
        "recorded.capped",
        "warning",
        "many rollouts without an answer ended at the same number of calls",
        "Of the rollouts with the largest number of calls those are counted that have no answer; it is told "
        "where they are at least three, 5% of all, and more than half.",
        "A cap on steps cuts rollouts off before they answer, and the model is graded on nothing.",
        "raise `max_episode_steps`, or ask in the prompt for fewer calls",
    ),
    Rule(
        "recorded.repeated_call",
        "note",
        "rollouts make the same call again",
        "Rollouts are counted that call a tool twice with the very same arguments. It is told from 10% on.",
        "Each such call costs time and a step, and brings nothing new unless the tool's answers change.",
        "look at what the tool answered the first time: the model did not find what it looked for",
    ),
)
