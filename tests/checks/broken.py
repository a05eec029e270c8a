"""Servers that get one thing wrong each, by the code of what is found of them."""

import itertools
import random
import threading

from .healthy import Answer, Healthy, parsed


def arguments_of(call):
    return parsed(call["arguments"].encode())


# -- an ordinary call


class Fails(Healthy):
    def tool(self, call):  # noqa: ARG002
        return Answer(503, {"error": "out of order"})


class NotThere(Healthy):
    def handle(self, method, path, headers, raw):
        return super().handle(method, path, headers, raw) if path == "/grade" else Answer(404, {})


class RefusesTheKey(Healthy):
    def admits(self, _headers):
        return False


class Redirects(Healthy):
    def tool(self, call):  # noqa: ARG002
        return Answer(307, {}, headers=(("location", "/elsewhere"),))


class Refuses(Healthy):
    def tool(self, call):  # noqa: ARG002
        return Answer(422, {"error": "not like that"})


class Malformed(Healthy):
    def tool(self, call):
        answer = super().tool(call)
        return Answer(200, {"result": answer.body["output"]}) if answer.status == 200 else answer


class Unlabelled(Healthy):
    def tool(self, call):
        return super().tool(call)._replace(content_type="text/html")


class TooLarge(Healthy):
    def look_up(self, trace_id, query):
        return super().look_up(trace_id, query) + "." * 1_000_000


class NoHttp(Healthy):
    protocol_version = "HTTPS"


class Hangs(Healthy):
    def tool(self, call):
        self.released.wait()
        return super().tool(call)


# -- who gets in


class Open(Healthy):
    def admits(self, _headers):
        return True


class LooksAtNoKey(Healthy):
    def admits(self, headers):
        return "authorization" in headers


class AnswersGet(Healthy):
    def handle(self, method, path, headers, raw):
        if method == "GET" and self.admits(headers):
            return self.answer({"id": "", "call_id": ""}, "look-up 0: nothing") if path != "/grade" else SCORE
        return super().handle(method, path, headers, raw)


SCORE = Answer(200, {"score": 0.0})


class AcceptsNothing(Healthy):
    def handle(self, method, path, headers, raw):
        if method == "POST" and not raw and self.admits(headers):
            return self.answer({"id": "", "call_id": ""}, "look-up 0: nothing") if path != "/grade" else SCORE
        return super().handle(method, path, headers, raw)


class CrashesOnHalfACall(Healthy):
    def handle(self, method, path, headers, raw):
        if raw and parsed(raw) is None and self.admits(headers):
            return Answer(500, {})
        return super().handle(method, path, headers, raw)


# -- the answer's form


class WrongIds(Healthy):
    def answer(self, call, output):
        return super().answer({**call, "call_id": "call_of_another"}, output)


class MissingIds(Healthy):
    def answer(self, call, output):
        answer = super().answer(call, output)
        del answer.body["id"]
        return answer


class NoString(Healthy):
    def output(self, call):
        output = super().output(call)
        return output if output.startswith("Error") else [output]


class NoType(Healthy):
    def answer(self, call, output):
        answer = super().answer(call, output)
        del answer.body["type"]
        return answer


# -- arguments


class CrashesOn(Healthy):
    """Crashes on arguments of which `crashes` is true."""

    def __init__(self, crashes):
        super().__init__()
        self.crashes = crashes

    def output(self, call):
        if self.crashes(call["arguments"], arguments_of(call)):
            raise ConnectionError
        return super().output(call)

    def tool(self, call):
        try:
            return super().tool(call)
        except ConnectionError:
            return Answer(500, {"error": "internal"})


def no_json(_text, value):
    return value is None


def no_object(_text, value):
    return value is not None and not isinstance(value, dict)


def missing(_text, value):
    return isinstance(value, dict) and "query" not in value


def wrong_type(_text, value):
    return isinstance(value, dict) and not isinstance(value.get("query", ""), str)


def one_too_many(_text, value):
    return isinstance(value, dict) and not value.keys() <= {"query", "top"}


def not_latin(_text, value):
    query = value.get("query") if isinstance(value, dict) else None
    return isinstance(query, str) and not query.isascii()


def zero_byte(_text, value):
    return isinstance(value, dict) and "\0" in str(value.get("query"))


def enormous(text, _value):
    return len(text) > 65_536


CRASHES = {
    "no JSON": no_json,
    "no object": no_object,
    "a required field missing": missing,
    "a wrong type": wrong_type,
    "a field too many": one_too_many,
    "every kind of Unicode": not_latin,
    "very long": enormous,
}


class HangsOnBadArguments(Hangs):
    def tool(self, call):
        if arguments_of(call) is None:
            self.released.wait()
        return Healthy.tool(self, call)


class AcceptsAnything(Healthy):
    def output(self, call):
        return self.look_up(call["trace_id"], str(arguments_of(call)))


class AnyName(Healthy):
    def tool(self, call):
        return super().tool({**call, "name": "look_up"})


class CrashesOnNames(Healthy):
    def tool(self, call):
        return super().tool(call) if call["name"] == "look_up" else Answer(500, {})


class Flaky(Healthy):
    """Fails every fifth call, until the rollouts at once come."""

    def __init__(self):
        super().__init__()
        self.fails = itertools.cycle((False, False, False, False, True))

    def looked_at(self, what):
        if "state" in what:
            self.fails = itertools.cycle((False,))

    def tool(self, call):
        return Answer(500, {}) if next(self.fails) else super().tool(call)


# -- state


