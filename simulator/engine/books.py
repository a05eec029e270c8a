"""The books of a shard: what has happened is put by, and entered several entries at a time.

Entering an attempt or a rollout is code that comes round once per call, when what it needs has long left the
processor's caches. Done for several in a row it takes less. Attempts wait for the next rollouts to end, or
for somebody to look.
"""

from collections.abc import Callable

from simulator.measure.tally import Tally
from simulator.model import Attempt, Transcript

_AT_ONCE = 8
"""Transcripts that are put by at most: a call may have to wait until so many have been entered, 0.1 ms."""


class Books:
    """Enters attempts and transcripts into a tally, and hands the transcripts on to be written down.

    `put_attempt` puts an attempt by. It is a list's own method, because it is called for every attempt.
    """

    def __init__(self, tally: Tally, write: Callable[[Transcript], None]) -> None:
        self._tally, self._write = tally, write
        self._attempts: list[Attempt] = []
        self._transcripts: list[Transcript] = []
        self.put_attempt: Callable[[Attempt], None] = self._attempts.append

    def put_transcript(self, transcript: Transcript) -> None:
        """Put by a rollout that was started and has ended; enter all when that makes many."""
        self._transcripts.append(transcript)
        if len(self._transcripts) >= _AT_ONCE:
            self.enter()

    def enter(self) -> None:
        """Enter all that was put by: every now and then, and for whoever is about to look at the tally."""
        self._tally.add_attempts(self._attempts)
        self._attempts.clear()
        for transcript in self._transcripts:
            self._tally.add_transcript(transcript)
        for transcript in self._transcripts:
            self._write(transcript)
        self._transcripts.clear()

    def __repr__(self) -> str:
        return f"<Books put by: {len(self._attempts)} attempts, {len(self._transcripts)} transcripts>"
