"""What goes wrong with several rollouts, connections and calls at once."""

import itertools
import random
import threading

from tests.checks.healthy import Answer, Healthy


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
