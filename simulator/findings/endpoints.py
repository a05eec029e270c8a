"""What an endpoint's answers can have wrong: tools, and what graders share with them."""

from simulator.findings.rule import Rule

_ORDINARY = "An ordinary call is sent, with arguments that the policy, or the schema, would give it."
_DISCARDS = "The trainer sends the call again, three times, and then discards the whole rollout."

ENDPOINTS: tuple[Rule, ...] = (
    Rule(
        "endpoint.no_answer",
        "error",
        "an ordinary call got no answer",
        _ORDINARY + " The check waits for a few seconds, where the trainer would wait for ten minutes.",
        "Rollouts hang for up to ten minutes each, and are then discarded.",
        "find out what the endpoint waits for",
    ),
    Rule(
        "endpoint.fails",
        "error",
        "an ordinary call was answered with a 5xx, or the connection ended",
        _ORDINARY,
        _DISCARDS,
        "read the endpoint's log for this trace id, and mend what fails",
    ),
    Rule(
        "endpoint.flaky",
        "warning",
        "calls fail that succeed when they are sent again",
        "A probe that fails is sent up to twice more; only what fails each time is told as a failure.",
        "The trainer sends a 5xx again, three times: rollouts take longer, and some are discarded. In a "
        "burst it will be more of them.",
        "read the endpoint's log for what failed",
    ),
    Rule(
        "endpoint.not_there",
        "error",
        "nothing answers to POST at this URL",
        _ORDINARY + " It got a 404, 405 or 410.",
        "The model is shown an error for every call, or no rollout can be graded.",
        "mend the path in the URL",
    ),
    Rule(
        "endpoint.credentials_refused",
        "error",
        "the job's own credentials are refused",
        _ORDINARY + " It got a 401 or 403.",
        "The model is shown an error for every call, or no rollout can be graded.",
        "mend the header in the job, or the key at the endpoint",
    ),
    Rule(
        "endpoint.redirects",
        "error",
        "the endpoint redirects",
        _ORDINARY + " It got a 3xx.",
        "The trainer is not known to follow redirects, and a redirected POST often becomes a GET.",
        "write the final URL into the job",
    ),
    Rule(
        "endpoint.refuses",
        "warning",
        "an ordinary call was refused with a 4xx",
        _ORDINARY,
        "The model is shown the error. If the arguments were right, it is punished for the endpoint's "
        "mistake.",
        "see whether the arguments are ones that the endpoint should take",
    ),
    Rule(
        "endpoint.malformed",
        "error",
        "a 2xx answer does not carry what the contract asks for",
        _ORDINARY + " A tool owes JSON with an `output`.",
        "The model is shown whatever came, or nothing: it learns from noise.",
        "answer a JSON object with `type`, `call_id`, `id` and `output`",
    ),
    Rule(
        "endpoint.slow",
        "warning",
        "an ordinary call takes seconds although nothing else is going on",
        "Ordinary calls are timed one by one; a median over 5 s is told.",
        "A rollout makes several calls in turn, so that a step samples for minutes longer, at training "
        "prices.",
        "find out where the time goes before the burst multiplies it",
    ),
    Rule(
        "endpoint.content_type",
        "warning",
        "the answer is not labelled as JSON",
        "The content-type of an ordinary answer is read.",
        "Unknown: a stricter reader than this one may not take the body for JSON.",
        "answer with content-type: application/json",
    ),
    Rule(
        "endpoint.answer_too_large",
        "error",
        "an answer is larger than 1 MB",
        _ORDINARY + " Reading stops at the limit.",
        "The model is shown a 413 in place of the output; a grader's answer is lost.",
        "shorten the output: page it, or return less",
    ),
    Rule(
        "endpoint.open",
        "error",
        "the endpoint answers without the job's credentials",
        "The ordinary call is sent without the job's headers and without the URL's query. It is a warning "
        "where the host is this machine.",
        "Whoever finds the URL can call it: read what it serves, write into it, and load it while you train.",
        "refuse calls without the key, with a 401",
    ),
    Rule(
        "endpoint.wrong_credentials",
        "error",
        "the endpoint answers to wrong credentials",
        "The ordinary call is sent with every credential replaced by one of the same form. It is a warning "
        "where the host is this machine.",
        "The key is not compared: whoever finds the URL can call it.",
        "compare the key, and refuse a wrong one with a 401",
    ),
    Rule(
        "endpoint.answers_get",
        "warning",
        "the endpoint answers to GET",
        "A GET is sent, with the job's headers and without a body.",
        "Crawlers, link previews and health checks run your tool.",
        "take POST alone, and answer 405 to the rest",
    ),
    Rule(
        "endpoint.accepts_empty_body",
        "warning",
        "the endpoint answers to a POST without a body",
        "A POST is sent, with the job's headers and an empty body.",
        "None by itself. What an endpoint does with a call that says nothing, it does by accident.",
        "refuse it with a 400",
    ),
    Rule(
        "endpoint.crashes_on_bad_request",
        "warning",
        "a request that is none makes the endpoint answer 5xx, or nothing",
        "A GET, an empty body and a body that is half of a call are sent.",
        "The trainer sends none of these. But a 5xx counts against you in monitors, and may take a worker "
        "down.",
        "check the request before it is used, and answer 400 or 405",
    ),
    Rule(
        "tool.wrong_ids",
        "error",
        "a tool answers with the ids of another call",
        _ORDINARY + " `id` and `call_id` of the answer are compared with the call's.",
        "The trainer cannot tell which call was answered; under load, rollouts see each other's outputs.",
        "copy `id` and `call_id` from the request into the answer",
    ),
    Rule(
        "tool.missing_ids",
        "warning",
        "a tool leaves `id` or `call_id` out",
        _ORDINARY,
        "The contract asks for both; what the trainer makes of their absence is not published.",
        "copy `id` and `call_id` from the request into the answer",
    ),
    Rule(
        "tool.output_not_string",
        "error",
        "a tool's `output` is not a string",
        _ORDINARY,
        "The contract asks for a string; an object may be refused, or shown to the model in some other form.",
        "encode the output as JSON, and send that string",
    ),
    Rule(
        "tool.type",
        "warning",
        "a tool's answer has no `type`, or another one",
        _ORDINARY,
        "A published server leaves it out and works; the contract asks for `function_call_output`.",
        'add "type": "function_call_output"',
    ),
    Rule(
        "tool.crashes_on_arguments",
        "error",
        "arguments that a model may well write make a tool answer 5xx, or nothing",
        "Arguments that are no JSON, no object, miss a required field, have one of a wrong type or one too "
        "many, "
        "carry every kind of Unicode, or are very long.",
        _DISCARDS + " Early in a training models write such arguments often.",
        "check the arguments, and answer 4xx, or an output that begins with `Error:` and says what is wrong",
    ),
    Rule(
        "tool.hangs_on_arguments",
        "error",
        "arguments that a model may well write make a tool hang",
        "The same arguments as for tool.crashes_on_arguments, with a time limit far above an ordinary "
        "call's.",
        "The rollout waits for ten minutes, and so does its whole step.",
        "bound the time that a call may take, and check the arguments first",
    ),
    Rule(
        "tool.accepts_bad_arguments",
        "note",
        "a tool answers as if all were well although the arguments cannot be right",
        "Arguments that are no JSON, no object, or miss a required field.",
        "The model is not told of its mistake, and does not learn to avoid it.",
        "answer 4xx, or an output that begins with `Error:` and says what is wrong",
    ),
    Rule(
        "tool.accepts_unknown_name",
        "warning",
        "a tool answers to a call of another name",
        "The ordinary call is sent under a name that the job does not have.",
        "A URL mixed up in the job is not noticed: the wrong tool answers.",
        "compare `name`, and refuse another one with a 4xx",
    ),
    Rule(
        "tool.crashes_on_unknown_name",
        "warning",
        "a call of another name makes a tool answer 5xx, or nothing",
        "The ordinary call is sent under a name that the job does not have.",
        "A URL mixed up in the job discards rollouts where an error could have told why.",
        "compare `name`, and refuse another one with a 4xx",
    ),
)
