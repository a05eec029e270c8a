"""Recordings of rollouts that were played against servers in simulated time."""

import heapq
import itertools
import random

from simulator.job.traces.recording import RecordedCall, RecordedTurn, Recording
from simulator.job.traces.survey import Survey
from simulator.measure.recorded import Reading, Recorded

BEGAN = 1_700_000_000.0
TURNS = (2, 3, 4, 4, 5, 5, 6, 7)


class Queue:
    """Serves so many calls at a time, in the order they came, or in a random one."""

    def __init__(self, servers, service, *, in_order=True):
        self.free, self.service, self.in_order = servers, service, in_order
        self.waiting = []

    def come(self, now, call, rng):
        self.waiting.append(call)
        return self._serve(now, rng)

    def leave(self, now, rng):
        self.free += 1
        return self._serve(now, rng)

    def _serve(self, now, rng):
        if self.free and self.waiting:
            self.free -= 1
            call = self.waiting.pop(0 if self.in_order else rng.randrange(len(self.waiting)))
            yield now + self.service(rng), call


class Apart:
    """Serves every call at once, in a time that has nothing to do with the others."""

    def __init__(self, latency):
        self.latency = latency

    def come(self, now, call, rng):
        yield now + self.latency(rng, call[1]), call

    def leave(self, *_):
        return ()


def think(rng):
    """Return seconds as in recordings of real jobs: a median of 2.7 s, and a long tail."""
    return rng.lognormvariate(1.0, 0.9)


def play(seed, servers, *, rollouts=50, in_flight=32, began=BEGAN, cold_s=0.0, tools=("find", "find")):
    """Return the recordings, so many rollouts in flight at a time.

    Before `cold_s` no answer is passed on. A rollout's first call is of the first tool, others are of the
    second.
    """
    rng = random.Random(seed)
    thought = [[think(rng) for _ in range(rng.choice(TURNS))] for _ in range(rollouts)]
    calls, started, ended = [[[] for _ in range(rollouts)] for _ in range(3)]
    waiting = iter(range(rollouts))
    events = []

    def begin(now):
        for rollout in itertools.islice(waiting, 1):
            started[rollout] = now
            go_on(now, rollout)

    def go_on(now, rollout):
        """Think, and then ask again, or end."""
        made = len(calls[rollout])
        what = "ask" if made + 1 < len(thought[rollout]) else "end"
        heapq.heappush(events, (now + thought[rollout][made], rollout, what, now))

    for _ in range(in_flight):
        begin(rng.random() * 0.2)
    while events:
        now, rollout, what, since = heapq.heappop(events)
        served = []
        if what == "end":
            ended[rollout] = now
            begin(now)
        elif what == "ask":
            served = servers.come(now, (rollout, len(calls[rollout]), now), rng)
        elif what == "leave":
            served = servers.leave(now, rng)
        else:
            calls[rollout].append((since, now))
            go_on(now, rollout)
        for ends, (of, _, asked) in served:
            heapq.heappush(events, (ends, of, "leave", asked))
            heapq.heappush(events, (max(ends, cold_s), of, "receive", asked))
    return [
        recording(
            calls[n], thought[n], began, key=f"item {n % 10}", started=started[n], ended=ended[n], tools=tools
        )
        for n in range(rollouts)
    ]


def recording(times, thought, began, *, key, started, ended, tools):
    turns = [
        RecordedTurn(
            (RecordedCall(tools[n > 0], f'{{"n":{n}}}', output="ok", started=a + began, ended=b + began),), t
        )
        for n, ((a, b), t) in enumerate(zip(times, thought, strict=False))
    ]
    return Recording(
        key=key,
        group=key,
        trace_id="trace_a",
        answer="blue",
        turns=(*turns, RecordedTurn((), thought[-1])),
        score=0.5,
        started=started + began,
        ended=ended + began,
    )


def survey(recordings, **reading) -> Recorded:
    taken, count = Survey(), len(recordings)
    for one in recordings:
        taken.add(one, 1)
    known = {"files": 1, "formats": {"some": count}, "records": count, **reading}
    return taken.recorded(Reading(**known))
