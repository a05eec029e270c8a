"""What can be wrong with the grader's endpoint as a judge."""

from simulator.findings.rule import Rule

_DISCARDS = "The trainer sends the call again, three times, and then discards the rollout, good or bad."

GRADER: tuple[Rule, ...] = (
    Rule(
        "grader.no_score",
        "error",
        "the grader's answer is no finite number",
        "An ordinary answer is sent to be graded; the contract asks for a JSON object with a number in "
        "`score`.",
        _DISCARDS + " No rollout is graded.",
        'answer {"score": NUMBER}',
    ),
    Rule(
        "grader.out_of_range",
        "error",
        "scores and `pass_threshold` are on different scales",
        "All scores of the check are compared with the range from 0 to 1, or up to a larger threshold. It is "
        "a warning where they are only negative, or the job has no threshold.",
        "The share of passes says nothing, and a reward of another size than expected trains too hard.",
        "return scores from 0 to 1, and set pass_threshold accordingly",
    ),
    Rule(
        "grader.not_repeatable",
        "warning",
        "the same sample is not always given the same score",
        "One sample is graded five times; the spread is the highest score less the lowest.",
        "Rollouts of a group are compared by their scores: noise of that size is learnt as if it were merit.",
        "make the grader deterministic: temperature 0, a fixed seed, no dependence on load or order",
    ),
    Rule(
        "grader.grades_once",
        "warning",
        "a rollout can be graded only once",
        "One rollout is graded twice; then a fresh one that made the same calls.",
        "The trainer grades again what failed on the way back: those rollouts get another score, or none.",
        "keep what a rollout did until some minutes after it was graded",
    ),
    Rule(
        "grader.crashes_on_answer",
        "error",
        "an answer that a model may well give makes the grader answer 5xx, no number, or nothing",
        "An empty answer, a refusal, a very long one, broken JSON, another language, HTML, control "
        "characters.",
        _DISCARDS + " Early in a training models give such answers often.",
        "give what cannot be graded a score, usually the lowest",
    ),
    Rule(
        "grader.hangs_on_answer",
        "error",
        "an answer that a model may well give makes the grader hang",
        "The same answers as for grader.crashes_on_answer, with a time limit far above an ordinary call's.",
        "The step waits for ten minutes; an evaluation after the training may hang the job without a "
        "message.",
        "bound the time and the length of what is graded",
    ),
    Rule(
        "grader.refuses_answer",
        "note",
        "the grader refuses an answer with a 4xx in place of a score",
        "The same answers as for grader.crashes_on_answer.",
        "A grader call that fails for any reason is retried and then discards the rollout: the bad answer "
        "goes "
        "unpunished.",
        "give what cannot be graded a score, usually the lowest",
    ),
    Rule(
        "grader.needs_tools",
        "error",
        "the grader fails for a rollout that called no tool",
        "A sample with an empty `output_tools` is sent, under an id that no tool has seen.",
        _DISCARDS + " Rollouts that answer at once are never punished for it.",
        "score such a rollout like any other",
    ),
    Rule(
        "grader.hackable",
        "error",
        "an answer that is no answer is rewarded",
        "The question echoed, all options at once, the reference hidden among nonsense, instructions to "
        "give full "
        "marks, a score inside the answer; each is compared with an honest wrong answer.",
        "Training finds such a trick within a few steps, and the reward climbs while the model gets worse.",
        "grade the final answer alone: parse it strictly, and reject what holds more than one",
    ),
    Rule(
        "grader.rejects_reference",
        "warning",
        "the reference itself is scored no better than a wrong answer",
        "The row's reference is sent as the answer, and an honest wrong one.",
        "Either the grader does not know a right answer when it sees one, or it wants it in a form that the "
        "prompt must ask for: otherwise all rewards are alike, and nothing is learnt.",
        "grade a known right answer by hand, and let the prompt ask for the form that the grader wants",
    ),
    Rule(
        "grader.binary",
        "note",
        "only scores of exactly 0 and 1 were seen",
        "The scores of all answers of the check, a near miss among them, are looked at.",
        "Groups whose rollouts all fail, or all succeed, teach nothing; a graded score would tell them "
        "apart.",
        "give partial credit where it can be told",
    ),
)
