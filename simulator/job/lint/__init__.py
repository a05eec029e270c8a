"""What can be said of the files without any traffic: pure functions of what was read, listed in `LINTS`.

What makes a file unusable, the readers beside this room complain of; here is what they let pass.
"""

from collections.abc import Callable, Iterable
from itertools import islice

import msgspec

from simulator.job.lint.grader import GRADER_LINTS
from simulator.job.lint.rows import ROW_LINTS
from simulator.job.lint.secrets import SECRET_LINTS
from simulator.job.lint.template import TEMPLATE_LINTS
from simulator.job.lint.tokens import conceal
from simulator.job.lint.tools import TOOL_LINTS
from simulator.job.lint.traffic import TRAFFIC_LINTS
from simulator.job.scenario import Scenario
from simulator.model import Finding
from simulator.redaction import redactor

Lint = Callable[[Scenario], Iterable[Finding]]

LINTS: tuple[Lint, ...] = (
    *SECRET_LINTS,
    *TRAFFIC_LINTS,
    *TOOL_LINTS,
    *ROW_LINTS,
    *GRADER_LINTS,
    *TEMPLATE_LINTS,
)

MOST_OF_EACH = 50
"""Findings of one lint: whoever has more of them sees the rest when these are mended."""

_LONGEST = 600


def lint(scenario: Scenario) -> tuple[Finding, ...]:
    """Return what the files have wrong, in the order of `LINTS`; no message holds a secret."""
    redact = redactor(scenario.secrets)
    return tuple(
        msgspec.structs.replace(finding, message=_cut(conceal(redact(finding.message))))
        for check in LINTS
        for finding in islice(check(scenario), MOST_OF_EACH)
    )


def _cut(message: str) -> str:
    return message if len(message) <= _LONGEST else message[: _LONGEST - 3] + "..."
