"""What is wrong with an endpoint's pace, and with its connections."""

import itertools
import threading

from tests.checks.healthy import Answer, Healthy


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
