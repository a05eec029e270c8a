"""What a person may set about a bench."""

from pathlib import Path
from typing import Any

import msgspec

from tests.bench.work import Work


class Options(msgspec.Struct, frozen=True):
    """`rounds` of `seconds` each; `body` is the file with the request's body; `soak_s` of the soak alone."""

    rounds: int
    seconds: float
    soak_s: float
    body: Path

    def work(self, base: str, **more: Any) -> Work:
        """Return work at a target; `more` are other fields of `Work`."""
        return Work(**{"base": base, "body": self.body, "seconds": self.seconds} | more)
