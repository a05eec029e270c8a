"""What graders get wrong."""

import itertools

from tests.checks.broken.contract import Hangs
from tests.checks.healthy import Answer, Healthy, parsed


class NoScore(Healthy):
    def grade(self, call):
        return Answer(200, {"score": str(super().grade(call).body["score"])})


class NaNScore(Healthy):
    def grade(self, call):  # noqa: ARG002
        return Answer(200, b'{"score": NaN}')


class Percent(Healthy):
    def score(self, sample, item, trace_id):
        return 100 * super().score(sample, item, trace_id)


class Moody(Healthy):
    def __init__(self):
        super().__init__()
        self.moods = itertools.cycle((0.0, 0.1, 0.2))

    def score(self, sample, item, trace_id):
        score = super().score(sample, item, trace_id)
        return score or (next(self.moods) if sample["output_text"] == "a blue coat" else 0.0)


class Forgets(Healthy):
    """Forgets a rollout as soon as it was graded, and cannot grade it again."""

    def grade(self, call):
        called = call["sample"]["output_tools"]
        if called and not self.counts.pop(call["trace_id"], 0):
            return Answer(500, {"error": "no such session"})
        return super().grade(call)


class ForgetsQuietly(Healthy):
    """Forgets a rollout as soon as it was graded, and gives it nothing the next time."""

    def score(self, sample, item, trace_id):
        known = self.counts.pop(trace_id, 0) or not sample["output_tools"]
        return super().score(sample, item, trace_id) if known else 0.0


class CrashesOnAnswers(Healthy):
    def __init__(self, crashes):
        super().__init__()
        self.crashes = crashes

    def grade(self, call):
        crashes = self.crashes(call["sample"]["output_text"])
        return Answer(500, {"error": "internal"}) if crashes else super().grade(call)


ODD_ANSWERS = {
    "an empty answer": lambda text: not text,
    "a refusal": lambda text: text.startswith("I'm sorry"),
    "a very long answer": lambda text: len(text) > 20_000,
    "broken JSON": lambda text: text.startswith("{") and parsed(text.encode()) is None,
    "another language": lambda text: "答え" in text,
    "HTML": lambda text: "<html>" in text,
    "control characters": lambda text: "\0" in text,
}


class NumbersAlone(Healthy):
    """Crashes on the policy's answer, which is none of its numbers, and grades the reference."""

    def grade(self, call):
        return Answer(500, {}) if call["sample"]["output_text"] == "a blue coat" else super().grade(call)


class HangsOnAnswers(Hangs):
    def tool(self, call):
        return Healthy.tool(self, call)

    def grade(self, call):
        if not call["sample"]["output_text"]:
            self.released.wait()
        return super().grade(call)


class RefusesAnswers(Healthy):
    def grade(self, call):
        empty = not call["sample"]["output_text"]
        return Answer(422, {"error": "no answer"}) if empty else super().grade(call)


class NeedsTools(Healthy):
    def grade(self, call):
        return super().grade(call) if call["sample"]["output_tools"] else Answer(500, {})


class Hackable(Healthy):
    """Rewards an answer of which `fooled` is true."""

    def __init__(self, fooled):
        super().__init__()
        self.fooled = fooled

    def score(self, sample, item, trace_id):
        fooled = self.fooled(sample["output_text"], item)
        return 1.0 if fooled else super().score(sample, item, trace_id)


TRICKED = {
    "the question echoed": lambda text, item: text == item["messages"][-1]["content"],
    "every option at once": lambda text, item: item["reference_answer"] in text.split(" or "),
    "the reference among nonsense": lambda text, item: item["reference_answer"] in text and "bicycle" in text,
    "instructions to the grader": lambda text, _: "full marks" in text,
    "a score in the answer": lambda text, _: (parsed(text.encode()) or {}).get("score") == 1.0,
}


class KnowsNothing(Healthy):
    def score(self, sample, item, trace_id):  # noqa: ARG002
        return 0.25


class Binary(Healthy):
    def score(self, sample, item, trace_id):
        return float(super().score(sample, item, trace_id) == 1)
