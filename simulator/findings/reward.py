"""What can be wrong with rewards, which only a study of a grader, or a run, can tell."""

from simulator.findings.rule import Rule

REWARD: tuple[Rule, ...] = (
    Rule(
        "reward.missing",
        "error",
        "samples get no score",
        "Every sample of the study is graded several times; those are counted that no retry gave a score.",
        "The trainer discards such a rollout, good or bad; a python grader that fails, or a model's answer "
        "without a number, is scored 0.",
        "mend what the grader says went wrong; give what cannot be graded the lowest score",
    ),
    Rule(
        "reward.noisy",
        "warning",
        "the same sample is not always given the same score",
        "Every sample is graded several times while nothing else is going on. What connections differ by is "
        "told apart and does not count.",
        "Rollouts of a group are compared by their scores: noise is learnt as if it were merit.",
        "make the grader deterministic, or grade several times and return the mean",
    ),
    Rule(
        "reward.load_shift",
        "error",
        "scores change when many calls are in flight",
        "The same samples are graded before and under load, over the same connections. It is told when 0 "
        "lies outside the 99.5% interval of the difference; groups are what is drawn again for it.",
        "Which reward a rollout gets depends on how busy the grader is, not on how good the rollout is.",
        "look for time limits, fallbacks and shared state that change the score when the grader is busy",
    ),
    Rule(
        "reward.after_load",
        "error",
        "scores stay changed after a burst",
        "The same samples are graded before the load and after it; the rest is as for reward.load_shift.",
        "Rewards drift during the training, and later steps are not comparable with earlier ones.",
        "look for state that the burst leaves behind: caches, fallbacks that stay, limits that are used up",
    ),
    Rule(
        "reward.worker_shift",
        "error",
        "scores depend on the worker that answers",
        "The same samples are graded over many connections. An F test says whether those differ (0.5%), a "
        "mixture of normal distributions how many kinds there are.",
        "Rollouts of one group are graded by different workers: chance decides which of two is better.",
        "give all workers the same version, configuration and data, and keep nothing in a worker's memory",
    ),
    Rule(
        "reward.order",
        "warning",
        "the rollouts of a group are ranked otherwise than by the scores compared with",
        "Of the pairs of rollouts of one group that either ranks, those are counted that both rank alike. It "
        "is told where that is under 80%.",
        "Training compares the rollouts of a group: what the grader ranks wrongly is learnt wrongly.",
        "look at the pairs in scores.jsonl, and decide which of the two is right",
    ),
    Rule(
        "reward.format",
        "warning",
        "right answers fail for their format",
        "Answers that one grader passes and another fails are compared with the row's reference; those are "
        "counted that say the same in other words, digits or units. It is told from 2% on.",
        "The model is punished for being right, and learns the format before the task, or in its place.",
        "compare values rather than texts, or let the prompt ask for the form that the grader wants",
    ),
    Rule(
        "reward.flat_groups",
        "warning",
        "many groups would teach nothing",
        "Groups of at least two rollouts are counted whose scores are all the same. It is told from 30% on.",
        "An update compares the rollouts of a group: where all are alike there is no direction to go.",
        "drop items that are always or never solved, give partial credit, or raise compute_multiplier",
    ),
    Rule(
        "reward.noise_share",
        "warning",
        "much of what tells the rollouts of a group apart is the grader's noise",
        "The variance of a sample's repeated scores is compared with that between rollouts of one item. It "
        "is told from a quarter on.",
        "That share of what is learnt is chance, and so many more rollouts are needed for the same progress.",
        "make the grader deterministic, or grade several times and return the mean",
    ),
    Rule(
        "reward.failures",
        "warning",
        "failing endpoints change the rewards",
        "The mean score is computed with and without the rollouts in which an endpoint failed. It is told "
        "when 0 lies outside the 99.5% interval of the difference.",
        "The model is blamed for the infrastructure, and learns to avoid tools that were merely down.",
        "mend the endpoint, or have the grader refuse rollouts whose tools failed",
    ),
)
