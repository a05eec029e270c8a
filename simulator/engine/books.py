"""The books of a shard: what has happened is put by, and entered several entries at a time.

Entering an attempt or a rollout is code that comes round once per call, when what it needs has long left the
processor's caches. Done for several in a row it takes half the time, and calls need not wait for it.
"""

from collections.abc import Callable

from simulator.measure.tally import Tally
from simulator.model import Attempt, Transcript

_ATTEMPTS, _TRANSCRIPTS = 64, 8
"""How many are put by at most: a call may have to wait until so many have been entered, 0.1 ms."""


class Books:
    """Enters attempts and transcripts into a tally, and hands the transcripts on to be written down."""

    def __init__(self, tally: Tally, write: Callable[[Transcript], None]) -> None:
        self._tally, self._write = tally, write
        self._attempts: list[Attempt] = []
        self._transcripts: list[Transcript] = []

    def put_attempt(self, attempt: Attempt) -> None:
        """Put an attempt by."""
        self._attempts.append(attempt)
        if len(self._attempts) >= _ATTEMPTS:
            self._enter_attempts()

    def put_transcript(self, transcript: Transcript) -> None:
        """Put by a rollout that was started and has ended."""
        self._transcripts.append(transcript)
        if len(self._transcripts) >= _TRANSCRIPTS:
            self._enter_transcripts()

    def enter(self) -> None:
        """Enter all that was put by: for whoever is about to look at the tally."""
        self._enter_attempts()
        self._enter_transcripts()

    def _enter_attempts(self) -> None:
        self._tally.add_attempts(self._attempts)
        self._attempts.clear()

    def _enter_transcripts(self) -> None:
        for transcript in self._transcripts:
            self._tally.add_transcript(transcript)
        for transcript in self._transcripts:
            self._write(transcript)
        self._transcripts.clear()

    def __repr__(self) -> str:
        return f"<Books put by: {len(self._attempts)} attempts, {len(self._transcripts)} transcripts>"