class OneSession(Healthy):
    """Keeps the session of whoever came last: the others find themselves in another's."""

    def __init__(self):
        super().__init__()
        self.session = ""

    def look_up(self, trace_id, query):
        answer = super().look_up(trace_id, query)
        if self.counts[trace_id] == 1:
            self.session = trace_id
        return answer if self.session == trace_id else "another's session"


class ByConnection(Healthy):
    """Knows a rollout only on the connection that it came over: a worker with memory of its own."""

    def __init__(self):
        super().__init__()
        self.by_worker = {}

    def look_up(self, trace_id, query):
        return super().look_up(f"{trace_id}/{threading.get_ident()}", query)


class NotAtOnce(Healthy):
    """Fails where two calls of one rollout are there at the same time."""

    def __init__(self):
        super().__init__()
        self.busy: set[str] = set()

    def tool(self, call):
        with self.lock:
            if call["trace_id"] in self.busy:
                return Answer(500, {"error": "locked"})
            self.busy.add(call["trace_id"])
        try:
            threading.Event().wait(0.03)
            return super().tool(call)
        finally:
            with self.lock:
                self.busy.discard(call["trace_id"])


class Crowded(Healthy):
    """Fails where more than eight calls are there at the same time."""

    status = 503

    def __init__(self):
        super().__init__()
        self.here = 0

    def tool(self, call):
        with self.lock:
            self.here += 1
            full = self.here > 8
        try:
            threading.Event().wait(0.05)
            return Answer(self.status, {"error": "full"}) if full else super().tool(call)
        finally:
            with self.lock:
                self.here -= 1


class Random(Healthy):
    def look_up(self, trace_id, query):
        return f"{super().look_up(trace_id, query)} {random.random()}"


class OtherwiseAtTimes(Healthy):
    """Answers every eleventh call otherwise, whoever makes it: no state, but a search that is not exact."""

    def __init__(self):
        super().__init__()
        self.odd = itertools.cycle((*[False] * 10, True))

    def look_up(self, trace_id, query):
        answer = super().look_up(trace_id, query)
        return "Error: upstream timeout" if next(self.odd) else answer


class Guarded(Crowded):
    """Refuses more than eight calls at the same time with a 429."""

    status = 429


# -- the grader


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


# -- limits


class Busy(Healthy):
    """Fails every other call while the rate is tried."""

    status, headers = 503, ()

    def __init__(self):
        super().__init__()
        self.fails = itertools.cycle((False,))

    def looked_at(self, what):
        if "rate" in what:
            self.fails = itertools.cycle((False, True))

    def tool(self, call):
        if next(self.fails):
            return Answer(self.status, {"error": "busy"}, headers=self.headers)
        return super().tool(call)


class Throttled(Busy):
    status, headers = 429, (("retry-after", "7"),)

    def looked_at(self, what):
        if "rate" in what:
            self.fails = itertools.cycle((True,))


class OneByOne(Healthy):
    """Serves one call at a time, of which each takes 60 ms, while the rate is tried."""

    def __init__(self):
        super().__init__()
        self.one, self.takes_s = threading.Lock(), 0.0

    def looked_at(self, what):
        self.takes_s = 0.06 if "rate" in what else 0.0

    def tool(self, call):
        with self.one:
            threading.Event().wait(self.takes_s)
            return super().tool(call)


# -- the wire


class Http10(Healthy):
    protocol_version = "HTTP/1.0"


class ClosesAfterwards(Healthy):
    def handle(self, method, path, headers, raw):
        answer = super().handle(method, path, headers, raw)
        return answer._replace(headers=(("connection", "close"),))


class Slow(Healthy):
    def tool(self, call):
        threading.Event().wait(0.06)
        return super().tool(call)


class StartsCold(Healthy):
    def tool(self, call):
        if not self.counts:
            threading.Event().wait(1.0)
        return super().tool(call)


BROKEN = {
    "wire.not_http": NoHttp,
    "wire.http_version": Http10,
    "wire.no_keep_alive": ClosesAfterwards,
    "endpoint.no_answer": Hangs,
    "endpoint.fails": Fails,
    "endpoint.flaky": Flaky,
    "endpoint.not_there": NotThere,
    "endpoint.credentials_refused": RefusesTheKey,
    "endpoint.redirects": Redirects,
    "endpoint.refuses": Refuses,
    "endpoint.malformed": Malformed,
    "endpoint.content_type": Unlabelled,
    "endpoint.answer_too_large": TooLarge,
    "endpoint.open": Open,
    "endpoint.wrong_credentials": LooksAtNoKey,
    "endpoint.answers_get": AnswersGet,
    "endpoint.accepts_empty_body": AcceptsNothing,
    "endpoint.crashes_on_bad_request": CrashesOnHalfACall,
    "tool.wrong_ids": WrongIds,
    "tool.missing_ids": MissingIds,
    "tool.output_not_string": NoString,
    "tool.type": NoType,
    "tool.hangs_on_arguments": HangsOnBadArguments,
    "tool.accepts_bad_arguments": AcceptsAnything,
    "tool.accepts_unknown_name": AnyName,
    "tool.crashes_on_unknown_name": CrashesOnNames,
    "state.shared": OneSession,
    "state.lost": ByConnection,
    "state.parallel_calls": NotAtOnce,
    "state.not_repeatable": Random,
    "limits.at_once": Crowded,
    "grader.no_score": NoScore,
    "grader.out_of_range": Percent,
    "grader.not_repeatable": Moody,
    "grader.grades_once": Forgets,
    "grader.hangs_on_answer": HangsOnAnswers,
    "grader.refuses_answer": RefusesAnswers,
    "grader.needs_tools": NeedsTools,
    "grader.rejects_reference": KnowsNothing,
    "grader.binary": Binary,
}
"""Servers that are found out without load, and by a check of the usual kind."""
