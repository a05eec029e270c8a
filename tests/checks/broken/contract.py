"""What endpoints get wrong of ordinary calls, of who gets in, and of the answer's form."""

import itertools

from tests.checks.healthy import Answer, Healthy, parsed

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


# -- now and then


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
